"""A softphone that we did not write (pyVoIP), run with the clients' own interpreter: calls, says a tone, hears one.

usage: softphone.py SERVER_PORT OWN_PORT USER PASSWORD DIAL SECONDS TONE_WAV HEARD_RAW
"""

from __future__ import annotations

import sys
import time
import wave

from pyVoIP.VoIP import CallState, VoIPPhone


def main() -> int:
    server_port, own_port, user, password, number, seconds, tone, heard = sys.argv[1:]
    phone = VoIPPhone(
        "127.0.0.1",
        int(server_port),
        user,
        password,
        myIP="127.0.0.1",
        sipPort=int(own_port),
        rtpPortLow=48000,
        rtpPortHigh=48100,
    )
    phone.start()
    time.sleep(1.5)
    call = phone.call(number)
    deadline = time.monotonic() + 10
    while call.state != CallState.ANSWERED:
        if time.monotonic() > deadline:
            print(f"not answered: {call.state}", file=sys.stderr)
            phone.stop()
            return 1
        time.sleep(0.05)
    with wave.open(tone) as file:  # 8 bit, unsigned, mono, 8 kHz: what pyVoIP wants
        call.write_audio(file.readframes(file.getnframes()))
    end = time.monotonic() + float(seconds)
    with open(heard, "wb") as out:
        while time.monotonic() < end and call.state == CallState.ANSWERED:
            out.write(call.read_audio(160, blocking=True))
    call.hangup()
    phone.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
