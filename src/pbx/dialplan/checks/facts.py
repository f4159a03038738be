"""Variables and proofs: what is known for certain where a step runs.

A forward analysis: every named block (route, menu, flow) begins with what all its callers know; a list hands on what
is known after each step, branches meet in what both know. Facts stand beside variables: ``requires = "verified"``
asks for one, ``set = { verified = true }`` makes it, and so does the branch of a condition that says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pbx.config.condition import (
    NUMBER,
    TEXT,
    TRUTH,
    ConditionError,
    Kind,
    Literal,
    Name,
    Node,
    Operation,
    Type,
    compile_condition,
)
from pbx.config.config import Config
from pbx.config.dialplan import Flow, Lookup, Route
from pbx.config.steps import (
    AttemptStep,
    CollectStep,
    FlowStep,
    GotoStep,
    LookupStep,
    MenuStep,
    QueueStep,
    SetStep,
    StepSpec,
    WhenStep,
)
from pbx.config.where import Finding, Where
from pbx.dialplan.checks.endings import Endings, outcomes_of
from pbx.dialplan.checks.report import error, unknown
from pbx.dialplan.script import Script
from pbx.dialplan.values import broken, references
from pbx.dialplan.walk import Steps, branches_of, every_step, lists_of

Known = frozenset[str]
Block = tuple[str, str, int]
BASE = ("number", "dialled", "from", "from-name", "endpoint", "did", "trunk", "call", "language")
FACT = "fact:"


def types_of(config: Config) -> dict[str, Type]:
    """Return every variable that is set anywhere, with its type."""
    types: dict[str, Type] = dict.fromkeys(BASE, TEXT)
    for context in config.contexts.values():
        for route in context.route:
            types |= dict.fromkeys(groups_of(route), TEXT)
    for _, steps in lists_of(config):
        for step in every_step(steps):
            types |= _sets(config, step)
    return types


def groups_of(route: Route) -> list[str]:
    """Return the named groups of a route's regular expression."""
    try:
        return list(re.compile(route.match_re).groupindex) if route.match_re else []
    except re.error:
        return []


def _sets(config: Config, step: StepSpec) -> dict[str, Type]:
    """Return the variables that a step sets."""
    if isinstance(step, CollectStep):
        return {step.collect: TEXT}
    if isinstance(step, SetStep):
        return {name: _type_of(value) for name, value in step.set.items()}
    if isinstance(step, LookupStep) and (spec := config.lookups.get(step.lookup)) is not None:
        return fields_of(step, spec)
    return {}


def fields_of(step: LookupStep, spec: Lookup) -> dict[str, Type]:
    prefix = f"{step.into}." if step.into else ""
    found = {prefix + name: _declared(kind) for name, kind in spec.fields.items()}
    if step.into:
        outcomes = spec.outcome.values if spec.outcome is not None else ("ok",)
        found[f"{step.into}.outcome"] = Type(Kind.TEXT, (*outcomes, "error"))
    return found


def _declared(kind: str | tuple[str, ...]) -> Type:
    if isinstance(kind, tuple):
        return Type(Kind.TEXT, kind)
    return {"number": NUMBER, "truth": TRUTH}.get(kind, TEXT)


def _type_of(value: str | int | float | bool) -> Type:
    if isinstance(value, bool):
        return TRUTH
    return TEXT if isinstance(value, str) else NUMBER


