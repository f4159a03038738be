"""The core: inputs and a time in, outputs out; the same for live calls, `pbx test` and the simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pbx.acd import inputs, line, offers, roster
from pbx.acd.agent import Agent, AgentSpec
from pbx.acd.floor import Floor
from pbx.acd.match import match
from pbx.acd.outputs import Output
from pbx.acd.queue import Entry, Queue
from pbx.acd.reconfigure import configured
from pbx.acd.strategy import Random
from pbx.config.queues import Queue as QueueSpec

HANDLERS: dict[type[inputs.Input], Callable[[Floor, Any], None]] = {
    inputs.Joined: line.joined,
    inputs.Left: line.left,
    inputs.Prioritised: line.prioritised,
    inputs.OfferRang: offers.rang,
    inputs.OfferAnswered: offers.answered,
    inputs.OfferJoined: offers.joined,
    inputs.OfferFailed: offers.failed,
    inputs.CallOver: roster.call_over,
    inputs.CallbackTaken: line.callback_taken,
    inputs.CallbackRestored: line.callback_restored,
    inputs.CallbackTried: line.callback_tried,
    inputs.CallbackCancelled: line.callback_cancelled,
    inputs.LoggedIn: roster.logged_in,
    inputs.LoggedOut: roster.logged_out,
    inputs.Paused: roster.paused,
    inputs.Ready: roster.ready,
    inputs.WrapUpExtended: roster.wrap_up_extended,
    inputs.OtherCalls: roster.other_calls,
    inputs.Reachable: roster.reachable,
    inputs.MemberSet: roster.member_set,
    inputs.SkillSet: roster.skill_set,
    inputs.HoursChanged: line.hours_changed,
    inputs.Configured: configured,
    inputs.DayBegan: roster.day_began,
    inputs.TimePassed: lambda floor, what: None,
}

ENTRY_TIMERS: dict[str, Callable[[Floor, Entry], None]] = {
    "max-wait": line.overdue,
    "waiting": line.waited,
    "hold": line.release,
    "announce": line.announce,
    "callback-offer": line.offer_callback,
    "retry": line.retry,
    "step": line.ask_more,
    "bar": line.unbar,
    "expire": line.expired,
}
OFFER_TIMERS = {"setup": offers.never_rang, "ring": offers.timed_out}
AGENT_TIMERS: dict[str, Callable[[Floor, Agent], None]] = {
    "wrap-up": lambda floor, agent: roster.settle(floor, agent, "wrap-up over"),
    "rest": roster.rested,
    "unreachable": lambda floor, agent: roster.logged_out(
        floor, inputs.LoggedOut(agent=agent.name, cause="unreachable")
    ),
}


class Core:
    """One call centre. *random* is drawn from by the strategies that draw, and by nothing else.

    Offers are numbered; *name* stands in each of their names and tells one run's from another's.
    """

    def __init__(
        self, queues: Mapping[str, QueueSpec], agents: Mapping[str, AgentSpec], random: Random, name: str = ""
    ) -> None:
        self._floor = Floor(random, name)
        self._floor.configure(queues, agents)

    @property
    def deadline(self) -> float | None:
        """The next instant at which :class:`TimePassed` must be handled, if nothing comes before."""
        return self._floor.timers.deadline

    def handle(self, what: inputs.Input, now: float) -> None:
        """Take an input at *now* (monotonic seconds, never going back), after what was due before it."""
        floor = self._floor
        floor.now = now
        for timer, whom in floor.timers.due(now):
            self._fire(timer, whom)
        match(floor)
        HANDLERS[type(what)](floor, what)
        match(floor)

    def handle_timer(self, now: float) -> None:
        """Do what is due at *now*."""
        self.handle(inputs.TimePassed(), now)

    def outputs(self) -> list[Output]:
        """Take what is to be done, in order."""
        taken, self._floor.out = self._floor.out, []
        return taken

    def _fire(self, timer: str, whom: str) -> None:
        floor = self._floor
        if timer in ENTRY_TIMERS:
            if (entry := floor.entries.get(whom)) is not None:
                ENTRY_TIMERS[timer](floor, entry)
        elif timer in OFFER_TIMERS:
            if (offer := floor.offers.get(whom)) is not None:
                OFFER_TIMERS[timer](floor, offer)
        elif timer in AGENT_TIMERS:
            AGENT_TIMERS[timer](floor, floor.agents[whom])
        else:
            line.emptied(floor, floor.queues[whom])

    # ---- for whoever looks -----------------------------------------------------------------------------------------

    @property
    def agents(self) -> Mapping[str, Agent]:
        return self._floor.agents

    @property
    def queues(self) -> Mapping[str, Queue]:
        return self._floor.queues

    @property
    def entries(self) -> Mapping[str, Entry]:
        """Who waits, callbacks included."""
        return self._floor.entries

    def position(self, entry_id: str) -> int:
        """Return a waiting caller's place, 1 being next.

        :raises KeyError: for an entry that is not here.
        """
        entry = self._floor.entries[entry_id]
        return entry.queue.position(entry, self._floor.now)

    def promises(self, queue: str) -> tuple[int, int]:
        """Return how many announced waits held, and how many did not."""
        waits = self._floor.waits[queue]
        return waits.kept, waits.broken
