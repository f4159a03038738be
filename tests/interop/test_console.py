"""The console in a real terminal: completion, tables, a live view, mistakes, and a restart of the server under it."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.baresip import Baresip
from tests.interop.server import LiveServer
from tests.interop.terminal import Terminal, terminal
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop


def test_an_operators_hour(desk: LiveServer, desk_phone: Callable[..., Baresip], tmp_path: Path) -> None:
    alice, bob = desk_phone("1001", 440.0), desk_phone("1002", 1000.0)
    command = shlex.join([sys.executable, "-m", "pbx", "console", "-c", str(desk.directory)])
    with terminal(tmp_path / "terminal", command) as console:
        console.see("(0 calls) pbx>")
        completes(console)
        alice.dial("1002")
        bob.wait("CALL_INCOMING")
        bob.accept()
        alice.wait("CALL_ESTABLISHED")
        shows_a_call(console)
        watches(console, alice)
        says_what_is_wrong(console)
        outlives_the_server(console, desk)


def completes(console: Terminal) -> None:
    console.type("show end", "Tab")
    console.see("Configured endpoints and their state.")  # two begin so, each with what it is
    console.type("s", "Enter")
    seen = console.see("1004")
    assert "1001" in seen
    console.type("", "Up")  # history
    wait_for(lambda: console.screen().count("pbx> show endpoints") == 2, 5, console.screen)
    console.type("", "C-c")


def shows_a_call(console: Terminal) -> None:
    console.type("show calls", "Enter")
    console.see("(1 calls) pbx>")
    seen = console.see("talking")
    assert max(len(line) for line in seen.splitlines()) <= 100  # fits the window
    console.type("call hangup ", "Tab")  # a call's name is long: Tab knows it
    named = console.see("call hangup ")
    call_id = re.search(r"call hangup ([0-9a-f]+-[0-9a-f]+)", named)
    assert call_id is not None, named
    console.type("", "C-u")


def watches(console: Terminal, alice: Baresip) -> None:
    console.type("watch calls", "Enter")
    console.see("q ends")
    assert "1002" in console.see("talking")
    console.resize(60, 20)
    console.see("talking")
    console.resize(100, 32)
    alice.hang_up()
    console.see("calls: 0")
    console.type("q")
    console.see("(0 calls) pbx>")


def says_what_is_wrong(console: Terminal) -> None:
    console.type("show quues", "Enter")
    console.see("queues")  # the nearest that there is
    console.type("sip show peers", "Enter")  # a habit
    console.see("show endpoints")
    console.type("call hangup nothing", "Enter")
    console.see("nothing")
    assert "Traceback" not in console.screen()


def outlives_the_server(console: Terminal, desk: LiveServer) -> None:
    desk.kill()
    console.type("show calls", "Enter")
    console.see("no server answers")
    console.see("(no server) pbx>")
    desk.start()
    console.type("show uptime", "Enter")
    console.see("(0 calls) pbx>")
    console.type("exit", "Enter")
