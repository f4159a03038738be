"""A caller in a queue: notice, music, announcements, keys, and then an agent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from pbx import events as ev
from pbx.acd import inputs
from pbx.acd.skills import Need
from pbx.apps.callbacks import KEY_WAIT_S, agree
from pbx.apps.desk import Desk
from pbx.apps.outcome import Answered, Closed, Full, Key, NoAgents, Outcome, Promised, TimedOut
from pbx.apps.recording import Recording, not_recorded
from pbx.apps.ringing import Ringing
from pbx.apps.survey import survey
from pbx.call import audio
from pbx.call.leg import Leg, LegState
from pbx.config.condition import Value, compile_condition
from pbx.config.queues import Queue
from pbx.errors import CallEnded, PbxError

REFUSED: dict[str, Outcome] = {"full": Full(), "closed": Closed(), "no-agents": NoAgents()}
LEFT: dict[str, Outcome] = {"timeout": TimedOut(), "emptied": NoAgents(), "callback": Promised()}


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """What the script knows of a caller who enters a queue."""

    priority: int = 0
    needs: tuple[Need, ...] = ()
    prefer: str = ""  # an agent, already filled in
    closed: bool = False  # the queue's calendar says so
    ring_s: float | None = None
    max_wait_s: float | None = None
    source: str = "new"
    values: Mapping[str, Value] = field(default_factory=dict)  # for the conditions of priorities
    notice: tuple[str, ...] | None = None  # None: the queue's, where it records
    recording: Recording = not_recorded
    did: str = ""  # what the caller dialled
    callback_number: str = ""  # the caller's own, where it may be called back
    may_call: Callable[[str], str] = lambda number: ""  # a typed number as it will be dialled, "" where it may not be
    callback_expires_s: float = 86_400.0


async def queue(leg: Leg, desk: Desk, name: str, entry: QueueEntry) -> Outcome:
    """Wait for an agent, and talk to one.

    :raises PbxError: for a queue that is not configured.
    """
    spec = desk.config.queues.get(name)
    if spec is None:
        raise PbxError(f"no queue {name}")
    ask = inputs.Joined(
        entry_id=desk.entry_id(leg), queue=name, priority=entry.priority + _earned(spec, entry.values),
        needs=entry.needs, prefer=entry.prefer, source=entry.source, closed=entry.closed, ring_s=entry.ring_s,
        max_wait_s=entry.max_wait_s, call_id=leg.call_id,
    )  # fmt: skip
    visit = Waiting(leg, desk, ask, spec, entry)
    desk.join(visit)
    if visit.why_not:
        desk.forget(visit)
        return REFUSED[visit.why_not]
    try:
        outcome = await visit.stay()
    finally:
        visit.close()
    if isinstance(outcome, Promised):
        await desk.saved()  # a promise is told when it would survive a crash
        await audio.play(leg, ["callback-promised", "goodbye"])
    if outcome is None:
        return await queue(leg, desk, visit.moved_to, replace(entry, source="transfer", ring_s=None, max_wait_s=None))
    return outcome


def _earned(spec: Queue, values: Mapping[str, Value]) -> int:
    """Add what the priority rules give this caller."""
    return sum(rule.add for rule in spec.priority if rule.when and compile_condition(rule.when).evaluate(values))


class Waiting:
    """One caller's stay in a queue (:class:`pbx.apps.desk.Visit`)."""

    def __init__(self, leg: Leg, desk: Desk, ask: inputs.Joined, spec: Queue, entry: QueueEntry) -> None:
        self.leg = leg
        self.entered = ask
        self.why_not = ""
        self._desk = desk
        self._spec = spec
        self._entry = entry
        self._exit: tuple[str, str] | None = None
        self._ringing: Ringing | None = None
        self._news = asyncio.Event()
        self._sound = Sound(leg, spec.music)
        self.moved_to = ""  # a supervisor's word
        self._was_offered = False  # a callback: from then on its key is one at any time
        self._agreeing = False

    # ---- what the desk tells ---------------------------------------------------------------------------------------

    def admitted(self, position: int) -> None:
        for prompt in self._notice():  # told on entering: the offers that follow at once do not wait for it
            self._desk.emit(ev.StepRan(call_id=self.leg.call_id, leg_id=self.leg.leg_id, step=f"notice {prompt}"))

    def refused(self, why: str) -> None:
        self.why_not = why

    def claimed(self, ringing: Ringing) -> None:
        self._ringing = ringing
        self._news.set()

    def left(self, exit: str, key: str) -> None:
        self._exit = (exit, key)
        self._news.set()

    def announce(self, position: int | None, wait_s: float | None, turn: int) -> None:
        rule = self._spec.announce
        assert rule is not None
        if position is not None:
            self._sound.say(lambda leg: _say_position(leg, position))
        if rule.prompts:
            self._sound.say(lambda leg: audio.play(leg, rule.prompts[turn % len(rule.prompts)]))
        if wait_s is not None:
            minutes = str(round(wait_s / 60))
            self._sound.say(lambda leg: _say_wait(leg, minutes))

    def move_to(self, queue: str) -> None:
        self.moved_to = queue

    def offer_callback(self) -> None:
        self._sound.say(self._offer_callback)

    async def _offer_callback(self, leg: Leg) -> None:
        rule = self._spec.callback
        assert rule is not None
        self._desk.emit(
            ev.CallbackChanged(
                call_id=leg.call_id, entry_id=self.entered.entry_id, queue=self.entered.queue, state="offered"
            )
        )
        self._agreeing = True
        try:
            key = await audio.ask(leg, rule.prompt or ("callback-offer",), rule.key, KEY_WAIT_S)
        finally:
            self._was_offered, self._agreeing = True, False
        if key:
            await self._agree(leg)

    async def _agree(self, leg: Leg) -> None:
        """Agree on a number; whoever agrees leaves the queue by the exit "callback"."""
        self._agreeing = True
        try:
            number = await agree(leg, self._entry.callback_number, self._entry.may_call)
        finally:
            self._agreeing = False
        if number:
            expires_s = self._entry.callback_expires_s
            self._desk.callbacks.take(self.entered, leg.call_id, number, self._entry.did, expires_s)

    # ---- the stay --------------------------------------------------------------------------------------------------

    async def stay(self) -> Outcome | None:
        """Wait until an agent is there, the caller chose a way out, or the queue let go; None: moved elsewhere."""
        leg = self.leg
        await leg.answer()
        leg.on_digit_pressed.append(self._pressed)
        self._sound.start(self._notice())
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                if self._exit is not None:
                    how, key = self._exit
                    return Key(key) if how == "key" else LEFT.get(how)
                if self._ringing is not None:
                    ringing, self._ringing = self._ringing, None
                    if (outcome := await self._talk(ringing)) is not None:
                        return outcome
        finally:
            self._sound.stop()
            if self._pressed in leg.on_digit_pressed:
                leg.on_digit_pressed.remove(self._pressed)

    def _notice(self) -> Sequence[str]:
        """Return what says that the call is recorded."""
        notice = self._entry.notice
        if notice is None:
            notice = self._spec.notice if (self._spec.record or "never") != "never" else ()
        return notice

    def _pressed(self, leg: Leg, digit: str) -> None:
        if self._agreeing:
            return
        rule = self._spec.callback
        if self._was_offered and rule is not None and digit == rule.key:
            self._agreeing = True
            while not leg.digits.empty():
                leg.digits.get_nowait()
            self._sound.say(self._agree)
        elif digit in self._spec.exit_keys:
            self._desk.feed(inputs.Left(entry_id=self.entered.entry_id, exit="key", key=digit))

    async def _talk(self, ringing: Ringing) -> Outcome | None:
        """Whisper to the agent, join both, and stay until one hangs up; None where the agent was gone before."""
        agent = ringing.answered
        assert agent is not None
        await self._sound.notice_over()
        self._sound.stop()
        if not await self._introduce(ringing.agent, agent):
            return None
        if agent.state is not LegState.UP or self._exit is not None:
            return None
        began = self._desk.calls.now
        self._desk.joined(ringing, self.leg.call_id, self.entered.entry_id)
        by = "system"
        try:
            async with self._entry.recording(self.leg, agent, ringing.agent):
                by = "agent" if await self.leg.bridge(agent) == "callee" else "caller"
        finally:
            if by == "system" and self.leg.kept:
                by = "transfer"
            elif by == "system" and self.leg.end is not None and self.leg.end.by == "peer":
                by = "caller"
            if agent.kept and agent.state is LegState.UP:
                self._goes_on(ringing.agent, agent, began)
            else:
                self._over(ringing.agent, agent, by, began)
                agent.hangup()
        if by == "agent" and self._spec.survey:
            spec = self._desk.config.surveys[self._spec.survey]
            await survey(self.leg, self._spec.survey, spec, ringing.agent, self._desk.emit)
        return Answered(f"agent/{ringing.agent}")

    async def _introduce(self, name: str, agent: Leg) -> bool:
        """Tell the agent what the queue whispers and the caller who serves them; False where the agent hung up."""
        spec = self._desk.config.agents.get(name)
        named = self._spec.announce is not None and self._spec.announce.agent_id
        number = spec.id if spec is not None and (named or spec.announce_id) else ""
        async with asyncio.TaskGroup() as both:
            if self._spec.whisper:
                both.create_task(self._whisper(agent))
            if number:
                both.create_task(_say_agent(self.leg, number))
        return agent.state is LegState.UP

    async def _whisper(self, agent: Leg) -> None:
        with suppress(CallEnded):
            await audio.play(agent, self._spec.whisper)

    def _goes_on(self, name: str, agent: Leg, began: float) -> None:
        """Who waited connected the agent with somebody else: the call is the agent's until that conversation ends."""

        def changed(leg: Leg) -> None:
            if leg.state is LegState.ENDED:
                leg.on_change.remove(changed)
                by_agent = leg.end is not None and leg.end.by == "peer"
                self._over(name, leg, "agent" if by_agent else "caller", began)

        agent.on_change.append(changed)

    def _over(self, name: str, agent: Leg, by: str, began: float) -> None:
        entry_id = self.entered.entry_id
        talk_ms = round((self._desk.calls.now - began) * 1000)
        self._desk.emit(
            ev.QueueServed(
                call_id=self.leg.call_id, entry_id=entry_id, queue=self.entered.queue, agent=name, by=by,
                talk_ms=talk_ms,
            )
        )  # fmt: skip
        self._desk.feed(inputs.CallOver(agent=name, entry_id=entry_id))

    def close(self) -> None:
        """Leave, however it came: hung up, or the system stops."""
        if self._exit is None:
            gone = self.leg.end is not None and self.leg.end.by == "peer"
            how = "abandoned" if gone else "lost"
            self._desk.feed(inputs.Left(entry_id=self.entered.entry_id, exit=how))
        self._desk.forget(self)
        while not self.leg.digits.empty():
            self.leg.digits.get_nowait()


