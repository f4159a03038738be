"""Steps that choose which steps come next: when, flow, goto, attempt, menu."""

from __future__ import annotations

from pbx.apps.menu import Choices, Dialled, menu
from pbx.apps.outcome import Key
from pbx.config.condition import compile_condition
from pbx.config.dialplan import Menu
from pbx.config.steps import AgainStep, AttemptStep, FlowStep, GotoStep, MenuStep, RepeatStep, WhenStep
from pbx.dialplan.script import Again, Repeat, Script, ToMenu, runs


@runs(WhenStep)
async def when(script: Script, step: WhenStep) -> None:
    script.tell("", step)
    if compile_condition(step.when).evaluate(script.values):
        await script.run_list(step.then)
    else:
        await script.branch(step)


@runs(FlowStep)
async def flow(script: Script, step: FlowStep) -> None:
    name = script.fill(step.flow)
    script.tell(f"flow {name}", step)
    before, script.in_menu = script.in_menu, False
    try:
        await script.run_list(script.plan.config.flows[name].do)
    finally:
        script.in_menu = before


@runs(GotoStep)
async def goto(script: Script, step: GotoStep) -> None:
    number = script.fill(step.number) or str(script.values["number"])
    script.tell(f"goto {step.goto} {number}", step)
    raise script.goto(step.goto, number)


@runs(AttemptStep)
async def attempt(script: Script, step: AttemptStep) -> None:
    script.tell("", step)
    for _ in range(step.attempt):
        try:
            await script.run_list(step.do)
        except Again:
            continue
        return
    await script.run_list(step.exhausted)


@runs(AgainStep)
async def again(script: Script, step: AgainStep) -> None:
    script.tell("", step)
    raise Again


@runs(RepeatStep)
async def repeat(script: Script, step: RepeatStep) -> None:
    script.tell("", step)
    raise Repeat


@runs(MenuStep)
async def menu_step(script: Script, step: MenuStep) -> None:
    """Run a menu; inside another menu's keys it takes that one's place."""
    name = script.fill(step.menu)
    script.tell("", step)
    if script.in_menu:
        raise ToMenu(name)
    script.in_menu = True
    try:
        while True:
            try:
                await _one_menu(script, name)
                return
            except Repeat:
                continue
            except ToMenu as jump:
                name = jump.menu
    finally:
        script.in_menu = False


async def _one_menu(script: Script, name: str) -> None:
    spec = script.plan.config.menus[name]
    filled = spec.model_copy(
        update={"prompt": tuple(script.fill_all(spec.prompt)), "wrong": tuple(script.fill_all(spec.wrong))}
    )
    outcome = await menu(script.leg, name, filled, _choices(script, spec), script.plan.equipment.emit)
    if isinstance(outcome, Dialled):
        raise script.goto(spec.extensions, outcome.number)
    steps = spec.keys[outcome.key].do if isinstance(outcome, Key) else spec.exhausted
    await script.run_list(steps)


def _choices(script: Script, spec: Menu) -> Choices:
    def takes(key: str) -> bool:
        choice = spec.keys.get(key)
        return choice is not None and (not choice.when or compile_condition(choice.when).evaluate(script.values))

    routes = script.plan.routes
    if not spec.extensions:
        return Choices(takes)

    def is_extension(digits: str) -> bool:
        return next(routes.find(spec.extensions, digits, digits), None) is not None

    def may_become(digits: str) -> bool:
        return routes.may_become(spec.extensions, digits)

    return Choices(takes, is_extension, may_become)
