"""A phone fetches its settings as a Yealink does, registers with them, and is told when to fetch again."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Callable

import pytest

from pbx.cli.client import ask
from tests.interop.baresip import Baresip
from tests.interop.conftest import registered
from tests.interop.server import ROOT, LiveServer
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop


def pbx(*words: str) -> str:
    """Run the program."""
    return subprocess.run(
        [sys.executable, "-m", "pbx", *words], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout


def test_a_phone_fetches_its_settings_and_registers_with_them(
    desk: LiveServer, make_phone: Callable[..., Baresip]
) -> None:
    mac, model, endpoint, url = pbx("phones", "-c", str(desk.directory)).split()
    assert (mac, model, endpoint) == ("001565aabbcc", "yealink", "1003")
    with urllib.request.urlopen(f"{url}{mac}.cfg", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    values = dict(line.split(" = ", 1) for line in lines if " = " in line)
    server = f"{values['account.1.sip_server.1.address']}:{values['account.1.sip_server.1.port']}"
    phone = make_phone(values["account.1.user_name"], values["account.1.password"], 440.0, server=server)
    wait_for(lambda: registered(desk) == {"1003"}, 10, lambda: f"not registered:\n{phone.output()[-1500:]}")
    assert "failed provisioning" not in desk.log.read_text()

    told = ask(desk.socket, "POST", "/v1/endpoints/1003/sync", {"reboot": False})
    assert told == {"did": "endpoint 1003: 1 phones were asked to fetch their settings"}
    wait_for(lambda: "check-sync;reboot=false" in phone.output(), 5, "the phone is not told")

    # What the console sets, the next caller meets.
    assert "forward all to 1002" in pbx("endpoint", "forward", "1003", "all", "1002", "-c", str(desk.directory))
    assert "do not disturb is on" in pbx("endpoint", "dnd", "1003", "on", "-c", str(desk.directory))
