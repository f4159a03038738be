"""What people see when something is wrong: one clear line, a non-zero exit, no traceback."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

MINIMAL = """
[sip]
listen = ["udp:127.0.0.1:{port}"]
[media]
ports = "30000-30100"
[store]
path = "var/pbx.db"
[recordings]
retain-days = 1
[endpoints.1001]
context = "in"
secret = {{ file = "var/secrets/1001" }}
[[contexts.in.route]]
match = "X."
do = [{{ echo = true }}]
"""


def pbx(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pbx", *arguments], capture_output=True, text=True, timeout=30, check=False
    )


def configuration(directory: Path, text: str = MINIMAL, port: int = 25060) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "pbx.toml").write_text(text.format(port=port))
    return directory


def complaint(result: subprocess.CompletedProcess[str], status: int = 1) -> str:
    """Return the one line that was printed."""
    assert result.returncode == status, result
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert lines, result
    return lines[-1] if len(lines) == 1 else "\n".join(lines)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    for command in (("serve", "-c"), ("check",)):
        text = complaint(pbx(*command, str(tmp_path / "nowhere")))
        assert "nowhere: no such directory" in text


def test_a_directory_without_a_configuration(tmp_path: Path) -> None:
    assert "no pbx.toml here" in complaint(pbx("serve", "-c", str(tmp_path)))


def test_a_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    directory = configuration(tmp_path / "conf")
    (directory / "pbx.toml").write_bytes(b"\xff\xfe = 1\n")
    assert "pbx.toml:1:1: error: the file is UTF-16" in complaint(pbx("serve", "-c", str(directory)))


def test_an_unknown_key_is_named_with_its_place_and_a_cure(tmp_path: Path) -> None:
    text = MINIMAL.replace("retain-days = 1", "retain-day = 1")
    text = complaint(pbx("serve", "-c", str(configuration(tmp_path / "conf", text))))
    assert 'pbx.toml:9:1: error: unknown key "retain-day" in recordings' in text
    assert 'did you mean "retain-days"?' in text


def test_a_port_that_is_in_use(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        text = complaint(pbx("serve", "-c", str(configuration(tmp_path / "conf", port=port)), "--log-level", "error"))
    assert f'cannot listen on "udp:127.0.0.1:{port}": Address already in use' in text


def test_a_database_that_cannot_be_used(tmp_path: Path) -> None:
    directory = configuration(tmp_path / "conf")
    (directory / "var").mkdir()
    (directory / "var" / "pbx.db").mkdir()
    assert "cannot use the database" in complaint(pbx("serve", "-c", str(directory), "--log-level", "error"))


def test_nobody_is_running(tmp_path: Path) -> None:
    text = complaint(pbx("show", "calls", "-c", str(configuration(tmp_path / "conf"))), 3)
    assert "no server answers on" in text
    assert "is `pbx serve` running?" in text


@pytest.mark.parametrize("wrong", ["nosuchcommand", "show nosuchthing"])
def test_an_unknown_command_is_told(wrong: str) -> None:
    result = pbx(*wrong.split())
    assert result.returncode == 2
    assert "No such command" in result.stderr


def test_a_literal_secret_on_a_reachable_address_is_refused(tmp_path: Path) -> None:
    text = MINIMAL.replace("127.0.0.1:{port}", "0.0.0.0:{port}").replace(
        'secret = {{ file = "var/secrets/1001" }}', 'secret = "open sesame"'
    )
    text = complaint(pbx("check", str(configuration(tmp_path / "conf", text))))
    assert "pbx.toml:12:1: error: endpoint 1001 has its secret in the file" in text


def test_check_tells_that_all_is_good(tmp_path: Path) -> None:
    result = pbx("check", str(configuration(tmp_path / "conf")))
    assert result.returncode == 0
    assert "good (1 endpoints, 0 trunks, 1 warning)" in result.stdout
