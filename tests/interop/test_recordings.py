"""A call between real phones is recorded, sealed, found, heard and proved; a kill loses no recording."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.baresip import Baresip
from tests.interop.conftest import registered
from tests.interop.server import ROOT, LiveServer
from tests.interop.sound import heard
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop


@pytest.fixture
def recording_office(net: None, tmp_path: Path) -> Iterator[LiveServer]:
    server = LiveServer.of(ROOT / "conf", tmp_path / "office")
    main = server.directory / "pbx.toml"
    main.write_text(main.read_text() + '\n[endpoints.1002]\nrecord = "always"\n')
    server.start()
    yield server
    assert "Traceback" not in server.stop()


def recordings(server: LiveServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.ask("/v1/recordings")
    return found


def pbx(server: LiveServer, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pbx", *words, "-c", str(server.directory)],
        capture_output=True, text=True, check=False, timeout=60, cwd=ROOT,
    )  # fmt: skip


def test_a_call_is_recorded_sealed_and_proved_over_a_kill(
    recording_office: LiveServer, make_phone: Callable[..., Baresip], tmp_path: Path
) -> None:
    server = recording_office
    one, other = (make_phone(n, server.secret(n), hz) for n, hz in (("1001", 440.0), ("1002", 1000.0)))
    wait_for(lambda: registered(server) == {"1001", "1002"}, 10, "not registered")
    _talk(server, one, other, 1)
    one.hang_up()
    wait_for(lambda: recordings(server)[0]["sealed_seq"] > 0, 5, "not sealed")
    (first,) = recordings(server)
    assert (first["caller"], first["dialled"], first["duration_ms"] > 500) == ("1001", "1002", True)
    samples, rate_hz = heard(server.directory / "var" / "recordings" / first["path"])
    assert len(samples) > rate_hz / 2
    assert "every recording is what was recorded" in pbx(server, "recording", "verify").stdout
    exported = pbx(server, "recording", "export", first["recording_id"], "--to", str(tmp_path / "out"))
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "out" / f"{first['recording_id']}.wav").stat().st_size == first["size_bytes"]
    _kill_in_a_call(server, one, other)
    audited = pbx(server, "audit")
    assert audited.returncode == 0, audited.stderr
    damaged = server.directory / "var" / "recordings" / first["path"]
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    for command in (("recording", "verify"), ("audit",)):
        found = pbx(server, *command)
        assert (found.returncode, first["recording_id"] in found.stderr) == (1, True)


def _talk(server: LiveServer, one: Baresip, other: Baresip, count: int) -> Path:
    """Let them talk until a second of it is on the disk, in the recording number *count*; return the file."""
    one.poll()
    other.poll()
    since = len(other.events)
    one.dial("1002")
    other.wait("CALL_INCOMING", since=since)
    other.accept()
    wait_for(lambda: len(recordings(server)) == count, 10, "no recording")
    path = server.directory / "var" / "recordings" / recordings(server)[0]["path"]
    wait_for(lambda: path.stat().st_size > 32_000, 10, "nothing is written")
    return path


def _kill_in_a_call(server: LiveServer, one: Baresip, other: Baresip) -> None:
    """Kill the server while it records; the next start seals what is there."""
    path = _talk(server, one, other, 2)
    server.kill()
    server.start()
    wait_for(lambda: recordings(server)[0]["sealed_seq"] > 0, 5, "not sealed after the kill")
    samples, _ = heard(path)
    assert len(samples) > 4000
