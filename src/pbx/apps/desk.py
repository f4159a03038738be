"""The desk: drives the core on the event loop, rings agents, keeps what people changed, answers who asks."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import orjson

from pbx import events as ev
from pbx.acd import inputs
from pbx.acd import outputs as out
from pbx.acd.agent import AgentSpec
from pbx.acd.core import Core
from pbx.acd.replay import name_of_run
from pbx.apps.agents import AgentVerbs
from pbx.apps.callbacks import Callbacks, Promised
from pbx.apps.desk_events import event_of
from pbx.apps.desk_store import AgentMemory, DeskStore, MemoryDeskStore
from pbx.apps.recording import Recording
from pbx.apps.ringing import Ringing, Shown
from pbx.apps.staff import agent_specs, productive
from pbx.call import audio
from pbx.call.calls import Calls
from pbx.call.contract import Emit
from pbx.call.leg import Leg
from pbx.call.originate import originate
from pbx.config.config import Config
from pbx.errors import CallFailed, PbxError

log = logging.getLogger(__name__)

NOTICE_AFTER_S, NOTICE_RING_S = 1.0, 10.0
PROBE_S = 30.0  # a registered phone that did not ring is tried again after this long


class Visit(Protocol):
    """A caller in a queue, as the desk sees one."""

    leg: Leg
    entered: inputs.Joined

    def admitted(self, position: int) -> None: ...
    def refused(self, why: str) -> None: ...
    def claimed(self, ringing: Ringing) -> None: ...
    def left(self, exit: str, key: str) -> None: ...
    def announce(self, position: int | None, wait_s: float | None, turn: int) -> None: ...
    def move_to(self, queue: str) -> None: ...
    def offer_callback(self) -> None: ...


HEARD = (ev.LegCreated, ev.LegEnded)


class Desk(AgentVerbs):
    """One call centre at work. Everything happens on the event loop, one input after the other."""

    def __init__(
        self,
        config: Config,
        calls: Calls,
        emit: Emit,
        *,
        seed: int,
        store: DeskStore | None = None,
        wall: Callable[[], float] | None = None,
        is_reachable: Callable[[str], bool] = lambda endpoint: True,
    ) -> None:
        core = Core(config.queues, agent_specs(config), random.Random(seed), name_of_run(seed))
        loop = asyncio.get_running_loop()
        super().__init__(config, core, emit, store or MemoryDeskStore(), wall or loop.time, is_reachable)
        self.calls = calls
        self._seed = seed
        self._productive = productive(config)
        self._visits: dict[str, Visit] = {}
        self._rings: dict[str, Ringing] = {}
        self._pending: deque[inputs.Input] = deque()
        self._feeding = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._counted: dict[str, str] = {}  # leg_id: endpoint
        self._placing = False
        self.callbacks = Callbacks(self, self._store, self._wall)
        self.recording_of: Callable[[str], Recording] | None = None  # by queue: by what rule a callback is recorded

    # ---- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Log in who is always, or was: what people changed by day comes before what the file says."""
        self._emit(ev.AcdBegan(seed=self._seed))
        # The log alone is then enough to replay a run, whatever became of the files.
        self.feed(inputs.Configured(queues=self.config.queues, agents=agent_specs(self.config)))
        remembered = self._store.load_agents()
        for name, spec in self.config.agents.items():
            memory = remembered.get(name) or AgentMemory(logged_in=spec.login == "always")
            self._memory[name] = memory
            self._sit(name, memory.seat or spec.endpoint)
            self._restore(name, memory)
        self.callbacks.restore()

    def _restore(self, name: str, memory: AgentMemory) -> None:
        for queue, tier in memory.tiers.items():
            if queue in self.core.queues:
                self.feed(inputs.MemberSet(agent=name, queue=queue, tier=tier))
        for skill, level in memory.skills.items():
            self.feed(inputs.SkillSet(agent=name, skill=skill, level=level))
        if memory.logged_in:
            left_s = max(0.0, memory.wrap_up_until - self._wall())
            self.feed(
                inputs.LoggedIn(
                    agent=name, paused=memory.paused, reachable=self._reaches(name), wrap_up_s=round(left_s, 3)
                )
            )

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def configure(self, config: Config) -> None:
        """Follow a new configuration: what people changed by day stays, what they did not follows the files."""
        before, self.config = self.config, config
        self._productive = productive(config)
        specs = {name: self._as_set(spec) for name, spec in agent_specs(config).items()}
        self.feed(inputs.Configured(queues=config.queues, agents=specs))
        for name, spec in config.agents.items():
            if name not in before.agents:
                memory = self._memory[name] = AgentMemory(logged_in=spec.login == "always")
                self._sit(name, spec.endpoint)
                self._restore(name, memory)
            elif before.agents[name].endpoint != spec.endpoint and not self._memory[name].seat:
                self._sit(name, spec.endpoint)
                self.feed(inputs.Reachable(agent=name, on=self._reaches(name), cause="seat changed"))
        for name in before.agents.keys() - config.agents.keys():
            self._stand_up(name)

    def _as_set(self, spec: AgentSpec) -> AgentSpec:
        """Lay what people set by day over what the files say of an agent."""
        memory = self._memory.get(spec.name, AgentMemory())
        tiers = {**spec.queues, **{q: t for q, t in memory.tiers.items() if q in self.config.queues}}
        skills = {**spec.skills, **memory.skills}
        return replace(
            spec,
            queues={queue: tier for queue, tier in tiers.items() if tier is not None},
            skills={skill: level for skill, level in skills.items() if level > 0},
        )

    # ---- the core's driver -----------------------------------------------------------------------------------------

    def feed(self, what: inputs.Input) -> None:
        """Tell the core, and do what it wants; what comes of that waits its turn."""
        self._pending.append(what)
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._pending:
                self._step(self._pending.popleft())
        finally:
            self._feeding = False
        self._arm()

    def _step(self, what: inputs.Input) -> None:
        now = self._loop.time()
        self._emit(ev.AcdFed(at=now, fed=orjson.dumps(inputs.dumped(what)).decode()))
        self.core.handle(what, now)
        for output in self.core.outputs():
            try:
                self._do(output)
            except Exception:
                log.exception("the desk could not carry out %s", output)

    def _arm(self) -> None:
        deadline = self.core.deadline
        if self._timer is not None:
            if self._timer_at == deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._wake)
            self._timer_at = deadline  # uvloop's handle of an instant that has passed cannot be asked

    def _wake(self) -> None:
        self._timer = None
        self.feed(inputs.TimePassed())

    def _do(self, output: out.Output) -> None:
        entry_id = getattr(output, "entry_id", "")
        visit = self._visits.get(entry_id) or self.callbacks.find(entry_id)
        agent = getattr(output, "agent", "")
        if isinstance(output, out.MakeOffer) and isinstance(visit, Promised):
            visit.offered()
        call_id = visit.leg.call_id if visit is not None else ""
        event = event_of(output, call_id, self._seats.get(agent, ""), self._productive)
        if event is not None:
            self._emit(event)
        match output:
            case out.Entered() if visit is not None:
                self._entered(visit, output)
            case out.Refused() if visit is not None:
                visit.refused(output.why)
            case out.MakeOffer() if visit is not None:
                self._ring(visit, output)
            case out.CancelOffer():
                if (ringing := self._rings.pop(output.offer_id, None)) is not None:
                    ringing.stop(output.why)
            case out.OfferOver():
                self._offer_over(output)
                if isinstance(visit, Promised) and output.outcome != "answered":
                    visit.offer_over()
            case out.Claimed() if visit is not None:
                visit.claimed(self._rings[output.offer_id])
            case out.TooLate():
                if (ringing := self._rings.pop(output.offer_id, None)) is not None:
                    ringing.stop("elsewhere")
            case out.Exited() if visit is not None:
                visit.left(output.exit, output.key)
            case out.Announce() if visit is not None:
                visit.announce(output.position, output.wait_s, output.turn)
            case out.OfferCallback() if visit is not None:
                visit.offer_callback()
            case out.AutoPaused():
                self._loop.call_later(NOTICE_AFTER_S, self._tell_paused, output.agent)
            case out.AgentMoved():
                if output.was == "on-call":
                    self.hands.lower(output.agent, "over", by="system")
                self._remember_state(output)
            case out.CallbackMoved():
                self.callbacks.moved(output)
            case _:
                pass

    def _entered(self, visit: Visit, output: out.Entered) -> None:
        ask = visit.entered
        self._emit(
            ev.QueueEntered(
                call_id=visit.leg.call_id, leg_id=visit.leg.leg_id, entry_id=output.entry_id, queue=output.queue,
                source=ask.source, caller=visit.leg.caller.number, priority=ask.priority,
                needs=tuple(f"{need.skill}={need.level}" for need in ask.needs), position=output.position,
            )
        )  # fmt: skip
        visit.admitted(output.position)

    def _ring(self, visit: Visit, output: out.MakeOffer) -> None:
        ringing = Ringing(output.offer_id, output.agent, self.feed)
        self._rings[output.offer_id] = ringing
        self._placing = True
        try:
            seat = self._seats.get(output.agent, "")
            queue = self.config.queues.get(visit.entered.queue)
            shown = Shown(queue.name or visit.entered.queue, queue.ring) if queue is not None else None
            ringing.start(self.calls, visit.leg, self.config.agents[output.agent], seat, shown)
        finally:
            self._placing = False

    def _tell_paused(self, name: str) -> None:
        """Give the phone of an agent who missed offers a tone and a notice."""
        seat = self._seats.get(name, "")
        if not seat or name not in self.core.agents or self.core.agents[name].pause is None:
            return

        async def notice(leg: Leg) -> None:
            await leg.answer()
            await audio.beep(leg)
            await audio.play(leg, "auto-paused")

        try:
            originate(
                self.calls, f"endpoint/{seat}", name, script=notice, name="paused", ring_s=NOTICE_RING_S, answers=True
            )
        except CallFailed as error:
            log.info("agent %s is not told of the pause: %s", name, error)

    def _offer_over(self, output: out.OfferOver) -> None:
        if output.outcome != "answered":
            self._rings.pop(output.offer_id, None)
        if output.outcome == "failed":
            self._loop.call_later(PROBE_S, self._probe, output.agent)

    # ---- callers ---------------------------------------------------------------------------------------------------

    def join(self, visit: Visit) -> None:
        """Let a caller in; the visit hears ``admitted`` or ``refused`` before this returns."""
        self._visits[visit.entered.entry_id] = visit
        self.feed(visit.entered)

    def forget(self, visit: Visit) -> None:
        self._visits.pop(visit.entered.entry_id, None)

    def joined(self, ringing: Ringing, call_id: str, entry_id: str) -> None:
        """Caller and agent hear each other."""
        ringing.joined()
        self._last_calls[ringing.agent] = (call_id, entry_id)
        self._rings.pop(ringing.offer_id, None)
        self.feed(inputs.OfferJoined(offer_id=ringing.offer_id))

    def entry_id(self, leg: Leg) -> str:
        """Return a name for a new entry: the call's, numbered."""
        number = leg.variables.get("queue-entries", 0)
        assert isinstance(number, int)
        leg.variables["queue-entries"] = number + 1
        return f"{leg.call_id}.q{number + 1}"

    def emit(self, event: ev.Event) -> None:
        self._emit(event)

    def prioritise(self, entry_id: str, priority: int) -> None:
        """Give a waiting caller another priority.

        :raises PbxError: for a caller who does not wait.
        """
        if entry_id not in self.core.entries:
            raise PbxError(f"nobody waits as {entry_id}")
        self.feed(inputs.Prioritised(entry_id=entry_id, priority=priority))

    def move_caller(self, entry_id: str, queue: str) -> None:
        """Send a waiting caller to another queue (exit: moved); their wait there starts from zero.

        :raises PbxError: for a caller who does not wait, or a queue that is not configured.
        """
        visit = self._visits.get(entry_id)
        if visit is None or entry_id not in self.core.entries:
            raise PbxError(f"nobody waits as {entry_id}")
        if queue not in self.core.queues:
            raise PbxError(f"no queue {queue}; there are {', '.join(self.core.queues)}")
        visit.move_to(queue)
        self.feed(inputs.Left(entry_id=entry_id, exit="moved"))

    def entry_of(self, call_id: str) -> str:
        """Return where a call waits, "" where it does not."""
        for entry_id, visit in self._visits.items():
            if visit.leg.call_id == call_id and entry_id in self.core.entries:
                return entry_id
        return ""

    def release(self, entry_id: str) -> None:
        """Let a waiting caller go to somewhere that is no queue (exit: moved)."""
        self.feed(inputs.Left(entry_id=entry_id, exit="moved"))

    def visit(self, entry_id: str) -> Visit | None:
        """Return a caller who waits; None for a callback."""
        return self._visits.get(entry_id)

    # ---- what phones do --------------------------------------------------------------------------------------------

    def endpoint_changed(self, endpoint: str, cause: str = "") -> None:
        """A registration came or went, or a phone stopped answering, or does again."""
        on = self._is_reachable(endpoint)
        why = cause or ("registered" if on else "unregistered")
        for name in sorted(self._at_seat.get(endpoint, ())):
            if self.core.agents[name].reachable != on:
                self.feed(inputs.Reachable(agent=name, on=on, cause=why))

    def observe(self, event: ev.Event) -> None:
        """Watch the log for dialogs of agents that no queue gave."""
        if isinstance(event, ev.LegCreated):
            room, _, endpoint = event.party.partition("/")
            if room == "endpoint" and endpoint in self._at_seat and not self._placing:
                self._counted[event.leg_id] = endpoint
                self._count(endpoint, 1)
        elif isinstance(event, ev.LegEnded) and (ended := self._counted.pop(event.leg_id, "")):
            self._count(ended, -1)

    def _count(self, endpoint: str, by: int) -> None:
        self._others[endpoint] += by
        for name in sorted(self._at_seat.get(endpoint, ())):
            self.feed(inputs.OtherCalls(agent=name, count=self._others[endpoint]))

    # ---- the clock on the wall -------------------------------------------------------------------------------------

    def follow_hours(self, is_open: Callable[[str], bool]) -> None:
        """Tell the core where a calendar opened or closed: *is_open* takes a queue; callbacks go out in open hours."""
        for name, queue in list(self.core.queues.items()):
            if name in self.config.queues and (now := is_open(name)) != queue.open:
                self.feed(inputs.HoursChanged(queue=name, open=now))

    def day_began(self) -> None:
        """Let the business day's counters start from zero."""
        self.feed(inputs.DayBegan())

    async def saved(self) -> None:
        """Wait until what was promised would survive a crash."""
        await self._store.saved()
