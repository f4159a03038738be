"""Callers, queues and agents at their phones, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from pbx import events as ev
from pbx.acd.agent import State
from pbx.apps.desk import Desk
from pbx.apps.desk_store import AgentMemory, MemoryDeskStore
from pbx.apps.outcome import Answered, Closed, Full, Key, NoAgents, Outcome, TimedOut
from pbx.apps.queue import QueueEntry, queue
from pbx.apps.staff import agent_specs
from pbx.call.leg import ELSEWHERE, Leg
from pbx.config.config import Config
from pbx.config.queues import Queue
from pbx.errors import PbxError
from pbx.signaling.virtual import Behaviour
from tests.fakes.house import House, in_house

ANSWERS = Behaviour(answer_after_s=2, talk_s=60)


def config(queues: Mapping[str, Mapping[str, Any]] | None = None, agents: int = 2, **more: Any) -> Config:
    """Queue "q" and agents a1, a2 … at endpoints 2001, 2002 …"""
    return Config.model_validate(
        {
            "queues": {name: dict(spec) for name, spec in (queues or {"q": {}}).items()},
            "agents": {
                f"a{n}": {"endpoint": f"{2000 + n}", "queues": dict.fromkeys(queues or {"q": {}}, 1)}
                for n in range(1, agents + 1)
            },
            "endpoints": {f"{2000 + n}": {} for n in range(1, agents + 1)},
            **more,
        }
    )


class Centre:
    """A house with a desk; every caller runs *script*, by default the queue "q"."""

    def __init__(
        self,
        made: Config | None = None,
        phones: Mapping[str, Behaviour] | Callable[[Any], Behaviour] | None = None,
        *,
        entry: QueueEntry | None = None,
        store: MemoryDeskStore | None = None,
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.house = House(self._script, phones or {})
        append = self.house.log.append

        def emit(event: ev.Event) -> object:
            done = append(event)
            self.desk.observe(event)
            return done

        self.house.calls.emit = emit
        self.entry = entry or QueueEntry()
        self.desk = Desk(made or config(), self.house.calls, emit, seed=1, store=store)
        self.desk.start()

    async def _script(self, leg: Leg) -> None:
        self.outcomes.append(await queue(leg, self.desk, "q", self.entry))

    def all(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.house.log.events if isinstance(event, kind)]

    def exits(self) -> list[str]:
        return [event.exit for event in self.all(ev.QueueLeft)]

    def said(self, direction: str = "in") -> list[str]:
        """Return what the caller was given to hear, or ("out") the first agent."""
        call = next(iter(self.house.calls.calls.values()))
        leg = next(leg for leg in call.legs.values() if leg.direction == direction)
        assert leg.media is not None
        return [said.what for said in leg.media.port.said]  # type: ignore[attr-defined]


def test_a_caller_waits_with_music_and_reaches_the_agent_who_was_idle_longest() -> None:
    async def body() -> None:
        centre = Centre(phones={"endpoint/2001": ANSWERS, "endpoint/2002": ANSWERS})
        centre.desk.login("a2")
        await asyncio.sleep(1)
        centre.desk.login("a1")
        _, signal = centre.house.caller()
        await asyncio.sleep(1)
        assert centre.said() == ["default"]
        assert centre.desk.state("a2") is State.RINGING
        await asyncio.sleep(2)
        agent, caller = centre.house.media.ports
        assert caller.hears == {agent}
        assert agent.hears == {caller}
        assert centre.desk.state("a2") is State.ON_CALL
        await centre.house.calls.drained()
        assert centre.outcomes == [Answered("agent/a2")]
        assert signal.history == ["accept", "hangup"]
        assert centre.desk.state("a2") is State.WRAP_UP
        await asyncio.sleep(16)
        assert centre.desk.state("a2") is State.READY
        (left,) = centre.all(ev.QueueLeft)
        assert (left.exit, left.agent, left.wait_ms) == ("answered", "a2", 2000)
        (served,) = centre.all(ev.QueueServed)
        assert (served.by, served.talk_ms) == ("agent", 60_000)

    in_house(body)


def test_each_way_out_has_its_outcome() -> None:
    async def outcome_of(spec: Mapping[str, Any], login: bool, during: Callable[[Centre], Awaitable[None]]) -> Outcome:
        centre = Centre(config({"q": spec}, agents=1), entry=QueueEntry(closed=spec.get("hours") == "never"))
        if login:
            centre.desk.login("a1")
            centre.desk.pause("a1", "lunch")
        centre.house.caller()
        await asyncio.sleep(1)
        await during(centre)
        await centre.house.calls.drained()
        return centre.outcomes[0]

    async def nothing(centre: Centre) -> None: ...

    async def press(centre: Centre) -> None:
        centre.house.media.ports[0].press("9")

    async def leave(centre: Centre) -> None:
        centre.desk.logout("a1")

    async def body() -> None:
        assert await outcome_of({"max-wait-s": 30}, True, nothing) == TimedOut()
        assert await outcome_of({"max-callers": 0}, True, nothing) == Full()
        assert await outcome_of({}, False, nothing) == NoAgents()
        assert await outcome_of({}, True, leave) == NoAgents()
        assert await outcome_of({"hours": "never"}, True, nothing) == Closed()
        assert await outcome_of({"exit-keys": {"9": {"hangup": "normal"}}}, True, press) == Key("9")

    in_house(body)


def test_a_refused_caller_is_not_answered() -> None:
    async def body() -> None:
        centre = Centre()
        _, signal = centre.house.caller()
        await centre.house.calls.drained()
        assert centre.outcomes == [NoAgents()]
        assert signal.history == ["reject 480"]
        assert [event.why for event in centre.all(ev.QueueRefused)] == ["no-agents"]

    in_house(body)


def test_a_caller_who_hangs_up_has_abandoned_and_the_agents_phone_stops() -> None:
    async def body() -> None:
        centre = Centre()
        centre.desk.login("a1")
        _, signal = centre.house.caller()
        await asyncio.sleep(3)
        signal.leave()
        await centre.house.calls.drained()
        assert centre.exits() == ["abandoned"]
        assert centre.house.phones.placed[0].signal.history == ["hangup"]
        assert [event.outcome for event in centre.all(ev.OfferEnded)] == ["cancelled"]
        assert centre.desk.state("a1") is State.READY

    in_house(body)


def test_a_caller_who_hangs_up_while_talking_frees_the_agent() -> None:
    async def body() -> None:
        centre = Centre(phones={"endpoint/2001": ANSWERS})
        centre.desk.login("a1")
        _, signal = centre.house.caller()
        await asyncio.sleep(10)
        signal.leave()
        await centre.house.calls.drained()
        assert [event.by for event in centre.all(ev.QueueServed)] == ["caller"]
        assert centre.desk.state("a1") is State.WRAP_UP

    in_house(body)


def test_a_refusal_goes_to_the_next_agent_and_rests_the_first() -> None:
    async def body() -> None:
        centre = Centre(phones={"endpoint/2001": Behaviour(status=603), "endpoint/2002": ANSWERS})
        centre.desk.login("a1")
        await asyncio.sleep(1)
        centre.desk.login("a2")
        centre.house.caller()
        await centre.house.calls.drained()
        assert [(event.agent, event.outcome) for event in centre.all(ev.OfferEnded)] == [
            ("a1", "declined"), ("a2", "answered"),
        ]  # fmt: skip
        assert centre.outcomes == [Answered("agent/a2")]

    in_house(body)


def test_a_phone_that_says_nothing_makes_its_agent_unreachable_and_is_tried_again() -> None:
    async def body() -> None:
        centre = Centre(phones={"endpoint/2001": Behaviour(silent=True), "endpoint/2002": ANSWERS})
        centre.desk.login("a1")
        await asyncio.sleep(1)
        centre.desk.login("a2")
        centre.house.caller()
        await asyncio.sleep(6)
        assert centre.desk.state("a1") is State.UNREACHABLE
        assert centre.desk.state("a2") is State.ON_CALL
        await asyncio.sleep(30)
        assert centre.desk.state("a1") is State.READY

    in_house(body)


def test_of_fifty_who_answer_in_the_same_instant_one_is_connected_and_the_others_are_told_elsewhere() -> None:
    async def body() -> None:
        phones = {f"endpoint/{2000 + n}": Behaviour(answer_after_s=1, talk_s=60) for n in range(1, 51)}
        centre = Centre(config({"q": {"strategy": "ring-all"}}, agents=50), phones)
        for n in range(1, 51):
            centre.desk.login(f"a{n}")
        centre.house.caller()
        await asyncio.sleep(5)
        states = [centre.desk.state(f"a{n}") for n in range(1, 51)]
        assert states.count(State.ON_CALL) == 1
        assert states.count(State.READY) == 49
        endings = [placed.signal.history for placed in centre.house.phones.placed]
        assert endings.count([]) == 1
        assert endings.count([f"hangup {ELSEWHERE}"]) == 49
        assert centre.exits() == ["answered"]

    in_house(body)


def test_the_notice_is_heard_to_its_end_before_a_quick_agent_is_joined() -> None:
    async def body() -> None:
        spec = {"record": "always", "notice": "recording-notice"}
        centre = Centre(config({"q": spec}), {"endpoint/2001": Behaviour(answer_after_s=0.1, talk_s=9)})
        centre.desk.login("a1")
        centre.house.caller()
        await asyncio.sleep(0.5)
        assert centre.said() == ["recording-notice"]
        assert centre.exits() == []
        await asyncio.sleep(0.6)
        assert centre.exits() == ["answered"]
        assert [event.step for event in centre.all(ev.StepRan)] == ["notice recording-notice"]

    in_house(body)


def test_the_whisper_is_heard_by_the_agent_alone() -> None:
    async def body() -> None:
        centre = Centre(config({"q": {"whisper": "support-call"}}), {"endpoint/2001": ANSWERS})
        centre.desk.login("a1")
        centre.house.caller()
        await asyncio.sleep(2.5)
        assert centre.said("out") == ["support-call"]
        assert "support-call" not in centre.said()
        assert centre.exits() == []
        await asyncio.sleep(1)
        assert centre.exits() == ["answered"]

    in_house(body)


def test_position_and_wait_are_announced_and_music_resumes() -> None:
    async def body() -> None:
        centre = Centre(config({"q": {"announce": {"position": True}}}))
        centre.desk.login("a1")
        centre.desk.pause("a1")
        centre.house.caller()
        await asyncio.sleep(30)
        said = centre.said()
        assert said[0] == "default"
        assert said[-1] == "default"
        assert len(said) > 2

    in_house(body)


def test_any_other_call_of_the_agents_phone_makes_them_busy() -> None:
    async def body() -> None:
        centre = Centre(config(agents=1))
        centre.desk.login("a1")

        async def talks(leg: Leg) -> None:
            await leg.answer()
            await asyncio.sleep(10)

        centre.house.script = talks
        centre.house.caller("endpoint/2001", "1002")
        assert centre.desk.state("a1") is State.ON_CALL
        await asyncio.sleep(11)
        assert centre.desk.state("a1") is State.READY

    in_house(body)


def test_a_registration_that_goes_and_comes_moves_the_agent() -> None:
    async def body() -> None:
        centre = Centre()
        centre.desk.login("a1")
        there = {"2001": False}
        centre.desk._is_reachable = lambda endpoint: there.get(endpoint, True)
        centre.desk.endpoint_changed("2001")
        assert centre.desk.state("a1") is State.UNREACHABLE
        there["2001"] = True
        centre.desk.endpoint_changed("2001")
        assert centre.desk.state("a1") is State.READY

    in_house(body)


def test_what_people_changed_by_day_survives_a_restart() -> None:
    async def body() -> None:
        store = MemoryDeskStore()
        centre = Centre(config({"q": {}, "r": {}}), store=store)
        centre.desk.login("a1")
        centre.desk.pause("a1", "lunch")
        centre.desk.login("a2", "2001")
        centre.desk.set_membership("a2", "r", 3)
        centre.desk.set_skill("a2", "billing", 7)
        again = Centre(config({"q": {}, "r": {}}), store=store)
        assert again.desk.state("a1") is State.PAUSED
        assert again.desk.core.agents["a1"].pause == "lunch"
        assert again.desk.state("a2") is State.READY
        assert again.desk.seat_of("a2") == "2001"
        assert again.desk.core.agents["a2"].members["r"].tier == 3
        assert again.desk.core.agents["a2"].skills == {"billing": 7}

    in_house(body)


def test_a_wrap_up_goes_on_after_a_restart() -> None:
    async def body() -> None:
        store = MemoryDeskStore()
        store.save_agent("a1", AgentMemory(logged_in=True, wrap_up_until=7.0))
        centre = Centre(store=store)
        assert centre.desk.state("a1") is State.WRAP_UP
        await asyncio.sleep(7.01)
        assert centre.desk.state("a1") is State.READY

    in_house(body)


def test_an_automatic_pause_is_kept_too() -> None:
    async def body() -> None:
        store = MemoryDeskStore()
        centre = Centre(config({"q": {"auto-pause-after": 1, "max-wait-s": 40}}, agents=1), store=store)
        centre.desk.login("a1")
        centre.house.caller()
        await asyncio.sleep(16)
        assert centre.desk.state("a1") is State.PAUSED
        assert store.agents["a1"].paused == "missed-offers"

    in_house(body)


def test_a_supervisor_moves_a_caller_to_another_queue() -> None:
    async def body() -> None:
        centre = Centre(config({"q": {}, "r": {"max-wait-s": 5}}))
        centre.desk.login("a1")
        centre.desk.pause("a1")
        centre.house.caller()
        await asyncio.sleep(1)
        (entered,) = centre.all(ev.QueueEntered)
        centre.desk.move_caller(entered.entry_id, "r")
        await centre.house.calls.drained()
        assert [(event.queue, event.exit) for event in centre.all(ev.QueueLeft)] == [("q", "moved"), ("r", "timeout")]
        assert [event.source for event in centre.all(ev.QueueEntered)] == ["new", "transfer"]
        with pytest.raises(PbxError, match="nobody waits"):
            centre.desk.move_caller(entered.entry_id, "r")

    in_house(body)


def test_a_customers_value_raises_the_priority() -> None:
    async def body() -> None:
        made = config({"q": {"priority": [{"when": "level == 'gold'", "add": 50}]}})
        centre = Centre(made, entry=QueueEntry(priority=1, values={"level": "gold"}))
        centre.desk.login("a1")
        centre.house.caller()
        await asyncio.sleep(1)
        assert [event.priority for event in centre.all(ev.QueueEntered)] == [51]

    in_house(body)


def test_a_team_lends_its_words_and_the_agents_own_win() -> None:
    made = Config.model_validate(
        {
            "queues": {"q": {}},
            "teams": {"t": {"queues": {"q": 2}, "skills": {"x": 3, "y": 4}, "wrap-up-s": 20, "ring-s": 9}},
            "agents": {"one": {"team": "t"}, "two": {"team": "t", "skills": {"x": 5}, "wrap-up-s": 1, "queues": {}}},
        }
    )
    specs = agent_specs(made)
    assert (specs["one"].queues, specs["one"].skills, specs["one"].wrap_up_s) == ({"q": 2}, {"x": 3, "y": 4}, 20)
    assert (specs["two"].queues, specs["two"].skills, specs["two"].wrap_up_s) == ({}, {"x": 5, "y": 4}, 1)
    assert specs["two"].ring_s == 9


def test_the_exits_of_every_caller_add_up_in_the_log() -> None:
    async def body() -> None:
        phones = {"endpoint/2001": Behaviour(answer_after_s=1, talk_s=8), "endpoint/2002": Behaviour(status=486)}
        centre = Centre(config({"q": {"wrap-up-s": 1, "max-wait-s": 20}}), phones)
        centre.desk.login("a1")
        centre.desk.login("a2")
        signals = []
        for n in range(8):
            signals.append(centre.house.caller(f"endpoint/100{n}")[1])
            await asyncio.sleep(2)
        signals[5].leave()
        await centre.house.calls.drained()
        entered = centre.all(ev.QueueEntered)
        assert len(entered) == len(centre.exits()) == 8
        assert set(centre.exits()) == {"answered", "abandoned", "timeout"}
        assert {event.entry_id for event in entered} == {event.entry_id for event in centre.all(ev.QueueLeft)}

    in_house(body)


def test_queue_has_the_defaults_of_the_language() -> None:
    spec = Queue()
    assert (spec.ring_s, spec.same_agent_after_s, spec.retry_s, spec.max_wait_s) == (15, 10, 0, 600)
    assert (spec.auto_pause_after, spec.empty_after_s) == (2, 60)


def test_the_caller_hears_who_serves_them_while_the_agent_hears_the_whisper() -> None:
    async def body() -> None:
        made = config({"q": {"whisper": "queue-thank-you", "announce": {"agent-id": True}}}, agents=1)
        agents = {"a1": made.agents["a1"].model_copy(update={"id": "1023"})}
        centre = Centre(made.model_copy(update={"agents": agents}), {"endpoint/2001": ANSWERS})
        centre.desk.login("a1")
        centre.house.caller()
        await asyncio.sleep(4)
        assert "agent-number" in centre.said()
        assert "d-1" in centre.said()
        assert centre.said("out") == ["queue-thank-you"]

    in_house(body)


def test_an_agent_who_missed_offers_is_told_by_phone_that_they_are_paused() -> None:
    async def body() -> None:
        rung = 0

        def behave(destination: Any) -> Behaviour:
            nonlocal rung
            rung += 1
            return Behaviour(answer_after_s=0.5) if rung > 2 else Behaviour()  # misses two offers, then picks up

        centre = Centre(config({"q": {"ring-s": 5, "same-agent-after-s": 0}}, agents=1), behave)
        centre.desk.login("a1")
        centre.house.caller()
        await asyncio.sleep(12.2)
        assert centre.desk.state("a1") is State.PAUSED
        notice = centre.house.phones.placed[-1]
        assert ("Call-Info", "<sip:auto>;answer-after=0") in notice.destination.headers
        port = next(p for p in centre.house.media.ports if "auto-paused" in [said.what for said in p.said])
        assert [said.what for said in port.said][:2] == ["tone beep", "auto-paused"]

    in_house(body)


def test_the_desk_lives_on_a_loop_whose_handles_cannot_be_asked_when() -> None:
    """uvloop answers ``call_at`` of an instant that has passed with a handle that has no ``when``."""

    async def body() -> None:
        desk = Centre().desk
        overdue = asyncio.get_running_loop().time() - 1.0
        desk.core = SimpleNamespace(deadline=overdue)  # type: ignore[assignment]
        desk._arm()
        desk._arm()
        desk.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(body())