async def _say_agent(leg: Leg, number: str) -> None:
    with suppress(CallEnded):
        await audio.play(leg, "agent-number")
        await audio.say(leg, number, "digits")


async def _say_position(leg: Leg, position: int) -> None:
    await audio.play(leg, "queue-position-before")
    await audio.say(leg, str(position), "position")
    await audio.play(leg, "queue-position-after")


async def _say_wait(leg: Leg, minutes: str) -> None:
    await audio.play(leg, "expected-wait")
    await audio.say(leg, minutes, "number")
    await audio.play(leg, "minutes")


class Sound:
    """What a waiting caller hears: the notice, then music, and announcements between."""

    def __init__(self, leg: Leg, music: str) -> None:
        self._leg = leg
        self._music = music
        self._say: deque[Callable[[Leg], Awaitable[object]]] = deque()
        self._wake = asyncio.Event()
        self._noticed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, notice: Sequence[str]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(notice), name="queue sound")

    def say(self, what: Callable[[Leg], Awaitable[object]]) -> None:
        """Speak between the music."""
        self._say.append(what)
        self._wake.set()

    async def notice_over(self) -> None:
        """Wait for the end of the notice: an agent who answers sooner waits too."""
        await self._noticed.wait()

    def stop(self) -> None:
        """Be silent within a frame."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
            if self._leg.media is not None and self._leg.state is not LegState.ENDED:
                self._leg.media.port.stop()

    async def _run(self, notice: Sequence[str]) -> None:
        """Never let a sound that cannot be played keep a caller from an agent."""
        try:
            if notice:
                await audio.play(self._leg, notice)
            self._noticed.set()
            while True:
                self._wake.clear()
                while self._say:
                    await self._say.popleft()(self._leg)
                if (clip := self._leg.clip(self._music)) is not None:
                    self._leg.port.play([clip], loop=True)
                await self._wake.wait()
        except CallEnded:
            pass
        except Exception:
            self._leg.log.exception("x the queue's sound failed")
        finally:
            self._noticed.set()
