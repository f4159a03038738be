"""The interpreter: steps become calls of applications and of the leg's verbs; outcomes choose the next step."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from pbx import events as ev
from pbx.apps import outcome as out
from pbx.call.contract import Refusal
from pbx.call.leg import Leg
from pbx.config.steps import Branches, StepSpec
from pbx.dialplan.values import fill
from pbx.dialplan.variables import Variables
from pbx.errors import CallFailed, NoAnswer, PbxError

if TYPE_CHECKING:
    from pbx.dialplan.router import Dialplan

MOST_STEPS = 20_000  # of one call: a loop that a silent caller could not leave is refused at check

OUTCOME_WORDS: dict[type, str] = {
    out.TimedOut: "timeout",
    out.Full: "full",
    out.Closed: "closed",
    out.NoAgents: "no-agents",
    out.Unreachable: "unreachable",
    out.Key: "key",
}


class Finished(Exception):
    """The script ended in order: nothing after this step runs."""


class Again(Exception):
    """``again``: the next attempt of the innermost ``attempt``."""


class Repeat(Exception):
    """``repeat``: the menu starts anew."""


class ToMenu(Exception):
    """A menu step inside a menu: jump, do not return."""

    def __init__(self, menu: str) -> None:
        super().__init__(menu)
        self.menu = menu


class ToContext(Exception):
    """``goto``: the steps of another route take over."""

    def __init__(self, steps: Sequence[StepSpec]) -> None:
        super().__init__()
        self.steps = steps


class NotBuilt(PbxError):
    """A step that the types know and nothing runs yet."""

    status = 501
    reason = "not-built"


class Script:
    """The run of one call's steps."""

    def __init__(self, plan: Dialplan, leg: Leg, values: Variables, context: str) -> None:
        self.plan = plan
        self.leg = leg
        self.values = values
        self.context = context
        self.in_menu = False  # a menu step here jumps
        self.failure: CallFailed | None = None  # the last attempt's: its status is the call's
        self.needs: dict[str, int] = {}
        self.firm_needs: set[str] = set()  # never relaxed
        self.priority = 0
        self.queued = False  # has been in a queue: the next one is an overflow
        self.transferred_by = ""  # endpoint/1001: a call that was sent here by somebody
        self._steps = 0
        values.set("call", leg.call_id)

    async def run(self, steps: Sequence[StepSpec]) -> None:
        """Run to the end.

        :raises CallFailed: with the last attempt's failure, where nothing answered the call.
        """
        while True:
            try:
                await self.run_list(steps)
            except ToContext as jump:
                steps = jump.steps
                self.in_menu = False
                continue
            except Finished:
                return
            break
        if self.failure is not None:
            raise self.failure

    async def run_list(self, steps: Sequence[StepSpec]) -> None:
        """Run a list of steps; returns when it is used up."""
        for step in steps:
            self._steps += 1
            if self._steps > MOST_STEPS:
                raise PbxError(f"{step.where}: the script goes round in circles")
            runner = RUNNERS.get(type(step))
            if runner is None:
                raise NotBuilt(f"{step.where}: {type(step).__name__} is not built yet")
            await runner(self, step)

    @property
    def record(self) -> str:
        """What a record step said; it stays with the call through transfers."""
        return str(self.leg.variables.get("record", ""))

    def parked_in_vain(self, outcome: out.Outcome) -> None:
        """End a call that nobody fetched.

        :raises CallFailed: where no place was free: who transferred gets it back.
        """
        if isinstance(outcome, out.Full):
            raise NoAnswer("every place for parked calls is taken")

    # ---- what steps use --------------------------------------------------------------------------------------------

    def fill(self, text: str) -> str:
        return fill(text, self.values)

    def fill_all(self, texts: Sequence[str]) -> list[str]:
        return [self.fill(text) for text in texts]

    def tell(self, words: str, step: StepSpec | None = None, *, began: bool = False) -> None:
        """Put words into the trace; *step* is the one that they belong to, where it has not been told yet."""
        where = str(step.where) if step is not None else ""
        self.emit(ev.StepRan(call_id=self.leg.call_id, leg_id=self.leg.leg_id, step=words, where=where, began=began))
        if words:
            self.leg.log.info("- %s", words)

    def emit(self, event: ev.Event) -> None:
        self.plan.equipment.emit(event)

    async def branch(self, step: StepSpec, *outcomes: str, queue_on: Branches | None = None) -> None:
        """Run the branch of the first of *outcomes* that has one: the step's before the queue's, else last."""
        chosen = self.branch_of(step, outcomes, queue_on)
        if chosen is not None:
            await self.run_list(chosen)

    @staticmethod
    def branch_of(
        step: StepSpec, outcomes: Sequence[str], queue_on: Branches | None = None
    ) -> Sequence[StepSpec] | None:
        if step.on is None and queue_on is None:
            return step.else_
        for on in (step.on, queue_on):
            for outcome in outcomes:
                found = _named(on, outcome)
                if found is not None:
                    return found
        return next((e for e in (_named(step.on, "else"), step.else_, _named(queue_on, "else")) if e is not None), None)

    async def follow(self, step: StepSpec, outcome: out.Outcome, queue_on: Branches | None = None) -> None:
        """Do what an application's outcome means to the script."""
        if isinstance(outcome, out.Answered | out.LeftMessage | out.Promised):
            raise Finished
        word = OUTCOME_WORDS.get(type(outcome))
        if word is not None:
            await self.branch(step, word, queue_on=queue_on)

    def goto(self, context: str, number: str) -> ToContext:
        """Prepare a jump; where no route is found, or none is allowed, the call is rejected."""
        found = self.plan.choose(context, number, self.values)
        if isinstance(found, Refusal):
            self.leg.log.info("x goto %s %s: %d", context, number, found.status)
            if self.leg.answered_at is None:
                self.leg.reject(found.status)
            raise Finished
        self.values.take_match(found)
        self.context = context
        return ToContext(found.route.do)


def _named(on: Branches | dict[str, Any] | None, outcome: str) -> Sequence[StepSpec] | None:
    if on is None:
        return None
    if isinstance(on, dict):
        return on.get(outcome)
    return getattr(on, outcome.replace("-", "_") if outcome != "else" else "else_", None)


Runner = Callable[[Script, Any], Coroutine[Any, Any, None]]
RUNNERS: dict[type[StepSpec], Runner] = {}


def runs(spec: type[StepSpec]) -> Callable[[Runner], Runner]:
    """Register what runs a kind of step."""

    def register(runner: Runner) -> Runner:
        RUNNERS[spec] = runner
        return runner

    return register
