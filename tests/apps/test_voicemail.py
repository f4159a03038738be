"""Mailboxes as owners use them: greetings of their own, a PIN of their own, from the desk and from outside."""

from __future__ import annotations

import asyncio

from pbx.call.leg import LegState
from tests.dialplan.floor import Floor, on_floor
from tests.dialplan.test_features import office


async def typed(floor: Floor, leg: object, *entries: str) -> None:
    """Type one entry after the other, each after what is asked has been heard."""
    for entry in entries:
        await asyncio.sleep(1.5)
        floor.press(leg, entry)  # type: ignore[arg-type]


def test_an_owner_records_a_greeting_that_callers_hear_until_it_is_taken_back() -> None:
    async def body() -> None:
        floor = Floor(office())
        owner, _ = floor.call("endpoint/1002", "*97")
        await typed(floor, owner, "1234#")
        await asyncio.sleep(3)
        assert floor.heard(owner)[:2] == ["enter-pin", "voicemail-none"]
        await typed(floor, owner, "0", "1")
        await asyncio.sleep(2)
        assert floor.heard(owner)[-2:] == ["voicemail-greet", "tone beep"]
        await typed(floor, owner, "#", "2", "1")
        await asyncio.sleep(0.5)
        assert "recording" in floor.heard(owner)
        assert floor.heard(owner)[-1] == "voicemail-greet-kept"
        owner.hangup()

        caller, _ = floor.call("endpoint/1001", "1002")
        await asyncio.sleep(22)
        assert floor.heard(caller)[0] == "greeting 1002"
        caller.hangup()

        floor.equipment.mailboxes.keep_greeting("1002", "temporary", None)
        floor.equipment.mailboxes.keep_greeting("1002", "unavailable", None)
        caller, _ = floor.call("endpoint/1001", "1002")
        await asyncio.sleep(22)
        assert floor.heard(caller)[0] == "voicemail-unavailable"

    on_floor(body)


def test_a_temporary_greeting_comes_before_the_others() -> None:
    async def body() -> None:
        floor = Floor(office())
        boxes = floor.equipment.mailboxes
        boxes.keep_greeting("1002", "unavailable", boxes.greeting_path("1002", "unavailable"))
        boxes.keep_greeting("1002", "temporary", boxes.greeting_path("1002", "temporary"))
        floor.media.duration_s = lambda clip: 3.0 if clip.path == boxes.greeting("1002", "temporary") else 1.0
        caller, _ = floor.call("endpoint/1001", "1002")
        await asyncio.sleep(22)
        assert floor.heard(caller) == ["greeting 1002"]  # still playing after two seconds: the temporary one

    on_floor(body)


def test_a_pin_is_changed_by_phone_when_it_is_typed_twice() -> None:
    async def body() -> None:
        floor = Floor(office())
        owner, _ = floor.call("endpoint/1002", "*97")
        await typed(floor, owner, "1234#")
        await asyncio.sleep(3)
        await typed(floor, owner, "0", "4", "77#", "77#")  # too short
        await asyncio.sleep(1)
        assert floor.heard(owner)[-1] == "new-pin-wrong"
        await asyncio.sleep(1)
        await typed(floor, owner, "4", "7788#", "7788#")
        await asyncio.sleep(0.5)
        assert floor.heard(owner)[-1] == "new-pin-kept"
        limits = floor.equipment.mailboxes.limits("1002")
        assert limits is not None
        assert limits.pin == "7788"

    on_floor(body)


def test_an_owner_outside_interrupts_the_greeting_with_a_star_and_needs_the_pin() -> None:
    async def body() -> None:
        floor = Floor(office())
        caller, _ = floor.call("trunk/line", "1002", "+8613800138000")
        await asyncio.sleep(20.5)
        floor.press(caller, "*")
        await asyncio.sleep(0.5)
        assert floor.heard(caller) == ["voicemail-unavailable", "enter-pin"]
        await typed(floor, caller, "9999#")
        await asyncio.sleep(0.5)
        assert floor.heard(caller)[-2:] == ["wrong-pin", "enter-pin"]
        await typed(floor, caller, "1234#")
        await asyncio.sleep(0.5)
        assert floor.heard(caller)[-1] == "voicemail-none"

    on_floor(body)


def test_three_wrong_pins_end_the_call() -> None:
    async def body() -> None:
        floor = Floor(office())
        owner, _ = floor.call("endpoint/1003", "*981002")
        await typed(floor, owner, "1#", "2#", "3#")
        await asyncio.sleep(3)
        assert floor.heard(owner)[-1] == "goodbye"
        assert owner.state is LegState.ENDED

    on_floor(body)
