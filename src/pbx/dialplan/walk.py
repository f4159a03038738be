"""Walk over steps: what stands inside a step, and what a list of steps can lead to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pbx.config.config import Config
from pbx.config.dialplan import Menu, Route
from pbx.config.steps import (
    AttemptStep,
    Branches,
    DialStep,
    FlowStep,
    GotoStep,
    LookupStep,
    MenuStep,
    StepSpec,
    WhenStep,
)

Steps = Sequence[StepSpec]


def branches_of(on: Branches | dict[str, Steps] | None) -> Iterator[tuple[str, Steps]]:
    """Yield the name and the steps of every branch of an ``on``."""
    if on is None:
        return
    if isinstance(on, dict):
        yield from on.items()
        return
    for name in Branches.model_fields:
        steps = getattr(on, name)
        if steps is not None:
            yield name.rstrip("_").replace("_", "-"), steps


def nested(step: StepSpec) -> Iterator[tuple[str, Steps]]:
    """Yield every list that stands inside *step*, with the word that leads to it."""
    yield from branches_of(step.on)
    if step.else_ is not None:
        yield "else", step.else_
    if isinstance(step, WhenStep):
        yield "then", step.then
    elif isinstance(step, AttemptStep):
        yield "do", step.do
        yield "exhausted", step.exhausted


def lists_of_menu(menu: Menu) -> Iterator[tuple[str, Steps]]:
    for key, choice in menu.keys.items():
        yield f"key {key}", choice.do
    yield "exhausted", menu.exhausted


def every_step(steps: Steps) -> Iterator[StepSpec]:
    """Yield the steps of a list and everything inside them."""
    for step in steps:
        yield step
        if step.on is not None or step.else_ is not None or isinstance(step, WhenStep | AttemptStep):
            for _, inner in nested(step):
                yield from every_step(inner)


def lists_of(config: Config) -> Iterator[tuple[str, Steps]]:
    """Yield every list of steps that a configuration holds, with a name for it."""
    for name, context in config.contexts.items():
        for route in context.route:
            yield f"context {name}", route.do
    for name, menu in config.menus.items():
        for word, steps in lists_of_menu(menu):
            yield f"menu {name} {word}", steps
    for name, flow in config.flows.items():
        yield f"flow {name}", flow.do
    for name, queue in config.queues.items():
        for word, steps in branches_of(queue.on):
            yield f"queue {name} {word}", steps
        for key, steps in queue.exit_keys.items():
            yield f"queue {name} key {key}", steps


class Reach:
    """What a list of steps can lead to, however the caller and the called behave."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._leaves: dict[int, bool] = {}

    def leaves(self, route: Route) -> bool:
        """Say whether a route can end on a trunk: only then does a number ask for a right beyond "internal"."""
        known = self._leaves.get(id(route))
        if known is None:
            known = any(self._is_outside(step) for step in self.steps(route.do))
            self._leaves[id(route)] = known
        return known

    def steps(self, start: Steps) -> Iterator[StepSpec]:
        """Yield every step that a list can reach, each list once."""
        seen: set[object] = set()
        waiting: list[Steps] = [start]
        while waiting:
            for step in every_step(waiting.pop()):
                yield step
                for key, lists in self._named(step):
                    if key not in seen:
                        seen.add(key)
                        waiting += lists

    def _named(self, step: StepSpec) -> Iterator[tuple[object, list[Steps]]]:
        config = self._config
        if isinstance(step, FlowStep) and step.flow in config.flows:
            yield ("flow", step.flow), [config.flows[step.flow].do]
        elif isinstance(step, MenuStep) and step.menu in config.menus:
            yield ("menu", step.menu), [steps for _, steps in lists_of_menu(config.menus[step.menu])]
        elif isinstance(step, GotoStep) and step.goto in config.contexts:
            yield ("context", step.goto), [route.do for route in config.contexts[step.goto].route]

    def _is_outside(self, step: StepSpec) -> bool:
        if not isinstance(step, DialStep):
            return False
        for target in step.dial:
            if target.startswith(("trunk/", "{")):
                return True
            group = self._config.groups.get(target.removeprefix("group/")) if target.startswith("group/") else None
            if group is not None and any(member.startswith("trunk/") for member in group.members):
                return True
        return False


__all__ = ["LookupStep", "Reach", "branches_of", "every_step", "lists_of", "lists_of_menu", "nested"]
