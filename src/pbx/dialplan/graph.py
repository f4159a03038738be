"""The call flow as a drawing: contexts, routes, menus, flows, queues, and what leads to what (Graphviz DOT)."""

from __future__ import annotations

from collections.abc import Iterator

from pbx.config.config import Config
from pbx.config.steps import (
    ConferenceStep,
    DialStep,
    FlowStep,
    GotoStep,
    MenuStep,
    QueueStep,
    StepSpec,
    VoicemailStep,
)
from pbx.dialplan.walk import Steps, branches_of, lists_of_menu, nested

SHAPES = {"context": "folder", "route": "cds", "menu": "hexagon", "flow": "component", "queue": "box3d",
          "party": "oval", "mailbox": "note", "conference": "octagon"}  # fmt: skip


def graph(config: Config) -> str:
    """Return the drawing."""
    drawing = _Drawing(config)
    drawing.draw()
    lines = ["digraph pbx {", "  rankdir=LR;", '  node [fontname="sans-serif", fontsize=10];']
    lines += [f"  {_quoted(node)} [shape={SHAPES[node.partition(' ')[0]]}];" for node in drawing.nodes]
    lines += [
        f"  {_quoted(a)} -> {_quoted(b)}" + (f" [label={_quoted(label)}];" if label else ";")
        for a, b, label in drawing.edges
    ]
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Drawing:
    def __init__(self, config: Config) -> None:
        self._config = config
        self.nodes: dict[str, None] = {}
        self.edges: dict[tuple[str, str, str], None] = {}

    def draw(self) -> None:
        config = self._config
        for name, trunk in config.trunks.items():
            if trunk.context:
                self._edge(f"party trunk/{name}", f"context {trunk.context}", "calls in")
        for context in {endpoint.context for endpoint in config.endpoints.values()}:
            self._edge("party endpoints", f"context {context}", "call")
        for name, spec in config.contexts.items():
            for included in spec.include:
                self._edge(f"context {name}", f"context {included}", "includes")
            for route in spec.route:
                shown = " ".join(route.match) or route.match_re or "default"
                node = f"route {shown} ({route.where.file}:{route.where.line})"
                self._edge(f"context {name}", node, route.when)
                self._steps(node, route.do, "")
        for name, menu in config.menus.items():
            for word, steps in lists_of_menu(menu):
                self._steps(f"menu {name}", steps, word)
            if menu.extensions:
                self._edge(f"menu {name}", f"context {menu.extensions}", "a number")
        for name, flow in config.flows.items():
            self._steps(f"flow {name}", flow.do, "")
        for name, queue in config.queues.items():
            for word, steps in branches_of(queue.on):
                self._steps(f"queue {name}", steps, word)

    def _steps(self, node: str, steps: Steps, label: str) -> None:
        for step in steps:
            for target in _leads_to(step):
                self._edge(node, target, label)
            for word, inner in nested(step):
                self._steps(node, inner, f"{label} {word}".strip())

    def _edge(self, a: str, b: str, label: str) -> None:
        self.nodes[a] = self.nodes[b] = None
        self.edges[a, b, label] = None


def _leads_to(step: StepSpec) -> Iterator[str]:
    match step:
        case MenuStep():
            yield f"menu {step.menu}"
        case FlowStep():
            yield f"flow {step.flow}"
        case QueueStep():
            yield f"queue {step.queue}"
        case GotoStep():
            yield f"context {step.goto}"
        case VoicemailStep():
            yield f"mailbox {step.voicemail}"
        case ConferenceStep():
            yield f"conference {step.conference}"
        case DialStep():
            for target in step.dial:
                yield f"party {target}"
