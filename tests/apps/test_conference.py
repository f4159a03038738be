"""A conference by key: who may come in, who is heard, what moderators do."""

from __future__ import annotations

import asyncio
from typing import Any

from pbx import events as ev
from pbx.call.leg import Leg, LegState
from pbx.signaling.virtual import Behaviour
from tests.dialplan.floor import Floor, on_floor
from tests.dialplan.test_features import ANSWERS, office


def meeting(**spec: Any) -> dict[str, Any]:
    config = office(conferences={"m": spec})
    config["contexts"]["in"]["route"].append({"match": "900", "do": {"conference": "m"}})
    return config


async def joined(floor: Floor, number: str, pin: str = "") -> Leg:
    leg, _ = floor.call(f"endpoint/{number}", "900")
    await asyncio.sleep(1.5)
    if pin:
        floor.press(leg, pin)
        await asyncio.sleep(2.5)
    return leg


def hears(leg: Leg) -> set[object]:
    return set(leg.port.hears)  # type: ignore[attr-defined]


def test_the_pin_tells_moderators_from_others() -> None:
    async def body() -> None:
        floor = Floor(meeting(pin="11", moderator_pin="99"))
        chair = await joined(floor, "1001", "99#")
        guest = await joined(floor, "1002", "11#")
        wrong = await joined(floor, "1003", "12#")
        assert floor.equipment.rooms.members("m") == [chair, guest]
        assert floor.heard(wrong)[-1] == "enter-pin"
        floor.press(guest, "*3")  # no moderator
        await asyncio.sleep(1)
        assert "conference-locked" not in floor.heard(guest)
        floor.press(chair, "*3")
        await asyncio.sleep(1.5)
        assert floor.heard(chair)[-1] == "conference-locked"
        late = await joined(floor, "1004", "11#")
        assert floor.heard(late)[-1] == "conference-locked"
        assert late not in floor.equipment.rooms.members("m")
        second = await joined(floor, "1005", "99#")
        assert second in floor.equipment.rooms.members("m")  # a moderator comes in all the same

    on_floor(body)


def test_members_mute_themselves_and_moderators_mute_all() -> None:
    async def body() -> None:
        floor = Floor(meeting(moderator_pin="99"))
        chair, guest, other = [await joined(floor, n, k) for n, k in (("1001", "99#"), ("1002", "#"), ("1003", "#"))]
        assert hears(chair) == {guest.port, other.port}
        floor.press(guest, "*1")
        await asyncio.sleep(1.5)
        assert hears(chair) == {other.port}
        assert floor.heard(guest)[-1] == "conference-muted"
        floor.press(chair, "*4")
        await asyncio.sleep(1.5)
        assert hears(chair) == set()
        assert hears(guest) == {chair.port}
        floor.press(chair, "*4")
        await asyncio.sleep(1.5)
        assert hears(chair) == {guest.port, other.port}
        floor.press(guest, "*2")
        await asyncio.sleep(2.5)
        assert floor.heard(guest)[-2:] == ["conference-count", "n-3"]

    on_floor(body)


def test_who_came_last_is_removed() -> None:
    async def body() -> None:
        floor = Floor(meeting(moderator_pin="99"))
        chair, guest, other = [await joined(floor, n, k) for n, k in (("1001", "99#"), ("1002", "#"), ("1003", "#"))]
        floor.press(chair, "*8")
        await asyncio.sleep(1)
        assert other.state is LegState.ENDED
        assert floor.equipment.rooms.members("m") == [chair, guest]

    on_floor(body)


def test_a_recording_has_a_file_for_each_member() -> None:
    async def body() -> None:
        floor = Floor(meeting(moderator_pin="99"))
        chair, guest = [await joined(floor, n, k) for n, k in (("1001", "99#"), ("1002", "#"))]
        floor.press(chair, "*9")
        await asyncio.sleep(1.5)
        late = await joined(floor, "1003", "#")
        paths = [e.path for e in floor.log.events if isinstance(e, ev.RecordingStarted)]
        assert [path.split("/")[-1] for path in paths] == [f"{leg.leg_id}.wav" for leg in (chair, guest, late)]
        assert all("conference-recorded" in floor.heard(leg) for leg in (chair, guest, late))
        floor.press(chair, "*9")
        await asyncio.sleep(1)
        assert len([e for e in floor.log.events if isinstance(e, ev.RecordingEnded)]) == 3

    on_floor(body)


def test_a_moderator_calls_somebody_in_with_rights_of_their_own() -> None:
    async def body() -> None:
        floor = Floor(
            meeting(moderator_pin="99"), {"endpoint/1004": ANSWERS, "trunk/line": Behaviour(answer_after_s=1)}
        )
        chair = await joined(floor, "1001", "99#")
        for number, ok in (("1004", True), ("13912345678", True), ("02088886666", False), ("9999", False)):
            floor.press(chair, "*5")
            await asyncio.sleep(1.5)
            floor.press(chair, f"{number}#")
            await asyncio.sleep(4)
            assert (floor.heard(chair)[-1] == "not-allowed") is not ok
        members = floor.equipment.rooms.members("m")
        assert [leg.party for leg in members] == ["endpoint/1001", "endpoint/1004", "trunk/line"]
        assert hears(members[2]) == {members[0].port, members[1].port}
        chair.hangup()  # those who were called in stay
        await asyncio.sleep(1)
        assert floor.equipment.rooms.members("m") == members[1:]

    on_floor(body)


def test_a_full_room_says_so() -> None:
    async def body() -> None:
        floor = Floor(meeting(max=1))
        await joined(floor, "1001")
        late = await joined(floor, "1002")
        assert floor.heard(late) == ["conference-full"]

    on_floor(body)


def test_who_comes_and_goes_is_announced_by_number() -> None:
    async def body() -> None:
        config = meeting()
        config["contexts"]["in"]["route"][-1]["do"]["announce"] = "number"
        floor = Floor(config)
        first, second = await joined(floor, "1001"), await joined(floor, "1002")
        assert floor.heard(first)[-5:] == ["conference-joined", "d-1", "d-0", "d-0", "d-2"]
        assert "conference-joined" not in floor.heard(second)
        second.hangup()
        await asyncio.sleep(1)
        assert floor.heard(first)[-5:] == ["conference-left", "d-1", "d-0", "d-0", "d-2"]

    on_floor(body)
