"""What people do by code, as heard, and as the next caller meets it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pbx import events as ev
from pbx.call.leg import LegState
from pbx.config.config import Config
from pbx.dialplan.check import check
from pbx.dialplan.codes import Codes
from pbx.signaling.virtual import Behaviour
from tests.dialplan.floor import Floor, on_floor, refer

ANSWERS = Behaviour(answer_after_s=1)
RINGS = Behaviour()


def office(**more: Any) -> dict[str, Any]:
    """Five phones, a trunk, codes of the default profile."""
    internal = {
        "route": [
            {"match": "10XX", "do": [{"dial": "endpoint/{number}", "ring-s": 20.0}, {"voicemail": "{number}"}]},
            {"match": "+.", "do": [{"dial": "trunk/line"}]},
            {"match": "600", "do": [{"page": ["endpoint/1002", "endpoint/1003", "endpoint/1004"]}]},
            {"match": "601", "do": [{"dial": ["endpoint/1002", "endpoint/1003"], "ring-s": 20.0}]},
        ]
    }
    endpoint = {"context": "in", "voicemail": {}, "country": "CN", "area-code": "021", "rights": ["internal", "mobile"]}
    return {
        "endpoints": {n: dict(endpoint) for n in ("1001", "1002", "1003", "1004", "1005")},
        "trunks": {"line": {"proxy": "sip:192.0.2.9", "context": "in", "country": "CN", "area-code": "021"}},
        "contexts": {"in": internal},
        "recordings": {"retain_days": 1},
        "switches": {"night": {"allow": ["endpoint/1001"]}},
        "parking": {"lots": "701-702", "recall-s": 45.0},
        "feature_codes": {"profile": "default"},
        "emergency": {"trunks": ["line"]},
        **more,
    }


def test_every_code_of_a_profile_is_an_action_that_exists() -> None:
    from pbx.dialplan.codes import IN_CALL, PROFILES
    from pbx.dialplan.features import ACTIONS

    for profile in PROFILES.values():
        assert {action for action in profile if action not in IN_CALL} <= set(ACTIONS)


@pytest.mark.parametrize(
    ("profile", "dialled", "found"),
    [
        ("default", "*72", ("forward-all-on", "")),
        ("default", "*721002", ("forward-all-on", "1002")),
        ("default", "*21*13912345678#", ("forward-all-on", "13912345678")),
        ("default", "*8", ("pickup-group", "")),
        ("default", "*801002", ("intercom", "1002")),
        ("default", "**1002", ("pickup", "1002")),
        ("default", "70", ("park", "")),
        ("default", "##21#", ("forward-all-off", "")),
        ("default", "*72abc", None),
        ("default", "72", None),
        ("cn", "*57*13912345678#", ("forward-all-on", "13912345678")),
        ("cn", "#40#", ("forward-busy-off", "")),
        ("cn", "*56#", ("dnd-on", "")),
        ("cn", "*57*#", None),
    ],
)
def test_a_dialled_code_is_told_from_others(profile: str, dialled: str, found: tuple[str, str] | None) -> None:
    config = Config.model_validate({"feature_codes": {"profile": profile}})
    assert Codes(config.feature_codes).find(dialled) == found


def test_a_configuration_changes_codes_and_takes_them_away() -> None:
    config = Config.model_validate({"feature_codes": {"profile": "default", "dnd-on": "*11", "echo": ""}})
    chosen = Codes(config.feature_codes)
    assert chosen.find("*11") == ("dnd-on", "")
    assert chosen.find("*78") is None
    assert chosen.find("*43") is None
    assert Codes(None).find("*78") is None


def messages(config: dict[str, Any]) -> str:
    return "\n".join(str(finding) for finding in check(Config.model_validate(config)))


def test_check_knows_codes_that_cannot_work() -> None:
    hidden = office()
    hidden["contexts"]["in"]["route"].append({"match": "*78", "do": {"hangup": "busy"}})
    assert "hides the feature code *78" in messages(hidden)
    assert 'unknown feature "dnd-onn"' in messages(office(feature_codes={"dnd-onn": "*1"})).replace(
        "no feature", "unknown feature"
    )
    assert "is echo and dnd-on" in messages(office(feature_codes={"echo": "*11", "dnd-on": "*11"}))
    assert "emergency number" in messages(office(feature_codes={"echo": "110"}))
    assert "there is no [parking]" in messages(office(parking=None))
    assert "is no range of places" in messages(office(parking={"lots": "seven"}))


def test_a_forward_by_code_is_confirmed_and_counts_for_the_next_caller() -> None:
    async def body() -> None:
        floor = Floor(office(), {"endpoint/1003": ANSWERS})
        leg, _ = floor.call("endpoint/1002", "*721003")
        await floor.calls.drained()
        assert floor.heard(leg) == ["forward-all-on", "d-1", "d-0", "d-0", "d-3"]
        assert [(e.what, e.value) for e in floor.log.events if isinstance(e, ev.EndpointSet)] == [
            ("forward-all", "1003")
        ]
        caller, _ = floor.call("endpoint/1001", "1002")
        await asyncio.sleep(3)
        assert floor.rung() == ["endpoint/1003"]
        caller.hangup()
        off, _ = floor.call("endpoint/1002", "*73")
        await floor.calls.drained()
        assert floor.heard(off) == ["forward-all-off"]
        caller, _ = floor.call("endpoint/1001", "1002")
        await asyncio.sleep(3)
        assert floor.rung()[1:] == ["endpoint/1002"]

    on_floor(body)


@pytest.mark.parametrize(
    ("code", "behaviour"), [("*90", Behaviour(status=486)), ("*52", RINGS), ("*52", Behaviour(status=480))]
)
def test_forwards_when_busy_and_when_not_answered(code: str, behaviour: Behaviour) -> None:
    async def body() -> None:
        floor = Floor(office(), {"endpoint/1002": behaviour, "endpoint/1003": ANSWERS})
        floor.call("endpoint/1002", f"{code}1003")
        await floor.calls.drained()
        floor.call("endpoint/1001", "1002")
        await asyncio.sleep(25)
        assert floor.rung() == ["endpoint/1002", "endpoint/1003"]

    on_floor(body)


def test_a_number_that_is_asked_for_is_typed() -> None:
    async def body() -> None:
        floor = Floor(office())
        leg, _ = floor.call("endpoint/1002", "*72")
        await asyncio.sleep(0.5)
        floor.press(leg, "1004#")
        await floor.calls.drained()
        assert floor.heard(leg) == ["enter-number", "forward-all-on", "d-1", "d-0", "d-0", "d-4"]

    on_floor(body)


def test_a_phone_that_may_not_dial_a_colleague_may_not_forward_to_them_either() -> None:
    async def body() -> None:
        config = office()
        config["contexts"]["lobby"] = {"route": []}
        config["endpoints"]["1005"]["context"] = "lobby"
        floor = Floor(config)
        leg, _ = floor.call("endpoint/1005", "*721002")
        await floor.calls.drained()
        assert floor.heard(leg) == ["not-allowed"]
        floor.call("endpoint/1001", "1005")
        await asyncio.sleep(0.5)
        floor.phones.placed[0].signal.events.on_failed(302, "", ["<sip:1002@192.0.2.10>"])
        await asyncio.sleep(2)
        assert floor.rung() == ["endpoint/1005"]

    on_floor(body)


def test_a_forwarded_call_says_who_forwarded_it_and_why() -> None:
    async def body() -> None:
        floor = Floor(office(), {"endpoint/1002": Behaviour(status=486), "trunk/line": ANSWERS})
        floor.call("endpoint/1002", "*9013912345678")
        await floor.calls.drained()
        floor.call("endpoint/1001", "1002")
        await asyncio.sleep(3)
        first, onward = (dict(placed.destination.headers) for placed in floor.phones.placed)
        assert "Diversion" not in first
        assert onward["Diversion"] == "<sip:1002@pbx.invalid>;reason=user-busy"

    on_floor(body)


@pytest.mark.parametrize("number", ["02088886666", "110", "1002", "0044123456789", "9999"])
def test_nobody_forwards_where_they_may_not_dial(number: str) -> None:
    async def body() -> None:
        floor = Floor(office())
        leg, _ = floor.call("endpoint/1002", f"*72{number}")
        await floor.calls.drained()
        assert floor.heard(leg) == ["not-allowed"]
        assert not [e for e in floor.log.events if isinstance(e, ev.EndpointSet)]

    on_floor(body)


def test_forwards_outside_end_when_the_minutes_of_the_day_are_used_up() -> None:
    async def body() -> None:
        floor = Floor(office(limits={"outside_forward_minutes_per_day": 2}), {"trunk/line": ANSWERS})
        floor.call("endpoint/1002", "*7213912345678")
        await floor.calls.drained()
        began = asyncio.get_running_loop().time()
        floor.call("endpoint/1001", "1002")
        await floor.calls.drained()
        assert 120 <= asyncio.get_running_loop().time() - began <= 122
        caller, _ = floor.call("endpoint/1001", "1002")  # no minutes: the mailbox of the first number
        await asyncio.sleep(5)
        assert floor.rung() == ["trunk/line"]
        assert floor.heard(caller)[0] == "voicemail-unavailable"

    on_floor(body)


def test_a_phone_that_answers_302_has_its_call_sent_on_by_its_own_rights() -> None:
    async def body() -> None:
        floor = Floor(office(), {"endpoint/1003": ANSWERS, "trunk/line": ANSWERS})
        for target, rung in (("1003", "endpoint/1003"), ("13912345678", "trunk/line"), ("02088886666", "")):
            floor.phones.placed.clear()
            caller, _ = floor.call("endpoint/1001", "1002")
            await asyncio.sleep(0.5)
            floor.phones.placed[0].signal.events.on_failed(302, "", [f"<sip:{target}@192.0.2.10>"])
            await asyncio.sleep(3)
            assert floor.rung()[1:] == ([rung] if rung else [])
            caller.hangup()
            await floor.calls.drained()

    on_floor(body)


def test_do_not_disturb_is_busy_for_callers_and_groups_pass_over_it() -> None:
    async def body() -> None:
        floor = Floor(office(), {"endpoint/1003": ANSWERS})
        leg, _ = floor.call("endpoint/1002", "*76")
        await floor.calls.drained()
        assert floor.heard(leg) == ["dnd-on"]
        caller, _ = floor.call("endpoint/1001", "1002")
        await asyncio.sleep(2)
        assert floor.rung() == []
        assert floor.heard(caller)[0] == "voicemail-unavailable"
        floor.call("endpoint/1001", "601")
        await asyncio.sleep(2)
        assert floor.rung() == ["endpoint/1003"]
        leg, _ = floor.call("endpoint/1002", "*76")
        await asyncio.sleep(3)
        assert floor.heard(leg) == ["dnd-off"]

    on_floor(body)


def test_what_was_set_survives_a_restart() -> None:
    class Kept:
        def __init__(self) -> None:
            self.texts: dict[str, str] = {}

        def load(self) -> dict[str, str]:
            return dict(self.texts)

        def save(self, name: str, text: str) -> None:
            self.texts[name] = text

        async def saved(self) -> None:
            return

    async def body() -> None:
        kept = Kept()
        floor = Floor(office(), texts=kept)
        floor.call("endpoint/1002", "*721003")
        floor.call("endpoint/1002", "*78")
        await floor.calls.drained()
        again = Floor(office(), {"endpoint/1003": ANSWERS}, texts=kept)
        assert again.equipment.forwards.of("1002", None).all == "1003"
        assert again.equipment.forwards.disturb_not("1002")
        assert again.equipment.forwards.changed(lambda endpoint: None) == [
            "endpoint 1002: forward all 1003",
            "endpoint 1002: do not disturb",
        ]

    on_floor(body)


def test_codes_are_not_for_callers_from_outside() -> None:
    async def body() -> None:
        floor = Floor(office())
        _, signal = floor.call("trunk/line", "*78", "+8613800138000")
        await asyncio.sleep(1)
        assert signal.history == ["reject 404"]

    on_floor(body)


def test_the_last_caller_is_called_back() -> None:
    async def body() -> None:
        floor = Floor(office(), {"endpoint/1001": ANSWERS})
        leg, _ = floor.call("endpoint/1002", "*69")
        await floor.calls.drained()
        assert floor.heard(leg) == ["last-caller-none"]
        floor.equipment.last_callers["1002"] = "1001"
        leg, _ = floor.call("endpoint/1002", "*69")
        await asyncio.sleep(6)
        floor.press(leg, "1")
        await asyncio.sleep(3)
        assert floor.heard(leg)[:5] == ["last-caller", "d-1", "d-0", "d-0", "d-1"]
        assert leg.peer is not None
        assert leg.peer.party == "endpoint/1001"

    on_floor(body)


def test_a_directed_pickup_takes_the_call_and_the_loser_is_told() -> None:
    async def body() -> None:
        floor = Floor(office(), {"endpoint/1002": RINGS, "endpoint/1003": RINGS})
        caller, _ = floor.call("endpoint/1001", "601")
        await asyncio.sleep(2)
        taker, _ = floor.call("endpoint/1004", "**1002")
        await asyncio.sleep(2)
        assert caller.peer is taker
        assert taker.call_id == caller.call_id
        for placed in floor.phones.placed:  # both phones that rang: no missed call in their lists
            assert placed.signal.history[-1] == 'hangup SIP;cause=200;text="Call completed elsewhere"'
        caller.hangup()
        await floor.calls.drained()
        assert taker.state is LegState.ENDED
        assert floor.media.ports == []
        assert len([e for e in floor.log.events if isinstance(e, ev.CallEnded)]) == 2

    on_floor(body)


def test_a_group_pickup_takes_the_longest_ringing_call_of_the_own_group() -> None:
    config = office()
    for number, groups in (("1002", ["sales"]), ("1003", ["support"]), ("1004", ["sales"])):
        config["endpoints"][number]["groups"] = groups

    async def body() -> None:
        floor = Floor(config)
        other, _ = floor.call("endpoint/1001", "1003")
        caller, _ = floor.call("endpoint/1001", "1002")
        await asyncio.sleep(2)
        stranger, _ = floor.call("endpoint/1005", "*8")
        await asyncio.sleep(2)
        assert floor.heard(stranger) == ["pickup-none"]
        outsider, _ = floor.call("endpoint/1005", "**1002")  # not of its group
        await asyncio.sleep(2)
        assert floor.heard(outsider) == ["pickup-none"]
        taker, _ = floor.call("endpoint/1004", "*8")
        await asyncio.sleep(2)
        assert caller.peer is taker
        assert other.peer is None

    on_floor(body)


def parked(floor: Floor) -> list[tuple[str, str, str]]:
    return [(e.place, e.by, e.state) for e in floor.log.events if isinstance(e, ev.CallParked)]


def test_a_call_is_parked_by_transfer_and_fetched_by_another_phone() -> None:
    async def body() -> None:
        floor = Floor(office(), {"endpoint/1002": ANSWERS})
        caller, _ = floor.call("trunk/line", "1002", "+8613800138000")
        await asyncio.sleep(3)
        asker = caller.peer
        assert asker is not None
        asker.on_request(refer("70"), None)  # type: ignore[arg-type]
        await asyncio.sleep(3)
        assert parked(floor) == [("701", "endpoint/1002", "parked")]
        assert floor.heard(caller)[-1] == "default"  # music
        wrong, _ = floor.call("endpoint/1003", "702")
        await asyncio.sleep(2)
        assert floor.heard(wrong) == ["park-none"]
        taker, _ = floor.call("endpoint/1003", "701")
        await asyncio.sleep(2)
        assert caller.peer is taker
        assert parked(floor)[1:] == [("701", "endpoint/1003", "fetched"), ("701", "endpoint/1002", "left")]
        taker.hangup()
        await floor.calls.drained()
        assert floor.media.ports == []

    on_floor(body)


def test_a_place_is_announced_first_and_kept_for_who_asked() -> None:
    async def body() -> None:
        floor = Floor(office(), {"endpoint/1002": ANSWERS, "endpoint/1003": ANSWERS})
        asked, _ = floor.call("endpoint/1002", "70")
        other, _ = floor.call("endpoint/1003", "70")
        await asyncio.sleep(6)
        assert floor.heard(asked) == ["park-next", "d-7", "d-0", "d-1"]
        assert floor.heard(other) == ["park-next", "d-7", "d-0", "d-2"]
        caller, _ = floor.call("trunk/line", "1002", "+8613800138000")
        await asyncio.sleep(3)
        assert caller.peer is not None
        caller.peer.on_request(refer("70"), None)  # type: ignore[arg-type]
        await asyncio.sleep(1)
        assert parked(floor) == [("701", "endpoint/1002", "parked")]

    on_floor(body)


def test_a_parked_call_goes_back_to_who_parked_it() -> None:
    async def body() -> None:
        floor = Floor(office(), {"endpoint/1002": ANSWERS})
        caller, _ = floor.call("trunk/line", "1002", "+8613800138000")
        await asyncio.sleep(3)
        assert caller.peer is not None
        caller.peer.on_request(refer("702"), None)  # type: ignore[arg-type]
        await asyncio.sleep(2)
        floor.behaviour["endpoint/1002"] = Behaviour(status=486)
        await asyncio.sleep(45)
        assert parked(floor)[-1] == ("702", "endpoint/1002", "recalled")
        assert floor.equipment.lots.parked("702") is not None  # busy: it waits on
        floor.behaviour["endpoint/1002"] = ANSWERS
        await asyncio.sleep(47)
        assert caller.peer is not None
        assert caller.peer.party == "endpoint/1002"
        assert floor.equipment.lots.parked("702") is None

    on_floor(body)


def test_with_every_place_taken_the_call_comes_back() -> None:
    async def body() -> None:
        floor = Floor(office(parking={"lots": "701"}), {"endpoint/1002": ANSWERS})
        for _ in range(2):
            caller, _ = floor.call("trunk/line", "1002", "+8613800138000")
            await asyncio.sleep(3)
            assert caller.peer is not None
            caller.peer.on_request(refer("70"), None)  # type: ignore[arg-type]
            await asyncio.sleep(3)
        assert caller.peer is not None
        assert caller.peer.party == "endpoint/1002"

    on_floor(body)


def test_an_intercom_call_asks_the_phone_to_answer_by_itself() -> None:
    async def body() -> None:
        floor = Floor(office(), {"endpoint/1002": ANSWERS})
        leg, _ = floor.call("endpoint/1001", "*801002")
        await asyncio.sleep(2)
        assert ("Call-Info", "<sip:auto>;answer-after=0") in floor.phones.placed[0].destination.headers
        assert leg.peer is not None

    on_floor(body)


def test_a_page_is_heard_by_free_phones_alone() -> None:
    async def body() -> None:
        floor = Floor(office(), {f"endpoint/{n}": ANSWERS for n in ("1002", "1003", "1004")})
        floor.call("endpoint/1004", "1003")  # both are in a call now
        await asyncio.sleep(2)
        leg, _ = floor.call("endpoint/1001", "600")
        await asyncio.sleep(3)
        assert floor.rung()[1:] == ["endpoint/1002"]
        call = floor.calls.calls[leg.call_id]
        other = next(one for one in call.legs.values() if one is not leg)
        assert other.port.hears == {leg.port}  # type: ignore[attr-defined]
        assert leg.port.hears == set()  # type: ignore[attr-defined]
        leg.hangup()
        await asyncio.sleep(1)
        assert other.state is LegState.ENDED

    on_floor(body)


def test_the_night_switch_is_turned_by_code_where_that_is_allowed() -> None:
    async def body() -> None:
        floor = Floor(office())
        leg, _ = floor.call("endpoint/1001", "*28")
        other, _ = floor.call("endpoint/1002", "*28")
        await floor.calls.drained()
        assert floor.heard(leg) == ["switch-open"]
        assert floor.heard(other) == ["not-allowed"]
        assert floor.plan.switch("night") == "open"

    on_floor(body)
