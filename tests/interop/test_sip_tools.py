"""What the tools of testers and of attackers find: sipsak registers with a secret, and learns nothing without."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.interop.conftest import registered
from tests.interop.server import LiveServer
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop


def sipsak(*arguments: str) -> tuple[int, str]:
    """Run it; return its exit status and all that it said."""
    done = subprocess.run(["sipsak", *arguments], capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stdout + done.stderr


def reply_of(text: str) -> tuple[str, list[str], int]:
    """Return what a scanner can compare: the status, the names of the headers, the length."""
    head = text[text.index("SIP/2.0 ") :].split("\n\n", 1)[0].replace("\r", "").split("\n\n", 1)[0]
    lines = head.strip().splitlines()
    return lines[0], [line.partition(":")[0] for line in lines[1:] if ":" in line], len(head)


def test_sipsak_registers_with_the_secret_and_not_without(office: LiveServer) -> None:
    for number, secret in (("1001", office.secret("1001")), ("1002", "wrong")):
        uri = f"sip:{number}@127.0.0.1:5060"
        status, said = sipsak(
            "-U", "-v", "-C", f"sip:{number}@127.0.0.1:5099", "-x", "120", "-u", number, "-a", secret, "-s", uri
        )
        assert (status == 0) == (number == "1001"), said
        wait_for(lambda: registered(office) == {"1001"}, 5, "not registered")


def test_a_scanner_cannot_tell_who_exists(office: LiveServer) -> None:
    replies = {}
    for number in ("1001", "1999"):
        _, said = sipsak("-vvv", "-s", f"sip:{number}@127.0.0.1:5060")
        replies[number] = reply_of(re.sub(r"message received:?", "", said))
    assert replies["1001"] == replies["1999"]
    assert replies["1001"][0].split()[1] in ("200", "401", "404")
