"""Changes that end by themselves: a skill, a tier, a pause or a log-in "until 18:00", kept over a restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass

import orjson

from pbx.apps.desk import Desk
from pbx.apps.desk_store import Texts
from pbx.errors import PbxError

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 3600.0  # the wall clock may jump: it is asked again at least this often


@dataclass(frozen=True, slots=True)
class Undo:
    """What an end brings back."""

    at: float  # wall clock
    what: str  # skill, member, pause, login
    agent: str
    name: str = ""  # the skill or the queue
    value: int | None = None  # the level or the tier that was; None: no member


class Timed:
    """The ends that are still to come."""

    def __init__(self, desk: Desk, texts: Texts, wall: Callable[[], float]) -> None:
        self._desk = desk
        self._texts = texts
        self._wall = wall
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.pending: dict[str, Undo] = {}

    def start(self) -> None:
        """Take up what a run before promised; what is overdue ends now."""
        for key, text in self._texts.load().items():
            if text:
                self.pending[key] = Undo(**orjson.loads(text))
        self._look()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def skill(self, agent: str, skill: str, level: int, until: float, *, by: str) -> None:
        """Give an agent a level until an instant of the wall clock.

        :raises PbxError: for an unknown agent, a level that is none, or an instant that is over.
        """
        self._must_come(until)
        before = self._desk.agent(agent).skills.get(skill, 0)
        self._desk.set_skill(agent, skill, level, by=by)
        self._promise(Undo(until, "skill", agent, skill, before))

    def member(self, agent: str, queue: str, tier: int | None, until: float, *, by: str) -> None:
        """Make an agent a member of a queue, or none, until an instant.

        :raises PbxError: for an unknown agent or queue, or an instant that is over.
        """
        self._must_come(until)
        member = self._desk.agent(agent).members.get(queue)
        self._desk.set_membership(agent, queue, tier, by=by)
        self._promise(Undo(until, "member", agent, queue, member.tier if member is not None else None))

    def pause(self, agent: str, reason: str, until: float, *, by: str) -> None:
        """Pause an agent until an instant.

        :raises PbxError: for an unknown agent, or an instant that is over.
        """
        self._must_come(until)
        self._desk.pause(agent, reason, by=by)
        self._promise(Undo(until, "pause", agent))

    def login(self, agent: str, seat: str, until: float, *, by: str) -> None:
        """Log an agent in until an instant.

        :raises PbxError: for an unknown agent, or an instant that is over.
        """
        self._must_come(until)
        self._desk.login(agent, seat, by=by)
        self._promise(Undo(until, "login", agent))

    def settled(self, what: str, agent: str, name: str = "") -> None:
        """Forget an end, because the same thing was set for good."""
        key = f"{what}/{agent}/{name}"
        if self.pending.pop(key, None) is not None:
            self._texts.save(key, "")

    def _must_come(self, until: float) -> None:
        if until <= self._wall():
            raise PbxError("that instant is over: give a later one")

    def _promise(self, undo: Undo) -> None:
        key = f"{undo.what}/{undo.agent}/{undo.name}"
        if (earlier := self.pending.get(key)) is not None:  # what was before the first change counts
            undo = Undo(undo.at, undo.what, undo.agent, undo.name, earlier.value)
        self.pending[key] = undo
        self._texts.save(key, orjson.dumps(asdict(undo)).decode())
        self._look()

    def _look(self) -> None:
        """Undo what is due and sleep until the next end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._wall()
        for key, undo in sorted(self.pending.items(), key=lambda item: item[1].at):
            if undo.at <= now:
                del self.pending[key]
                self._texts.save(key, "")
                self._undo(undo)
        if self.pending:
            wait_s = min(undo.at for undo in self.pending.values()) - now
            self._timer = self._loop.call_later(min(wait_s, LONGEST_WAIT_S), self._look)

    def _undo(self, undo: Undo) -> None:
        try:
            if undo.what == "skill":
                self._desk.set_skill(undo.agent, undo.name, undo.value or 0, by="time")
            elif undo.what == "member":
                self._desk.set_membership(undo.agent, undo.name, undo.value, by="time")
            elif undo.what == "pause":
                self._desk.ready(undo.agent, by="time")
            else:
                self._desk.logout(undo.agent, by="time")
        except PbxError as error:  # the agent or the queue left the configuration
            log.warning("%s of %s has ended, but: %s", undo.what, undo.agent, error)
