"""baresip as a desk phone that a test can use: dial, answer, hold, keys; and what it heard, as a WAV."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tests.interop.home import Home
from tests.interop.waiting import wait_for

# baresip 1.0 subscribes again and again, and hears nothing more, if it is registered before the timer of its module mwi
# fires, 1 ms after it was loaded: so that module is loaded before the accounts.
CONFIG = """\
module_path /usr/lib/baresip/modules
sip_listen {shown}:{port}
net_interface {address}
audio_source aufile,{microphone}
audio_player aubridge,speaker{number}
audio_alert aubridge,alert{number}
ctrl_tcp_listen {control}
snd_path {directory}
rtp_ports {rtp}-{rtp_last}
audio_path /usr/share/baresip
module mwi.so
module g711.so
module g722.so
module opus.so
module aufile.so
module aubridge.so
module sndfile.so
module srtp.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
module_app debug_cmd.so
"""


class Baresip:
    """One phone. Events since the start are in ``events``."""

    def __init__(
        self,
        directory: Path,
        index: int,
        number: str,
        secret: str,
        microphone: Path,
        *,
        server: str = "127.0.0.1:5060",
        codecs: str = "pcma",
        transport: str = "udp",
        answer: str = "manual",
        register: bool = True,
        extra: str = "",
        address: str = "127.0.0.1",
        home: Home | None = None,
    ) -> None:
        self.number = number
        self.directory = directory
        self.events: list[tuple[float, dict[str, Any]]] = []
        self.rtp_ports = range(40_000 + 100 * index, 40_100 + 100 * index)
        self._control = ("127.0.0.1" if ":" in address else address, 14_000 + index)
        self._home = home  # the network that it is in, where it is not ours
        self._buffer = b""
        self._socket: socket.socket | None = None
        directory.mkdir(parents=True)
        (directory / "config").write_text(
            CONFIG.format(
                port=6000 + 10 * index,
                microphone=microphone,
                number=number,
                address=address,
                shown=f"[{address}]" if ":" in address else address,
                control="{}:{}".format(*self._control),
                directory=directory,
                rtp=self.rtp_ports.start,
                rtp_last=self.rtp_ports.stop - 1,
            )
        )
        (directory / "accounts").write_text(
            f"<sip:{number}@{server};transport={transport}>;auth_user={number};auth_pass={secret};"
            f'outbound="sip:{server};transport={transport}";regint={300 if register else 0};answermode={answer};'
            f"dtmfmode=rtpevent;audio_codecs={codecs}{extra}\n"
        )
        with (directory / "output.log").open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *(home.inside if home is not None else ()),
                    "baresip",
                    "-6" if ":" in address else "-4",
                    "-f",
                    str(directory),
                    "-p",
                    "/usr/share/baresip",
                    "-s",
                    "-v",
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    # ---- verbs -----------------------------------------------------------------------------------------------------

    def ready(self, limit_s: float = 10) -> None:
        """Wait until it takes commands."""
        wait_for(self._connected, limit_s, lambda: f"{self.number} does not start:\n{self.output()[-1500:]}")

    def command(self, name: str, params: str = "") -> None:
        self._connect()
        assert self._socket is not None
        body = json.dumps({"command": name, "params": params, "token": name}).encode()
        self._socket.sendall(b"%d:%s," % (len(body), body))

    def dial(self, number: str) -> None:
        self.command("dial", number)

    def accept(self) -> None:
        self.command("accept")

    def hang_up(self) -> None:
        self.command("hangup")

    # ---- eyes and ears ---------------------------------------------------------------------------------------------

    def wait(self, kind: str, limit_s: float = 10, *, since: int = 0) -> dict[str, Any]:
        """Wait for an event of a kind among those after number *since*; return it."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            self.poll()
            found[:] = [event for _, event in self.events[since:] if event.get("type") == kind]
            return bool(found)

        wait_for(look, limit_s, lambda: f"{self.number}: no {kind}, but {self.kinds()}\n{self.output()[-1500:]}")
        return found[0]

    def at(self, kind: str) -> float:
        """Return when the last event of a kind was seen."""
        return next(at for at, event in reversed(self.events) if event.get("type") == kind)

    def kinds(self) -> list[str]:
        return [str(event.get("type")) for _, event in self.events]

    def poll(self) -> None:
        """Take in what it told since the last look."""
        self._connect()
        if self._socket is None:
            return
        while True:
            try:
                data = self._socket.recv(65536)
            except (BlockingIOError, TimeoutError):
                break
            if not data:
                break
            self._buffer += data
        while b":" in self._buffer:
            length, _, rest = self._buffer.partition(b":")
            if len(rest) <= int(length):
                break
            message, self._buffer = rest[: int(length)], rest[int(length) + 1 :]
            event = json.loads(message)
            if event.get("event"):
                self.events.append((time.monotonic(), event))

    def heard(self) -> Path:
        """Return the newest recording of its loudspeaker."""
        found = sorted(self.directory.glob("dump-*-dec.wav"), key=lambda path: path.stat().st_mtime)
        if not found:
            raise AssertionError(f"{self.number} heard nothing: {sorted(p.name for p in self.directory.iterdir())}")
        return found[-1]

    def said_s(self) -> float:
        """Return how many seconds it has spoken in its calls so far."""
        return sum((p.stat().st_size - 44) / 16000 for p in self.directory.glob("dump-*-enc.wav"))

    def output(self) -> str:
        return (self.directory / "output.log").read_text(errors="replace")

    def stop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)

    def _connected(self) -> bool:
        self._connect()
        return self._socket is not None

    def _connect(self) -> None:
        if self._socket is not None:
            return
        with self._home.entered() if self._home is not None else nullcontext():
            made = socket.socket()
        try:
            made.connect(self._control)
        except OSError:
            made.close()
            return
        made.settimeout(0.001)
        self._socket = made
