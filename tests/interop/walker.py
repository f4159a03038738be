"""A caller of a carrier's who listens and presses keys: SIPp with RFC 4733 digits, and what was heard."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from pbx.native import g711
from tests.interop.capture import alaw_heard, capture
from tests.interop.server import ROOT
from tests.interop.sipp import Sipp
from tests.interop.sound import Samples

MEDIA_PORT = 7000
DIGITS = Path("/usr/share/sip-tester")
ROWS_HZ, COLUMNS_HZ = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
SAME = 0.6  # of a prompt's energy found in what was heard

INVITE = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="walker">
  <send retrans="500"><![CDATA[
INVITE sip:{number}@127.0.0.1:5060 SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:{caller}@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:{number}@127.0.0.1:5060>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:carrier@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=carrier 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP {formats}
a=rtpmap:8 PCMA/8000
]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:{caller}@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:{number}@127.0.0.1:5060>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
"""
KEY = """  <pause milliseconds="{before_ms}"/>
  <nop><action><exec play_pcap_audio="{file}"/></action></nop>
"""
BYE = """  <pause milliseconds="{before_ms}"/>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:{caller}@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:{number}@127.0.0.1:5060>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
</scenario>
"""


def walk(
    directory: Path,
    number: str,
    keys: Sequence[tuple[float, str]],
    stay_s: float,
    *,
    caller: str = "13800138000",
    as_sound: bool = False,
) -> Samples:
    """Call *number* as the carrier, press each key after so many seconds, stay, hang up; return what was heard.

    Keys are RFC 4733 events, or (*as_sound*) tones of a caller whose carrier knows no events.
    """
    directory.mkdir(parents=True)
    formats = "8" if as_sound else "8 101\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15"
    values = {"number": number, "caller": caller, "formats": formats}
    text = INVITE.format(**values)
    for before_s, key in keys:
        name = {"*": "star", "#": "pound"}.get(key, key)
        file = write_tone(directory / f"{name}.pcap", key) if as_sound else DIGITS / f"dtmf_2833_{name}.pcap"
        text += KEY.format(before_ms=round(before_s * 1000), file=file)
    text += BYE.format(before_ms=round(stay_s * 1000), **values)
    scenario = directory / "walker.xml"
    scenario.write_text(text)
    with capture(directory / "heard.pcap") as pcap:
        sipp = Sipp(directory, "walker", "-sf", str(scenario), "-p", "5070", "-mp", str(MEDIA_PORT), "-m", "1",
                    "127.0.0.1:5060")  # fmt: skip
        try:
            counts = sipp.finish(stay_s + sum(s for s, _ in keys) + 15)
        finally:
            sipp.stop()
    assert counts == {"Successful call": 1, "Failed call": 0}, sipp.errors()
    return alaw_heard(pcap, range(MEDIA_PORT, MEDIA_PORT + 1))


def write_tone(path: Path, key: str) -> Path:
    """Write a key's two tones as a capture of A-law packets, as SIPp plays them: 200 ms, then as much silence."""
    row, column = divmod("123A456B789C*0#D".index(key), 4)
    time = np.arange(1600) / 8000
    tones = np.sin(2 * np.pi * ROWS_HZ[row] * time) + np.sin(2 * np.pi * COLUMNS_HZ[column] * time)
    sound = np.concatenate([0.2 * tones, np.zeros(1600)])
    codes = g711.encode(True, np.rint(sound * 32767).astype(np.int16))
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for n in range(0, len(codes), 160):
        rtp = struct.pack("!BBHII", 0x80, 8, 100 + n // 160, 1000 + n, 0x5157) + codes[n : n + 160]
        udp = struct.pack("!HHHH", MEDIA_PORT, MEDIA_PORT, 8 + len(rtp), 0) + rtp
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1") + udp
        frame = bytes(12) + b"\x08\x00" + ip
        data += struct.pack("<IIII", 0, n // 160 * 20_000, len(frame), len(frame)) + frame
    path.write_bytes(data)
    return path


def found_at(sound: Samples, language: str, name: str) -> float | None:
    """Return when a prompt that ships begins in what was heard, in seconds; None where it is not there."""
    prompt, rate_hz = soundfile.read(ROOT / "prompts" / language / f"{name}.flac")
    return position(sound, prompt[:: rate_hz // 8000])


def position(sound: Samples, prompt: Samples) -> float | None:
    """Return where *prompt* begins in *sound*, both at 8 kHz, as far as it was played before a key cut it."""
    start = prompt[: min(len(prompt), 12_000)]  # a second and a half tells one sentence from another
    size = 1 << (len(sound) + len(start)).bit_length()
    match = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(start, size)))[: len(sound)]
    best = int(match.argmax())
    return best / 8000 if match[best] / float((start**2).sum()) > SAME else None
