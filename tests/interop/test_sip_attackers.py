"""The tools that attackers use find no name that exists, and no password that is not among their first guesses."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.interop.server import ROOT, LiveServer

pytestmark = pytest.mark.interop

CLIENTS = ROOT / ".venv" / "clients" / "bin"
NOTHING = "found nothing"


class Attack:
    """One of them, at work."""

    def __init__(self, tool: str, directory: Path, port: int, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [str(CLIENTS / f"sipvicious_{tool}"), "-P", str(port), "--maximumtime", "2", *arguments, "127.0.0.1"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=directory, env={"HOME": str(directory)},
        )  # fmt: skip

    def said(self) -> str:
        try:
            return self.process.communicate(timeout=60)[0]
        finally:
            self.process.kill()


def crack(directory: Path, port: int, number: str, *words: str) -> Attack:
    (directory / number).write_text("\n".join(words) + "\n")
    return Attack("svcrack", directory, port, "-u", number, "-d", str(directory / number))


def test_names_and_passwords_stay_secret(office: LiveServer, tmp_path: Path) -> None:
    guesses = [f"guess-{number}" for number in range(20)]
    attacks = [
        Attack("svwar", tmp_path, 5071, "--force", "-e", "1000-1004", "-m", "REGISTER"),
        Attack("svwar", tmp_path, 5072, "--force", "-e", "1000-1004", "-m", "INVITE"),
        crack(tmp_path, 5073, "1002", *guesses),
        crack(tmp_path, 5074, "1003", *guesses, office.secret("1003")),  # by then nobody answers who guesses
    ]
    known = crack(tmp_path, 5075, "1001", office.secret("1001")).said()
    assert office.secret("1001") in known, known  # so it does work
    for attack in attacks:
        said = attack.said()
        assert NOTHING in said, said
    assert "failed login: source=udp:127.0.0.1" in office.log.read_text()
