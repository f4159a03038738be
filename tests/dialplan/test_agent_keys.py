"""What agents do by key and code: results of calls, raised hands, the pause after this call, wrap-up, own figures."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pbx import events as ev
from pbx.acd.agent import State
from pbx.alerts import live_figures
from pbx.apps.supervision import Mode
from pbx.call.leg import Leg
from pbx.config.config import Config
from pbx.dialplan.check import check
from pbx.events import Logged
from pbx.lamps import Lamps
from pbx.signaling.virtual import Behaviour
from pbx.store.entries import entries_of
from pbx.store.segments import segments_of
from pbx.store.today import Today
from tests.dialplan.floor import Floor, on_floor
from tests.dialplan.test_features import ANSWERS, office


def centre(**more: Any) -> dict[str, Any]:
    """An office with a queue: zhang sits at 1002, the boss of the floor at 1005."""
    config = office(**more)
    config["contexts"]["in"]["route"].append({"match": "800", "do": {"queue": "q"}})
    return config | {
        "queues": {"q": {"wrap-up-s": 30}},
        "agents": {
            "zhang": {"endpoint": "1002", "id": "7", "queues": {"q": 1}, "login": "always"},
            "boss": {"endpoint": "1005", "rights": ["supervise"], "login": "always"},
        },
        "dispositions": {"sold": {"name": "Sold", "key": "1"}, "12": {"name": "Complaint"}},
        "pause-reasons": {"1": {"name": "lunch"}, "2": {"name": "training", "productive": True}},
    }


async def served(floor: Floor) -> tuple[Leg, Leg]:
    """Let a customer reach zhang by the queue; return both legs."""
    customer, _ = floor.call("trunk/line", "800", "+8613800138000")
    await asyncio.sleep(3)
    assert customer.peer is not None
    assert floor.desk.state("zhang") is State.ON_CALL
    return customer, customer.peer


def told(floor: Floor, kind: type[Any]) -> list[Any]:
    return [event for event in floor.log.events if isinstance(event, kind)]


def logged(floor: Floor) -> list[Logged]:
    return [Logged(n, 1000.0 + n, float(n), event) for n, event in enumerate(floor.log.events, 1)]


def test_a_result_is_noted_by_key_during_the_call() -> None:
    async def body() -> None:
        floor = Floor(centre(), {"endpoint/1002": ANSWERS})
        customer, agent = await served(floor)
        floor.press(agent, "*4")
        await asyncio.sleep(0.5)
        floor.press(agent, "1#")
        await asyncio.sleep(3)
        assert floor.heard(agent)[-2:] == ["disposition-enter", "disposition-kept"]
        assert customer.peer is agent  # nobody was parted
        assert "digits" not in " ".join(floor.heard(customer))
        (noted,) = told(floor, ev.CallDisposition)
        assert (noted.call_id, noted.agent, noted.code) == (customer.call_id, "zhang", "sold")
        customer.hangup()
        await floor.calls.drained()
        (entry,) = entries_of(logged(floor)).values()
        (segment,) = segments_of(logged(floor))
        assert (entry.disposition, segment.disposition) == ("sold", "sold")

    on_floor(body)


@pytest.mark.parametrize(("dialled", "typed"), [("*4912", ""), ("*49", "12"), ("*49", "12#")])
def test_a_result_is_noted_after_the_call_is_over(dialled: str, typed: str) -> None:
    async def body() -> None:
        floor = Floor(centre(), {"endpoint/1002": ANSWERS})
        customer, _ = await served(floor)
        customer.hangup()
        await floor.calls.drained()
        assert floor.desk.state("zhang") is State.WRAP_UP
        leg, _ = floor.call("endpoint/1002", dialled)
        await asyncio.sleep(0.5)
        floor.press(leg, typed)
        await floor.calls.drained()
        assert floor.heard(leg)[-1] == "disposition-kept"
        (noted,) = told(floor, ev.CallDisposition)
        assert (noted.call_id, noted.code) == (customer.call_id, "12")
        (entry,) = entries_of(logged(floor)).values()
        assert entry.disposition == "12"

    on_floor(body)


def test_a_wrong_code_is_asked_again_and_who_had_no_call_is_told() -> None:
    async def body() -> None:
        floor = Floor(centre(), {"endpoint/1002": ANSWERS})
        none, _ = floor.call("endpoint/1002", "*491")
        await floor.calls.drained()
        assert floor.heard(none) == ["disposition-none"]
        customer, _ = await served(floor)
        customer.hangup()
        await floor.calls.drained()
        leg, _ = floor.call("endpoint/1002", "*499")
        await asyncio.sleep(1.5)
        floor.press(leg, "1")
        await floor.calls.drained()
        assert floor.heard(leg) == ["try-again", "disposition-enter", "disposition-kept"]

    on_floor(body)


def test_a_raised_hand_blinks_until_a_supervisor_comes() -> None:
    async def body() -> None:
        floor = Floor(centre(), {"endpoint/1002": ANSWERS})
        lamps = Lamps(lambda: floor.config, floor.calls, floor.equipment, None)  # type: ignore[arg-type]

        def lit(number: str, phone: str = "1005") -> list[str] | None:
            found = lamps.dialogs(number, f"endpoint/{phone}")
            return None if found is None else [one.state for one in found]

        _, agent = await served(floor)
        assert lit("*557") == lit("*55") == []
        assert lit("*557", "1003") is None  # who may not supervise sees nothing
        floor.press(agent, "*0")
        await asyncio.sleep(2)
        assert floor.heard(agent)[-1] == "help-called"
        assert lit("*557") == lit("*55") == ["early"]
        assert lit("*55", "1003") == []
        today = Today(floor.equipment.wall, "00:00", lambda queue: (20.0, 5.0))
        assert live_figures(floor.desk, today, 1, 0, 0)[""]["hands-raised"] == 1  # what an alert may ask for
        boss, _ = floor.call("endpoint/1005", "*55")  # whose hand has been up longest
        await asyncio.sleep(1)
        assert lit("*55") == []
        assert agent.port in boss.port.hears  # type: ignore[attr-defined]
        assert [(e.state, e.by, e.call_id) for e in told(floor, ev.AgentHelp)] == [
            ("raised", "agent", agent.call_id), ("answered", "boss", agent.call_id),
        ]  # fmt: skip
        assert [e.mode for e in told(floor, ev.SupervisorDid)] == [Mode.LISTEN.value]

    on_floor(body)


def test_a_hand_is_taken_down_by_the_same_key_and_by_the_end_of_the_call() -> None:
    async def body() -> None:
        floor = Floor(centre(), {"endpoint/1002": ANSWERS})
        customer, agent = await served(floor)
        for _ in range(3):
            floor.press(agent, "*0")
            await asyncio.sleep(2)
        customer.hangup()
        await floor.calls.drained()
        assert [e.state for e in told(floor, ev.AgentHelp)] == ["raised", "withdrawn", "raised", "over"]
        assert not floor.desk.hands.up

    on_floor(body)


def test_a_pause_asked_for_in_a_call_begins_after_it() -> None:
    async def body() -> None:
        floor = Floor(centre(), {"endpoint/1002": ANSWERS})
        customer, agent = await served(floor)
        for heard, then in (("agent-paused-next", "2"), ("agent-ready", ""), ("agent-paused-next", "")):
            floor.press(agent, "*5")
            await asyncio.sleep(0.5)
            floor.press(agent, then)
            await asyncio.sleep(7)
            assert floor.heard(agent)[-1] == heard
            assert floor.desk.state("zhang") is State.ON_CALL
            assert floor.desk.agent("zhang").pause == {"2": "training"}.get(
                then, None if heard == "agent-ready" else ""
            )
        customer.hangup()
        await asyncio.sleep(31)
        assert floor.desk.state("zhang") is State.PAUSED

    on_floor(body)


def test_wrap_up_is_extended_and_ended_by_code_and_shown_by_lamps() -> None:
    async def body() -> None:
        floor = Floor(centre(), {"endpoint/1002": ANSWERS})
        lamps = Lamps(lambda: floor.config, floor.calls, floor.equipment, None)  # type: ignore[arg-type]

        def lit() -> list[bool]:
            """Of ready, paused, wrap-up."""
            return [bool(lamps.dialogs(number, "endpoint/1002")) for number in ("*42", "*46", "*44")]

        assert lit() == [True, False, False]
        customer, _ = await served(floor)
        assert lit() == [False, False, False]
        customer.hangup()
        await floor.calls.drained()
        assert lit() == [False, False, True]
        more, _ = floor.call("endpoint/1002", "*442")
        await floor.calls.drained()
        assert floor.heard(more) == ["agent-wrap-up-more"]
        await asyncio.sleep(100)
        assert floor.desk.state("zhang") is State.WRAP_UP
        end, _ = floor.call("endpoint/1002", "*42")
        await floor.calls.drained()
        assert floor.heard(end) == ["agent-ready"]
        assert lit() == [True, False, False]
        floor.desk.pause("zhang", "lunch")
        assert lit() == [False, True, False]

    on_floor(body)


def test_own_figures_are_spoken() -> None:
    async def body() -> None:
        floor = Floor(centre(), {"endpoint/1002": Behaviour(answer_after_s=1)})
        today = Today(floor.equipment.wall, "00:00", lambda queue: (20.0, 5.0))
        floor.log.listeners.append(today.take)
        floor.equipment.agent_day = today.agent
        floor.desk.logout("zhang")
        floor.desk.login("zhang")
        customer, _ = await served(floor)
        await asyncio.sleep(88)
        customer.hangup()
        await asyncio.sleep(31)  # wrap-up
        floor.desk.pause("zhang", "training")
        await asyncio.sleep(600)
        leg, _ = floor.call("endpoint/1002", "*48")
        await floor.calls.drained()
        heard = floor.heard(leg)
        assert heard[:2] == ["figures-calls", "n-1"]
        assert heard[2:6] == ["figures-handling", "n-2", "unit-minutes", "figures-talk"]
        assert heard[heard.index("figures-paused") + 1 :][:2] == ["n-10", "unit-minutes"]
        assert "figures-logged-in" in heard
        day = today.agent("zhang")
        assert set(day.seconds) >= {"on-call", "wrap-up", "productive-pause", "ready"}

    on_floor(body)


def test_agents_keys_are_nobody_elses() -> None:
    async def body() -> None:
        floor = Floor(centre(), {"endpoint/1003": ANSWERS})
        caller, _ = floor.call("endpoint/1001", "1003")
        await asyncio.sleep(3)
        floor.press(caller, "*0")
        await asyncio.sleep(3)
        assert caller.peer is not None
        assert "digits *0" in floor.heard(caller.peer)
        leg, _ = floor.call("endpoint/1003", "*44")
        await floor.calls.drained() if caller.hangup() else None
        await asyncio.sleep(2)
        assert floor.heard(leg) == ["agent-unknown"]

    on_floor(body)


def test_check_takes_groups_and_productive_pauses_for_what_they_are() -> None:
    config = centre()
    config["queues"]["q"]["group"] = "service"
    findings = [str(finding) for finding in check(Config.model_validate(config))]
    assert not [text for text in findings if "group" in text or "productive" in text]


def test_a_queue_named_by_a_value_that_is_none_is_unreachable() -> None:
    async def body() -> None:
        config = centre()
        config["contexts"]["in"]["route"].append(
            {"match": "9X", "do": [{"queue": "{number}", "on": {"unreachable": {"play": "closed"}}}]}
        )
        floor = Floor(config)
        leg, _ = floor.call("trunk/line", "91", "+8613800138000")
        await floor.calls.drained()
        assert floor.heard(leg) == ["closed"]

    on_floor(body)