class Facts:
    """The analysis: settle first, then tell."""

    def __init__(self, config: Config, graph: Endings) -> None:
        self._config = config
        self._graph = graph
        self.types = types_of(config)
        self._at: dict[Block, Known] = {}
        self._out: dict[Block, Known | None] = {}
        self._changed = False
        self.findings: list[Finding] = []
        self._telling = False
        self._queue_told: set[str] = set()

    def findings_of(self) -> list[Finding]:
        """Settle what is known everywhere, then look at every use."""
        for name, context in self._config.contexts.items():
            for index, route in enumerate(context.route):
                self._at["route", name, index] = frozenset((*BASE, *groups_of(route)))
        for code in self._config.agent_codes.values():
            self._enter(("flow", code.flow, 0), frozenset(BASE), code.where)
        for _ in range(len(self._config.flows) + len(self._config.menus) + len(self.types) + 2):
            self._changed = False
            self._pass()
            if not self._changed:
                break
        self._telling = True
        self._pass()
        return self.findings

    def _pass(self) -> None:
        config = self._config
        for name, context in config.contexts.items():
            for index, route in enumerate(context.route):
                known = self._at["route", name, index]
                if route.when:
                    self._condition(route.when, route.where_of("when"), known)
                self._walk(route.do, known, in_menu="")
        for name, menu in config.menus.items():
            block = ("menu", name, 0)
            if (at := self._at.get(block)) is not None:
                self._texts(menu.where_of("prompt"), (*menu.prompt, *menu.wrong), at)
                outs = [self._walk(menu.exhausted, at, in_menu=name)]
                for choice in menu.keys.values():
                    inner = at
                    if choice.when:
                        self._condition(choice.when, choice.where_of("when"), at)
                        inner = at | _proved(choice.when)
                    outs.append(self._walk(choice.do, inner, in_menu=name))
                self._leave(block, _meet(outs))
        for name, flow in config.flows.items():
            block = ("flow", name, 0)
            if (at := self._at.get(block)) is not None:
                self._leave(block, self._walk(flow.do, at, in_menu=""))

    # ---- blocks ----------------------------------------------------------------------------------------------------

    def _enter(self, block: Block, known: Known, where: Where) -> None:
        before = self._at.get(block)
        after = known if before is None else before & known
        if after != before:
            self._at[block] = after
            self._changed = True
        flow: Flow | None = self._config.flows.get(block[1]) if block[0] == "flow" else None
        if self._telling and flow is not None and flow.requires and FACT + flow.requires not in known:
            self._tell(
                where,
                f'flow {block[1]} requires "{flow.requires}", which is not proved on every path to here',
                f'set = {{ {flow.requires} = true }} where it is proved, or ask when = "{flow.requires}" first',
            )

    def _leave(self, block: Block, known: Known | None) -> None:
        if block not in self._out or self._out[block] != known:
            before = self._out.get(block)
            self._out[block] = known if before is None or known is None else before & known
            self._changed = self._changed or self._out[block] != before

    # ---- lists -----------------------------------------------------------------------------------------------------

    def _walk(self, steps: Steps, known: Known, *, in_menu: str) -> Known | None:
        """Return what is known when the list is used up, None where it never is."""
        at: Known | None = known
        for step in steps:
            if at is None:
                return None
            self._uses(step, at)
            at = self._step(step, at, in_menu=in_menu)
        return at

    def _step(self, step: StepSpec, known: Known, *, in_menu: str) -> Known | None:
        match step:
            case MenuStep():
                self._enter(("menu", step.menu, 0), known, step.where)
                if in_menu:
                    return None
                return self._out.get(("menu", step.menu, 0)) or known
            case FlowStep():
                block = ("flow", step.flow, 0)
                self._enter(block, known, step.where)
                return self._out.get(block, known)
            case GotoStep():
                for name in self._graph_contexts(step.goto):
                    for index, route in enumerate(self._config.contexts[name].route):
                        self._enter(("route", name, index), known | frozenset(groups_of(route)), step.where)
                return None
            case AttemptStep():
                inner = self._walk(step.do, known, in_menu=in_menu)
                return _meet([inner, self._walk(step.exhausted, known, in_menu=in_menu)])
            case WhenStep():
                self._condition(step.when, step.where_of("when"), known)
                then = self._walk(step.then, known | _proved(step.when), in_menu=in_menu)
                other = Script.branch_of(step, ("else",))
                return _meet([then, self._walk(other, known, in_menu=in_menu) if other is not None else known])
        return self._branches(step, self._after(step, known), in_menu=in_menu)

    def _graph_contexts(self, name: str) -> list[str]:
        found, waiting = list[str](), [name]
        while waiting:
            here = waiting.pop()
            if here in self._config.contexts and here not in found:
                found.append(here)
                waiting += self._config.contexts[here].include
        return found

    def _after(self, step: StepSpec, known: Known) -> Known:
        known = known | frozenset(_sets(self._config, step))
        if isinstance(step, SetStep):
            for name, value in step.set.items():
                known = known | {FACT + name} if value is True else known - {FACT + name}
        return known

    def _branches(self, step: StepSpec, known: Known, *, in_menu: str) -> Known | None:
        queue = self._config.queues.get(step.queue) if isinstance(step, QueueStep) else None
        on = queue.on if queue is not None else None
        lists = dict(branches_of(on)) | dict(branches_of(step.on))
        outs: list[Known | None] = [self._walk(steps, known, in_menu=in_menu) for steps in lists.values()]
        if step.else_ is not None:
            outs.append(self._walk(step.else_, known, in_menu=in_menu))
        falls = any(Script.branch_of(step, (outcome,), on) is None for outcome in outcomes_of(self._config, step))
        return _meet([*outs, known if falls or not outs else None])

    # ---- uses ------------------------------------------------------------------------------------------------------

    def _tell(self, where: Where, what: str, cure: str = "") -> None:
        finding = error(where, what, cure)
        if finding not in self.findings:
            self.findings.append(finding)

    def _uses(self, step: StepSpec, known: Known) -> None:
        if not self._telling:
            return
        for name in step.model_fields_set:
            value = getattr(step, name)
            if name in ("on", "else_", "when", "then", "do", "exhausted", "collect"):
                continue
            texts = (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()
            texts = tuple(value.values()) if isinstance(value, dict) else texts
            filled = [text for text in texts if isinstance(text, str) and "{" in text]
            if filled:
                self._texts(step.where_of(name), filled, known)
        if isinstance(step, LookupStep) and (spec := self._config.lookups.get(step.lookup)) is not None:
            self._texts(spec.where_of("url"), (spec.url, *spec.body.values(), *spec.headers.values()), known)
        if isinstance(step, QueueStep) and (queue := self._config.queues.get(step.queue)) is not None:
            self._texts(queue.where_of("prefer_agent"), (queue.prefer_agent, *queue.whisper), known)
            for rule in queue.priority:
                if rule.when:
                    self._condition(rule.when, rule.where_of("when"), known)

    def _texts(self, where: Where, texts: Iterator[str] | list[str] | tuple[str, ...], known: Known) -> None:
        if not self._telling:
            return
        for text in texts:
            if "{" not in text:
                continue
            if wrong := broken(text):
                self._tell(where, f'"{wrong}" is no value: write {{name}}, {{name:3}} or {{name:0:3}}')
            for name in references(text):
                self._variable(where, name, known)

    def _variable(self, where: Where, name: str, known: Known) -> None:
        if name in known or self._is_looked_up(name):
            return
        if name in self.types:
            self._tell(
                where,
                f"{{{name}}} may be unset here: some way to this step does not set it",
                f'set it on every way, or before: {{ set = {{ {name.partition(".")[0]} = "" }} }}',
            )
            return
        self.findings.append(unknown(where, "variable", name, self._all_names()))

    def _all_names(self) -> list[str]:
        tables = [f"{t}.{f}" for t, rows in self._config.tables.items() for row in rows.values() for f in row]
        return [*self.types, *(f"open.{c}" for c in self._config.calendars), *dict.fromkeys(tables)]

    def _is_looked_up(self, name: str) -> bool:
        room, _, rest = name.partition(".")
        if room == "open":
            return rest in self._config.calendars
        if room == "switch":
            return rest in self._config.switches
        rows = self._config.tables.get(room)
        return rows is not None and any(rest in row for row in rows.values())

    def _condition(self, text: str, where: Where, known: Known) -> None:
        if not self._telling:
            return
        try:
            condition = compile_condition(text)
        except ConditionError as problem:
            self._tell(where, f'"{text}": {problem} (column {problem.column})')
            return
        for name in sorted(condition.names):
            self._variable(where, name, known | {n.removeprefix(FACT) for n in known})
        for problem_text in condition.problems(self._type):
            if not problem_text.startswith("no variable"):
                self._tell(where, f'"{text}" {problem_text}')

    def _type(self, name: str) -> Type | None:
        room, _, rest = name.partition(".")
        if room == "open":
            return TRUTH
        if room == "switch":
            return Type(Kind.TEXT, ("auto", "open", "closed"))
        if room in self._config.tables:
            values = [row[rest] for row in self._config.tables[room].values() if rest in row]
            return _type_of(values[0]) if values else None
        return self.types.get(name)


def _meet(outs: list[Known | None]) -> Known | None:
    """Return what every way that gets here knows."""
    found = [out for out in outs if out is not None]
    if not found:
        return None
    return frozenset.intersection(*found)


def _proved(text: str) -> Known:
    """Return the facts that a condition proves where it holds: its truths joined by ``and``."""
    try:
        return frozenset(_truths(compile_condition(text).root))
    except ConditionError:
        return frozenset()


def _truths(node: Node) -> Iterator[str]:
    if isinstance(node, Name):
        yield FACT + node.name
    elif isinstance(node, Operation) and node.sign == "and":
        yield from _truths(node.left)
        yield from _truths(node.right)
    elif (
        isinstance(node, Operation)
        and (node.sign == "==" and isinstance(node.left, Name))
        and (isinstance(node.right, Literal) and node.right.value is True)
    ):
        yield FACT + node.left.name
