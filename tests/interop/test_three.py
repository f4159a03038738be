"""Three real phones: a consultation by keys that becomes a three-way call, and a conference room."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.baresip import Baresip
from tests.interop.capture import alaw_heard, capture
from tests.interop.server import LiveServer
from tests.interop.sound import loudness
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop

Make = Callable[..., Baresip]
TONES = (440.0, 700.0, 1000.0)


def hears(phone: Baresip, directory: Path) -> set[float]:
    """Return the tones that reach a phone now."""
    path = directory / f"{phone.number}-{time.monotonic_ns()}.pcap"
    with capture(path):
        time.sleep(1.5)  # tcpdump hands over what it has once a second
    samples = alaw_heard(path, phone.rtp_ports)
    return {hz for hz in TONES if loudness(samples, 8000, hz) > 0.2}


def until_hears(phone: Baresip, directory: Path, tones: set[float]) -> None:
    """Wait until exactly these tones reach a phone."""
    found: list[set[float]] = []

    def look() -> bool:
        found.append(hears(phone, directory))
        return found[-1] == tones

    wait_for(look, 12, lambda: f"{phone.number} hears {found[-1]} and not {tones}")


def press(phone: Baresip, keys: str) -> None:
    for key in keys:
        phone.command("sndcode", key)
        time.sleep(0.25)


def test_a_consultation_becomes_a_call_of_three_and_then_of_two(
    desk: LiveServer, desk_phone: Make, tmp_path: Path
) -> None:
    alice, carol = desk_phone("1001", 440.0, answer="auto"), desk_phone("1004", 700.0)
    bob = desk_phone("1002", 1000.0, answer="auto")
    carol.dial("1002")
    carol.wait("CALL_ESTABLISHED")
    press(bob, "*2")
    time.sleep(0.5)
    press(bob, "1001#")
    alice.wait("CALL_ESTABLISHED")
    until_hears(alice, tmp_path, {1000.0})  # carol hears music meanwhile
    press(bob, "*3")
    until_hears(alice, tmp_path, {700.0, 1000.0})
    bob.hang_up()
    until_hears(alice, tmp_path, {700.0})
    until_hears(carol, tmp_path, {440.0})


def test_a_room_where_everybody_hears_everybody_but_who_is_muted(
    desk: LiveServer, desk_phone: Make, tmp_path: Path
) -> None:
    alice, bob, carol = (desk_phone(n, hz) for n, hz in (("1001", 440.0), ("1002", 1000.0), ("1004", 700.0)))
    for phone in (alice, bob, carol):
        phone.dial("5900")
        phone.wait("CALL_ESTABLISHED")
    until_hears(carol, tmp_path, {440.0, 1000.0})
    press(bob, "*1")
    until_hears(carol, tmp_path, {440.0})
    until_hears(bob, tmp_path, {440.0, 700.0})
