"""A caller who stays silent reaches an end, from every entry.

Lists of steps are finite and attempts are counted, so only named blocks (routes, menus, flows) that lead to each other
in a circle can go on for ever. The walk follows every outcome that a silent caller can meet, and no key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pbx.config.config import Config
from pbx.config.dialplan import Route
from pbx.config.steps import (
    AgainStep,
    AttemptStep,
    Branches,
    CollectStep,
    ConferenceStep,
    DialStep,
    EchoStep,
    FlowStep,
    GotoStep,
    HangupStep,
    LookupStep,
    MenuStep,
    PlayStep,
    QueueStep,
    RecordPromptStep,
    RejectStep,
    RepeatStep,
    StepSpec,
    SuperviseStep,
    SwitchStep,
    VoicemailCheckStep,
    VoicemailStep,
    WhenStep,
)
from pbx.config.where import Finding, Where
from pbx.dialplan.checks.report import error, note, warning
from pbx.dialplan.routes import Routes
from pbx.dialplan.script import Script
from pbx.dialplan.walk import Steps, nested

Block = tuple[str, str, int]  # "route" context index, "menu" name 0, "flow" name 0

DIAL_OUTCOMES = ("busy", "no-answer", "unreachable", "declined")


@dataclass(frozen=True, slots=True)
class Ways:
    """How a list may be left: used up, by ``again``."""

    used_up: bool = False
    again: bool = False


@dataclass(slots=True)
class Lead:
    """Where a block leads a silent caller, and from which step."""

    leads: dict[Block, Where] = field(default_factory=dict)
    jumps: set[str] = field(default_factory=set)  # menus that take this menu's place
    used_up: bool = False


class Endings:
    """The graph of blocks, and who may return."""

    def __init__(self, config: Config, routes: Routes) -> None:
        self._config = config
        self._routes = routes
        self._may_return: set[Block] = set()
        self._indexes = {id(r): (n, i) for n, c in config.contexts.items() for i, r in enumerate(c.route)}
        self.blocks: dict[Block, Lead] = {}
        self.dead: dict[Where, Where] = {}  # steps that are never reached, and after what
        self._settle()

    def _settle(self) -> None:
        """Walk until no further block turns out to return."""
        while True:
            self.dead = {}
            before = len(self._may_return)
            for block, steps in self._lists():
                lead = Lead()
                ways = self._walk(steps, lead, in_menu=block[0] == "menu")
                lead.used_up = ways.used_up
                self.blocks[block] = lead
            for block, lead in self.blocks.items():
                jumped = any(("menu", menu, 0) in self._may_return for menu in lead.jumps)
                if lead.used_up or jumped:
                    self._may_return.add(block)
            if len(self._may_return) == before:
                break
        for menu in self._config.menus.values():
            for choice in menu.keys.values():
                self._walk(choice.do, Lead(), in_menu=True)  # for steps that are never reached

    def _lists(self) -> Iterator[tuple[Block, Steps]]:
        for name, context in self._config.contexts.items():
            for index, route in enumerate(context.route):
                yield ("route", name, index), route.do
        for name, menu in self._config.menus.items():
            yield ("menu", name, 0), menu.exhausted
        for name, flow in self._config.flows.items():
            yield ("flow", name, 0), flow.do

    def _walk(self, steps: Steps, lead: Lead, *, in_menu: bool) -> Ways:
        again = False
        for index, step in enumerate(steps):
            ways = self._step(step, lead, in_menu=in_menu)
            again = again or ways.again
            if not ways.used_up:
                if index + 1 < len(steps):
                    self.dead[steps[index + 1].where] = step.where
                return Ways(False, again)
        return Ways(True, again)

    def _step(self, step: StepSpec, lead: Lead, *, in_menu: bool) -> Ways:
        match step:
            case HangupStep() | RejectStep() | EchoStep():
                return Ways()
            case PlayStep() if step.loop:
                return Ways()
            case AgainStep():
                return Ways(again=True)
            case RepeatStep():
                return Ways()
            case MenuStep():
                return self._menu(step, lead, in_menu=in_menu)
            case FlowStep():
                block = ("flow", step.flow, 0)
                lead.leads.setdefault(block, step.where)
                return Ways(block in self._may_return)
            case GotoStep():
                for route in self._goto(step):
                    name, index = self._indexes[id(route)]
                    lead.leads.setdefault(("route", name, index), step.where)
                return Ways()
            case AttemptStep():
                inner = self._walk(step.do, lead, in_menu=in_menu)
                last = self._walk(step.exhausted, lead, in_menu=in_menu) if inner.again else Ways()
                return Ways(inner.used_up or last.used_up, last.again)
        return self._outcomes(step, lead, in_menu=in_menu)

    def _menu(self, step: MenuStep, lead: Lead, *, in_menu: bool) -> Ways:
        block = ("menu", step.menu, 0)
        lead.leads.setdefault(block, step.where)
        if in_menu:
            lead.jumps.add(step.menu)
            return Ways()
        return Ways(block in self._may_return)

    def _goto(self, step: GotoStep) -> Iterator[Route]:
        if step.number and "{" not in step.number:
            found = next(self._routes.find(step.goto, step.number, step.number), None)
            matches = self._routes.find(step.goto, step.number, step.number)
            for match in matches if found is not None else ():
                yield match.route
                if not match.route.when:
                    return
            return
        for name in self._routes.reach(step.goto):
            yield from self._config.contexts[name].route

    def _outcomes(self, step: StepSpec, lead: Lead, *, in_menu: bool) -> Ways:
        """Follow every outcome that a step may have; an outcome without a branch goes on to the next step."""
        queue_on = self._queue_on(step)
        used_up = again = False
        followed: set[int] = set()
        for outcome in outcomes_of(self._config, step):
            if outcome == "then" and isinstance(step, WhenStep):
                branch: Steps | None = step.then
            elif outcome == "next":
                branch = None
            else:
                branch = Script.branch_of(step, (outcome,), queue_on)
            if branch is None:
                used_up = True
            elif id(branch) not in followed:
                followed.add(id(branch))
                ways = self._walk(branch, lead, in_menu=in_menu)
                used_up = used_up or ways.used_up
                again = again or ways.again
        return Ways(used_up, again)

    def _queue_on(self, step: StepSpec) -> Branches | None:
        spec = self._config.queues.get(step.queue) if isinstance(step, QueueStep) else None
        return spec.on if spec is not None else None

    # ---- what is told ----------------------------------------------------------------------------------------------

    def circles(self) -> Iterator[tuple[list[Block], Where]]:
        """Yield every circle once, with the step that closes it."""
        state: dict[Block, int] = {}
        for start in self.blocks:
            if start in state:
                continue
            path: list[Block] = [start]
            waiting = [iter(self.blocks[start].leads.items())]
            state[start] = 1
            while waiting:
                following = next(waiting[-1], None)
                if following is None:
                    waiting.pop()
                    state[path.pop()] = 2
                    continue
                block, where = following
                if state.get(block) == 1:
                    yield path[path.index(block) :], where
                elif block in self.blocks and block not in state:
                    state[block] = 1
                    path.append(block)
                    waiting.append(iter(self.blocks[block].leads.items()))


def outcomes_of(config: Config, step: StepSpec) -> tuple[str, ...]:
    """Return what a step may come to for a silent caller; "next" is to be used up, "then" a condition that holds."""
    match step:
        case WhenStep():
            return ("then", "else")
        case DialStep():
            return DIAL_OUTCOMES
        case QueueStep():
            spec = config.queues.get(step.queue)
            closed = ("closed",) if spec is None or spec.hours else ()
            return ("timeout", "full", "no-agents", *closed)
        case VoicemailStep():
            return ("full", "unreachable") if "{" in step.voicemail else ("full",)
        case VoicemailCheckStep():
            return ("timeout", "unreachable", "next")
        case CollectStep():
            return ("timeout",)
        case ConferenceStep():
            return ("full", "timeout") if step.max or step.pin or _is_limited(config, step) else ()
        case LookupStep():
            lookup = config.lookups.get(step.lookup)
            declared = lookup.outcome.values if lookup is not None and lookup.outcome is not None else ("ok",)
            return (*declared, "error")
        case RecordPromptStep():
            return ("timeout", "error", "next")
        case SuperviseStep():
            return ("declined", "unreachable")
        case SwitchStep():
            return ("declined", "next")
    return ("next",)


def _is_limited(config: Config, step: ConferenceStep) -> bool:
    spec = config.conferences.get(step.conference)
    return "{" in step.conference or (spec is not None and bool(spec.max or spec.pin))


def endings(config: Config, graph: Endings) -> Iterator[Finding]:
    """Find circles, steps that are never reached, and words that stand where they mean nothing."""
    for circle, where in graph.circles():
        way = " → ".join(_shown(block) for block in [*circle, circle[0]])
        yield error(
            where,
            f"a caller who stays silent goes round for ever: {way}",
            "let one of them end elsewhere: a queue, voicemail, hangup",
        )
    for dead, after in graph.dead.items():
        yield warning(dead, f"this step is never reached: the one at {after} does not return", "drop it, or move it up")
    yield from _misplaced(config)
    yield from _endless(config)


def _shown(block: Block) -> str:
    return f"{'context' if block[0] == 'route' else block[0]} {block[1]}"


def _misplaced(config: Config) -> Iterator[Finding]:
    for context in config.contexts.values():
        for route in context.route:
            yield from _loose(route.do, in_attempt=False, in_key=False)
    for flow in config.flows.values():
        yield from _loose(flow.do, in_attempt=False, in_key=False)
    for menu in config.menus.values():
        for choice in menu.keys.values():
            yield from _loose(choice.do, in_attempt=False, in_key=True)
        yield from _loose(menu.exhausted, in_attempt=False, in_key=False)
    for queue in config.queues.values():
        for name in Branches.model_fields:
            steps = getattr(queue.on, name, None) if queue.on is not None else None
            yield from _loose(steps or (), in_attempt=False, in_key=False)


def _loose(steps: Steps, *, in_attempt: bool, in_key: bool) -> Iterator[Finding]:
    for step in steps:
        if isinstance(step, AgainStep) and not in_attempt:
            yield error(step.where, "again stands outside of an attempt", "write { attempt = 3, do = [ … ] } around it")
        if isinstance(step, RepeatStep) and not in_key:
            yield error(
                step.where, "repeat stands outside of a menu's keys", "only a key may start a menu anew; use attempt"
            )
        for word, inner in nested(step):
            inside = in_attempt or (isinstance(step, AttemptStep) and word == "do")
            yield from _loose(inner, in_attempt=inside, in_key=in_key)


ENDLESS: tuple[tuple[type[StepSpec], Callable[[StepSpec], bool], str], ...] = (
    (EchoStep, lambda step: True, "echo"),
    (ConferenceStep, lambda step: True, "conference"),
    (PlayStep, lambda step: isinstance(step, PlayStep) and step.loop, "loop"),
)


def _endless(config: Config) -> Iterator[Finding]:
    """Mention what lasts until somebody hangs up."""
    from pbx.dialplan.walk import every_step, lists_of

    for _, steps in lists_of(config):
        for step in every_step(steps):
            for spec, is_meant, word in ENDLESS:
                if isinstance(step, spec) and is_meant(step):
                    yield note(step.where, f"{word} lasts until the caller hangs up")


def exits(config: Config) -> Iterator[Finding]:
    """Find queues whose exits lead nowhere."""
    from pbx.dialplan.walk import every_step, lists_of

    told: set[tuple[str, str]] = set()
    for _, steps in lists_of(config):
        for step in every_step(steps):
            if not isinstance(step, QueueStep) or step.queue not in config.queues:
                continue
            spec = config.queues[step.queue]
            for outcome in outcomes_of(config, step):
                missing = Script.branch_of(step, (outcome,), spec.on) is None
                if missing and not _followed(steps, step) and (step.queue, outcome) not in told:
                    told.add((step.queue, outcome))
                    yield warning(
                        step.where,
                        f"queue {step.queue} has no way on for {outcome}: the caller is cut off",
                        f"write on = {{ {outcome} = [ … ] }} in [queues.{step.queue}], queue-defaults or this step",
                    )


def _followed(steps: Steps, wanted: StepSpec) -> bool:
    """Say whether another step stands after *wanted* in its own list or around it."""
    for index, step in enumerate(steps):
        if step is wanted:
            return index + 1 < len(steps)
        for _, inner in nested(step):
            if any(found is wanted for found in _all(inner)):
                return _followed(inner, wanted) or index + 1 < len(steps)
    return False


def _all(steps: Steps) -> Iterator[StepSpec]:
    for step in steps:
        yield step
        for _, inner in nested(step):
            yield from _all(inner)
