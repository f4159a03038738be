"""A tester's tool registers as a phone does: with the secret, and not without."""

from __future__ import annotations

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


def test_sipsak_registers_with_the_secret_and_not_without(office: LiveServer) -> None:
    for number, secret in (("1001", office.secret("1001")), ("1002", "wrong")):
        uri = f"sip:{number}@127.0.0.1:5060"
        status, said = sipsak(
            "-U", "-v", "-C", f"sip:{number}@127.0.0.1:5099", "-x", "120", "-u", number, "-a", secret, "-s", uri
        )
        assert (status == 0) == (number == "1001"), said
        wait_for(lambda: registered(office) == {"1001"}, 5, "not registered")
