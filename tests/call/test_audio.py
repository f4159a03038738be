"""What a leg hears and types, in virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pbx.call import audio
from pbx.call.leg import Leg
from tests.fakes.house import House, in_house


def run(script: object, *presses: tuple[float, str], leaves_at: float = 0) -> tuple[House, list[str]]:
    """Run a script with a caller who presses keys at given seconds; return the house and what was heard."""
    seen: list[tuple[House, list[str]]] = []

    async def body() -> None:
        house = House(script)  # type: ignore[arg-type]
        _, signal = house.caller()
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        (port,) = house.media.ports
        for at, key in presses:
            loop.call_at(at, port.press, key)
        if leaves_at:
            loop.call_at(leaves_at, signal.leave)
        await house.calls.drained()
        seen.append((house, [said.what for said in port.said]))

    in_house(body)
    return seen[0]


def test_prompts_play_one_after_the_other() -> None:
    async def script(leg: Leg) -> None:
        assert await audio.play(leg, ["welcome", "main-menu"]) == ""
        assert asyncio.get_running_loop().time() == pytest.approx(2)

    house, heard = run(script)
    assert heard == ["welcome", "main-menu"]
    assert "leg.answered" in house.kinds()


def test_a_key_stops_a_prompt_and_others_do_not() -> None:
    async def script(leg: Leg) -> None:
        assert await audio.play(leg, ["one", "two", "three"], keys="12") == "2"
        assert asyncio.get_running_loop().time() == pytest.approx(1.5)

    run(script, (0.5, "9"), (1.5, "2"))


def test_digits_are_collected_until_the_end_key() -> None:
    got = []

    async def script(leg: Leg) -> None:
        got.append(await audio.collect(leg, ["enter"], most=10))
        got.append(await audio.collect(leg, ["enter"], most=3))
        got.append(await audio.collect(leg, ["enter"], most=3, wait_s=2))

    run(script, (0.5, "1"), (2, "2"), (3, "#"), (4, "777"))
    assert got == [
        audio.Collected("12", "end"),
        audio.Collected("777", "full"),
        audio.Collected("", "silence"),
    ]


def test_secret_digits_are_in_no_log() -> None:
    async def script(leg: Leg) -> None:
        found = await audio.collect(leg, [], most=4, secret=True)
        assert found.digits == "4711"
        await asyncio.sleep(5)

    house, _ = run(script, (1, "4711"), (3, "5"))
    assert [e.payload()["digit"] for e in house.log.events if e.KIND == "leg.digit"] == ["5"]


def test_a_caller_who_hangs_up_ends_the_prompt() -> None:
    async def script(leg: Leg) -> None:
        await audio.play(leg, ["music"], loop=True)
        raise AssertionError

    house, _ = run(script, leaves_at=30)
    assert house.kinds().count("call.ended") == 1


def test_early_media_does_not_answer() -> None:
    async def script(leg: Leg) -> None:
        await audio.play(leg, "welcome", early=True)
        assert leg.answered_at is None

    house, heard = run(script)
    assert heard == ["welcome"]
    assert "leg.answered" not in house.kinds()


def test_a_message_ends_by_key_or_by_its_limit(tmp_path: Path) -> None:
    async def script(leg: Leg) -> None:
        await leg.answer()
        await audio.beep(leg)
        seconds, how = await audio.take_message(leg, tmp_path / "a.wav", silence_s=3, limit_s=60, keys="#")
        assert (round(seconds, 1), how) == (4.5, "#")
        seconds, how = await audio.take_message(leg, tmp_path / "b.wav", silence_s=3, limit_s=60, keys="#")
        assert (round(seconds, 1), how) == (60, "limit")

    _, heard = run(script, (5, "#"))
    assert heard == ["tone beep"]


def test_a_number_is_said_in_the_language_of_the_leg() -> None:
    async def script(leg: Leg) -> None:
        await audio.say(leg, "105", "number")
        leg.language = "zh-CN"
        await audio.say(leg, "105", "number")

    _, heard = run(script)
    assert heard == ["n-1", "hundred", "and", "n-5", "n-1", "bai", "n-0", "n-5"]
