"""The dial race: ring several, the first to answer wins, the others are told that the call was completed elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from pbx.call import audio
from pbx.call.leg import ELSEWHERE, Leg, LegState
from pbx.errors import Busy, CallFailed, Declined, NoAnswer, Unreachable, failure_of
from pbx.signaling.contract import Destination

if TYPE_CHECKING:
    from pbx.call.calls import Calls

ASK = ("press-to-accept",)  # what whoever must confirm is told
CONFIRM_TRIES = 3
CONFIRM_WAIT_S = 5.0
FAILOVER_STATUSES = frozenset({408})  # and every 5xx: the trunk's trouble, not the called number's


class Dial:
    """``async with leg.dial(...) as winner``: who dials, hangs up."""

    def __init__(
        self,
        calls: Calls,
        caller_leg: Leg,
        targets: Sequence[str],
        *,
        order: str,
        ring_s: float,
        number: str,
        caller: str,
        confirm: str = "",
        whisper: Sequence[str] = (),
        ask: Sequence[str] = ASK,
    ) -> None:
        self._calls = calls
        self._leg = caller_leg
        self._targets = targets
        self._order = order
        self._ring_s = ring_s
        self._number = number
        self._caller = caller
        self._confirm = confirm
        self._whisper = whisper
        self._ask = ask
        self._confirming: list[asyncio.Task[None]] = []
        self._asked: list[Leg] = []
        self._legs: list[Leg] = []
        self._winner: Leg | None = None
        self._over: asyncio.Future[None] | None = None  # somebody answered, or nobody is left; while it rings

    async def __aenter__(self) -> Leg:
        """Ring and return who answered.

        :raises CallFailed: when nobody did.
        """
        self._leg._must_live()
        try:
            if self._order == "all":
                return await self._ring(self._targets)
            failure: CallFailed = Unreachable("no target")
            for target in self._targets:
                try:
                    return await self._ring([target])
                except CallFailed as error:
                    failure = error
                    if self._order == "failover" and not worth_another(error):
                        raise
            raise failure
        except BaseException:
            self._give_up("")
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._winner is not None and not self._winner.kept:
            self._winner.hangup()

    async def _ring(self, targets: Sequence[str]) -> Leg:
        destinations, refusals = self._resolve(targets)
        if not destinations:
            raise refusals[-1] if refusals else Unreachable("nobody to ring")
        self._legs = []
        for destination in destinations:
            leg = self._calls.ring_out(self._leg, destination, self._changed)
            leg.may_be_picked_up = not self._confirm
            self._legs.append(leg)
        try:
            async with asyncio.timeout(self._ring_s):
                await self._decided()
        except TimeoutError:
            await self._last_confirmations()
            if self._winner is None:
                self._give_up("")
                raise self._silence() from None
        if self._winner is None:
            raise self._verdict(refusals)
        if self._whisper and not self._confirm:
            await self._whisper_to(self._winner)
        return self._winner

    def _silence(self) -> CallFailed:
        """Tell a phone that rang from one that never said a word: only the second is worth another way."""
        if any(leg.rang or leg.answered_at is not None for leg in self._legs):
            return NoAnswer(f"no answer within {self._ring_s:g} s")
        return Unreachable(f"no reply within {self._ring_s:g} s", status=408)

    # ---- what is heard by who answers ------------------------------------------------------------------------------

    async def _whisper_to(self, leg: Leg) -> None:
        async with leg.until_hangup():
            await audio.play(leg, self._whisper)
        if leg.state is LegState.ENDED:
            raise NoAnswer("hung up before the caller was joined")

    async def _ask_to_confirm(self, leg: Leg) -> None:
        """Let a person press the key; a mailbox that answered does not."""
        async with leg.until_hangup():
            for _ in range(CONFIRM_TRIES):
                if await audio.ask(leg, [*self._whisper, *self._ask], self._confirm, CONFIRM_WAIT_S):
                    self._win(leg)
                    return
        leg.hangup("no-answer")

    async def _last_confirmations(self) -> None:
        """The time to ring is over: who has answered may still press the key."""
        for leg in self._legs:
            if leg.state in (LegState.NEW, LegState.RINGING):
                leg.hangup("no-answer")
        if self._confirming:
            await asyncio.wait(self._confirming)

    def _resolve(self, targets: Sequence[str]) -> tuple[list[Destination], list[CallFailed]]:
        destinations: list[Destination] = []
        refusals: list[CallFailed] = []
        for target in targets:
            try:
                destinations += self._calls.targets.resolve(target, self._leg, number=self._number, caller=self._caller)
            except CallFailed as error:
                refusals.append(error)
        return destinations, refusals

    def _changed(self, leg: Leg) -> None:
        """Hear of every change of every leg that rings."""
        if leg.state is LegState.UP:
            if self._winner is None and self._confirm:
                if leg not in self._asked:
                    self._asked.append(leg)
                    task = asyncio.get_running_loop().create_task(self._ask_to_confirm(leg))
                    self._confirming.append(task)
            elif self._winner is None:
                self._win(leg)
            elif leg is not self._winner:
                leg.hangup("cancelled", ELSEWHERE)  # answered in the same breath
        elif leg.state is LegState.RINGING:
            if self._leg.state is LegState.NEW:
                self._leg.ring()
        elif leg.state is LegState.ENDED and self._winner is None and self._all_ended():
            self._decide()

    async def _decided(self) -> None:
        """Wait until somebody answered or nobody is left."""
        if self._winner is None and not self._all_ended():
            self._over = asyncio.get_running_loop().create_future()
            await self._over
            self._over = None

    def _decide(self) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _all_ended(self) -> bool:
        return all(leg.state is LegState.ENDED for leg in self._legs)

    def _win(self, leg: Leg) -> None:
        if self._winner is not None:
            return
        self._winner = leg
        leg.on_change.remove(self._changed)
        self._give_up(ELSEWHERE)
        self._decide()

    def _give_up(self, reason: str) -> None:
        for task in self._confirming:
            if task is not asyncio.current_task():
                task.cancel()
        for leg in self._legs:
            if leg is not self._winner and leg.state is not LegState.ENDED:
                leg.hangup("cancelled" if reason or self._leg.state is LegState.ENDED else "no-answer", reason)

    def _verdict(self, refusals: list[CallFailed]) -> CallFailed:
        """Say what became of several: busy, declined or unreachable only if all are, else no answer."""
        failures = list(refusals)
        for leg in self._legs:
            if leg.end is not None:
                answered = leg.answered_at is not None  # and not confirmed
                failures.append(NoAnswer() if answered else failure_of(leg.end.status, rang=leg.rang))
                failures[-1].moved_to = leg.moved_to
        for kind in (Busy, Declined, Unreachable):
            if all(isinstance(failure, kind) for failure in failures):
                return failures[-1]
        return failures[-1] if len(failures) == 1 else NoAnswer("nobody answered")


def worth_another(error: CallFailed) -> bool:
    """Rule 6 of the language: go on after no reply, 408, 5xx and a full trunk; never after 404, 486, 600, 603."""
    return error.status in FAILOVER_STATUSES or 500 <= error.status < 600 or error.reason == "trunk-full"
