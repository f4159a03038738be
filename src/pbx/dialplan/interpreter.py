"""Steps become calls of the leg's verbs; outcomes choose the next step."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from pbx.call.leg import Leg
from pbx.config.config import Config
from pbx.config.steps import AnswerStep, DialStep, EchoStep, HangupStep, RejectStep, RingStep, StepSpec
from pbx.errors import Busy, CallFailed, Declined, NoAnswer, PbxError, Unreachable

_VARIABLE = re.compile(r"\{([\w.\-]+)\}")
HANGUP_STATUSES = {"busy": 486, "congestion": 503, "normal": 480}


class Finished(Exception):
    """The script ended in order: nothing after this step runs."""


class NotBuilt(PbxError):
    """A step that the types know and nothing runs yet."""

    status = 501
    reason = "not-built"


class Interpreter:
    """Run the steps of one call."""

    def __init__(self, config: Config, leg: Leg, values: Mapping[str, str]) -> None:
        self._config = config
        self._leg = leg
        self._values = dict(values)
        self._failure: CallFailed | None = None

    async def run(self, steps: Sequence[StepSpec]) -> None:
        """Run a list to its end."""
        self._failure = None
        try:
            await self._list(steps)
        except Finished:
            return
        if self._failure is not None:
            raise self._failure  # the last attempt's status is the call's

    async def _list(self, steps: Sequence[StepSpec]) -> None:
        for step in steps:
            run = RUNNERS.get(type(step))
            if run is None:
                raise NotBuilt(f"{step.where}: {type(step).__name__} is not built yet")
            await run(self, step)

    def fill(self, text: str) -> str:
        """Put the values in."""
        return _VARIABLE.sub(lambda match: self._values.get(match.group(1), ""), text)

    async def _branch(self, step: StepSpec, outcome: str) -> None:
        on = step.on
        chosen = getattr(on, outcome.replace("-", "_"), None) if on is not None else None
        if chosen is None:
            chosen = on.else_ if on is not None and on.else_ is not None else step.else_
        if chosen is not None:
            await self._list(chosen)

    async def _answer(self, step: AnswerStep) -> None:
        await self._leg.answer()

    async def _ring(self, step: RingStep) -> None:
        self._leg.ring()

    async def _echo(self, step: EchoStep) -> None:
        await self._leg.echo()

    async def _hangup(self, step: HangupStep) -> None:
        cause = step.hangup if isinstance(step.hangup, str) else "normal"
        status = int(cause) if cause.isdigit() else HANGUP_STATUSES.get(cause, 480)
        self._leg.reject(status)
        raise Finished

    async def _reject(self, step: RejectStep) -> None:
        self._leg.reject(step.reject)
        raise Finished

    async def _dial(self, step: DialStep) -> None:
        targets = [self.fill(target) for target in step.dial]
        inside = all(target.startswith(("endpoint/", "agent/", "group/")) for target in targets)
        ring_s = step.ring_s or (25.0 if inside else 60.0)
        try:
            dial = self._leg.dial(targets, ring_s=ring_s, order=step.order, number=self.fill(step.number))
            async with dial as winner:
                await self._leg.bridge(winner)
        except CallFailed as error:
            if not isinstance(error, NoAnswer | Busy | Declined | Unreachable):
                raise
            self._leg.log.info("x %s: %s", " ".join(targets), error.reason)
            self._failure = error
            await self._branch(step, error.reason)
            return
        raise Finished


RUNNERS: dict[type[StepSpec], Callable[[Interpreter, Any], Coroutine[Any, Any, None]]] = {
    AnswerStep: Interpreter._answer,
    RingStep: Interpreter._ring,
    EchoStep: Interpreter._echo,
    HangupStep: Interpreter._hangup,
    RejectStep: Interpreter._reject,
    DialStep: Interpreter._dial,
}
