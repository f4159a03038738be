"""Codecs as session descriptions name them (RFC 3551, RFC 7587, RFC 4733)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Codec:
    """An audio format. G.722 samples at 16 kHz on an 8 kHz RTP clock, so both are named."""

    name: str  # lower case
    rate_hz: int  # samples a second
    clock_hz: int  # RTP time stamps a second
    payload_type: int
    ptime_ms: int = 20
    fmtp: str = ""
    channels: int = 1

    @property
    def rtpmap(self) -> str:
        # Case does not matter (RFC 8866 6.6), but softphones that compare the spelling of RFC 3551 and 4733 exist.
        shown = self.name if self.name in ("opus", "telephone-event") else self.name.upper()
        tail = f"/{self.channels}" if self.channels > 1 else ""
        return f"{self.payload_type} {shown}/{self.clock_hz}{tail}"

    def at(self, payload_type: int, *, fmtp: str = "") -> Codec:
        fmtp = fmtp or self.fmtp
        if payload_type == self.payload_type and fmtp == self.fmtp:
            return self
        return Codec(self.name, self.rate_hz, self.clock_hz, payload_type, self.ptime_ms, fmtp, self.channels)


PCMU = Codec("pcmu", 8000, 8000, 0)
PCMA = Codec("pcma", 8000, 8000, 8)
G722 = Codec("g722", 16000, 8000, 9)
OPUS = Codec("opus", 16000, 48000, 107, fmtp="useinbandfec=1;maxplaybackrate=16000", channels=2)
EVENTS = Codec("telephone-event", 8000, 8000, 101, fmtp="0-16")
WIDE_EVENTS = Codec("telephone-event", 48000, 48000, 102, fmtp="0-16")  # beside Opus: RFC 4733 wants the sound's clock

BY_NAME = {codec.name: codec for codec in (PCMU, PCMA, G722, OPUS)}
STATIC = {codec.payload_type: codec for codec in (PCMU, PCMA, G722)}
