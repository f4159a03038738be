"""The dial step: who is rung in which order, forwarding, numbers as trunks want them, and the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pbx.call.contract import Refusal
from pbx.call.dial import worth_another
from pbx.call.leg import Leg, LegState
from pbx.config.endpoints import Forward
from pbx.config.steps import DialStep
from pbx.dialplan.charging import charging, minutes_left_s
from pbx.dialplan.number import emergency_numbers, outward
from pbx.dialplan.script import Finished, Script, runs
from pbx.dialplan.targets import wanted
from pbx.dialplan.walk import every_step
from pbx.errors import Busy, CallFailed, Declined, NoAnswer, Unreachable

if TYPE_CHECKING:
    from pbx.dialplan.router import Dialplan

INSIDE_RING_S = 25.0
OUTSIDE_RING_S = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One dial step with its values put in."""

    step: DialStep
    targets: tuple[str, ...]
    order: str
    ring_s: float
    number: str
    caller: str
    charged: str = ""  # the endpoint whose minutes outside this uses up: it forwards or transferred


@runs(DialStep)
async def dial(script: Script, step: DialStep) -> None:
    plan = planned(script, step)
    script.leg.variables["caller-name"] = script.fill(step.caller_name)
    try:
        if not plan.targets:
            raise Unreachable("no target")
        await _in_order(script, plan)
    except CallFailed as error:
        word = word_of(error)
        if not word:
            raise
        script.failure = error
        await script.branch(step, word)


def word_of(error: CallFailed) -> str:
    """Return the branch that a failure takes, "" for what is no outcome of a dial."""
    return error.reason if isinstance(error, NoAnswer | Busy | Declined | Unreachable) else ""


def planned(script: Script, step: DialStep) -> Plan:
    """Put the values in, and what the step leaves open."""
    targets = tuple(target for target in script.fill_all(step.dial) if target.partition("/")[2])
    order, ring_s = step.order, step.ring_s
    group = script.plan.config.groups.get(targets[0][6:]) if targets and targets[0].startswith("group/") else None
    if group is not None and len(targets) == 1:
        targets = group.members
        order = step.order if "order" in step.model_fields_set else group.order
        ring_s = ring_s or group.ring_s
    if ring_s is None:
        outside = any(target.startswith(("trunk/", "rota/")) for target in targets)
        ring_s = OUTSIDE_RING_S if outside else INSIDE_RING_S
    number = script.fill(step.number) or str(script.values["number"])
    caller = script.fill(step.caller)
    if not caller and (endpoint := script.plan.config.endpoints.get(str(script.values["endpoint"]))) is not None:
        caller = endpoint.caller if any(t.startswith("trunk/") for t in targets) else ""
    charged = script.transferred_by.removeprefix("endpoint/") if script.transferred_by.startswith("endpoint/") else ""
    return Plan(step, targets, order, ring_s, number, caller, charged)


async def _in_order(script: Script, plan: Plan) -> None:
    """Ring as the order says; returns never: the script is finished, or the last failure is raised."""
    targets = list(plan.targets)
    if plan.order == "all" or len(targets) == 1:
        await _try(script, plan, targets, began=True)
        return
    if plan.order == "round-robin":
        targets = _turn(script, targets)
    failure: CallFailed = Unreachable("no target")
    for index, target in enumerate(targets):
        try:
            await _try(script, plan, [target], began=index == 0)
        except CallFailed as error:
            if not word_of(error):
                raise
            failure = error
            if plan.order == "failover" and not worth_another(error):
                break
    raise failure


def _turn(script: Script, targets: list[str]) -> list[str]:
    """Begin with the one after who was rung first the last time."""
    key = " ".join(sorted(targets))
    turns = script.plan.equipment.turns
    start = turns.get(key, 0) % len(targets)
    turns[key] = start + 1
    return targets[start:] + targets[:start]


async def _try(script: Script, plan: Plan, targets: list[str], *, began: bool) -> None:
    """Ring targets once, with the forward of a single endpoint, and let them talk."""
    single = len(plan.targets) == 1 and len(targets) == 1
    forward = _forward_of(script, targets[0]) if single else None
    script.tell(trace_words(script, plan, targets), plan.step if began else None, began=began)
    if forward is not None and forward.all:
        await _forwarded(script, plan, targets[0], forward.all, "unconditional")
        return
    ring_s = plan.ring_s
    if forward is not None and forward.no_answer:
        ring_s = min(ring_s, forward.after_s)
    filtered = secretaries_of(script, targets[0]) if single else []
    try:
        if filtered:
            await _to_secretary(script, plan, targets[0], filtered)
        else:
            await ring(script, plan, targets, ring_s)
    except CallFailed as error:
        owner = targets[0].partition("/")[2]
        target, why = _forward_after(forward, error), "user-busy" if isinstance(error, Busy) else "no-answer"
        phone = single and targets[0].startswith("endpoint/")  # the 302 of a trunk is for the trunk's own rule
        if phone and error.moved_to and not (refusal := may_forward(script.plan, owner, error.moved_to)):
            target, why = error.moved_to, "deflection"
        elif error.moved_to and phone:
            script.leg.log.info("x 302 of endpoint %s: %s", owner, refusal)
        if not target or target == owner:
            _tell_failure(script, targets, error)
            raise
        await _forwarded(script, plan, targets[0], target, why)


def _tell_failure(script: Script, targets: list[str], error: CallFailed) -> None:
    word = word_of(error)
    if isinstance(error, Unreachable) and targets[0].startswith("trunk/"):
        word = f"unreachable failed {error.status}"
    if word:
        script.tell(word)


def trace_words(script: Script, plan: Plan, targets: Sequence[str]) -> str:
    """Say who is rung; for a trunk also with which number, and as whom."""
    words = "dial " + " ".join(targets)
    trunk = script.plan.config.trunks.get(targets[0].split("/")[1]) if targets[0].startswith("trunk/") else None
    if trunk is None or len(targets) > 1:
        return words
    called, calling = outward(plan.number, plan.caller or script.leg.caller.number, wanted(trunk))
    return f"{words} {called} as {calling}"


async def ring(script: Script, plan: Plan, targets: list[str], ring_s: float) -> None:
    """Ring, and when somebody answers let both talk until one hangs up.

    :raises CallFailed: when nobody answered.
    """
    step = plan.step
    outside = plan.charged if any(target.startswith("trunk/") for target in targets) else ""
    if outside and not minutes_left_s(script.plan, outside):
        raise Unreachable(f"endpoint {outside} has used up today's minutes outside")
    race = script.leg.dial(
        targets,
        ring_s=ring_s,
        number=plan.number,
        caller=plan.caller,
        confirm=step.confirm,
        whisper=script.fill_all(step.whisper),
    )
    with Ringback(script.leg, script.fill(step.music)) as ringback:
        async with race as winner:
            ringback.quiet()
            script.tell(f"answered {winner.party}")
            if not outside:
                await script.plan.converse(script.leg, winner)
            else:
                async with charging(script.plan, outside, script.tell):
                    await script.plan.converse(script.leg, winner)
    raise Finished


class Ringback:
    """Let a caller who is answered already hear that it rings, or music where the step names some."""

    def __init__(self, leg: Leg, music: str) -> None:
        self._leg = leg
        self._music = music
        self._sounds = False

    def __enter__(self) -> Ringback:
        leg = self._leg
        clip = leg.clip(self._music) if self._music else None
        if clip is not None:
            leg.ring(early=True)
            leg.port.play([clip], loop=True)
            self._sounds = True
        elif leg.state is LegState.UP and leg.media is not None:
            leg.media.port.tone("ringback")
            self._sounds = True
        return self

    def quiet(self) -> None:
        """End it, once."""
        sounds, self._sounds = self._sounds, False
        if sounds and self._leg.media is not None and self._leg.state is not LegState.ENDED:
            self._leg.media.port.stop()

    def __exit__(self, *_: object) -> None:
        self.quiet()


# ---- forwarding (an endpoint's own: single dials only, one hop) ----------------------------------------------------


def _forward_of(script: Script, target: str) -> Forward | None:
    room, _, name = target.partition("/")
    endpoint = script.plan.config.endpoints.get(name) if room == "endpoint" else None
    return script.plan.equipment.forwards.of(name, endpoint.forward) if endpoint is not None else None


def _forward_after(forward: Forward | None, error: CallFailed) -> str:
    if forward is None:
        return ""
    if isinstance(error, Busy):
        return forward.busy
    return forward.no_answer if isinstance(error, NoAnswer | Unreachable) else ""


def secretaries_of(script: Script, target: str) -> list[str]:
    """Return who is rung in an endpoint's place: its secretaries, while its calls are filtered and this one is."""
    room, _, name = target.partition("/")
    spec = script.plan.config.endpoints.get(name) if room == "endpoint" else None
    if spec is None or not spec.secretary or not script.plan.equipment.forwards.filtered(name, spec.filter):
        return []
    known = {*spec.secretary, *spec.filter_pass}
    sender = script.transferred_by.removeprefix("endpoint/")
    if known & {str(script.values["endpoint"]), str(script.values["from"]), sender} - {""}:
        return []
    return [f"endpoint/{secretary}" for secretary in spec.secretary]


async def _to_secretary(script: Script, plan: Plan, by: str, secretaries: list[str]) -> None:
    """Ring the secretaries of an endpoint; nobody there is as if the endpoint itself did not answer."""
    config, owner = script.plan.config, by.partition("/")[2]
    script.tell(f"filter {' '.join(secretaries)}")
    shown = config.endpoints[owner].caller or owner
    script.leg.variables["diversion"] = f"<sip:{shown}@{config.sip.domain}>;reason=do-not-disturb"  # RFC 5806
    try:
        await ring(script, plan, secretaries, plan.ring_s)
    except CallFailed as error:
        if not word_of(error):
            raise
        raise NoAnswer("the secretary did not answer") from error
    finally:
        script.leg.variables.pop("diversion", None)


async def _forwarded(script: Script, plan: Plan, by: str, number: str, why: str) -> None:
    """Ring where an endpoint forwards to, with the step's ring time from zero; its own routes are not run."""
    owner = by.partition("/")[2]
    script.tell(f"forward {number}")
    config = script.plan.config
    shown = config.endpoints[owner].caller or owner
    script.leg.variables["diversion"] = f"<sip:{shown}@{config.sip.domain}>;reason={why}"  # RFC 5806
    try:
        await _ring_onward(script, plan, owner, number)
    finally:
        script.leg.variables.pop("diversion", None)


async def _ring_onward(script: Script, plan: Plan, owner: str, number: str) -> None:
    config = script.plan.config
    if number in config.endpoints:
        onward = Plan(plan.step, (f"endpoint/{number}",), "all", plan.ring_s, number, plan.caller)
    else:
        onward = _outside(script, plan, owner, number)
    for target in onward.targets:
        try:
            await ring(script, onward, [target], onward.ring_s)
        except CallFailed as error:
            last = target == onward.targets[-1]
            if last or not worth_another(error):
                _tell_failure(script, [target], error)
                raise


def _outside(script: Script, plan: Plan, owner: str, number: str) -> Plan:
    """Find the trunks of a forward to outside: those of the route that its owner would take, by the owner's rights.

    :raises Unreachable: where the owner has no route, or not the right.
    """
    step, number = way_outside(script.plan, owner, number)
    caller = script.plan.config.endpoints[owner].caller
    return Plan(plan.step, step.dial, step.order, plan.ring_s, number, caller, owner)


def may_forward(plan: Dialplan, endpoint: str, number: str) -> str:
    """Say why an endpoint may not have its calls sent to a number, "" where it may: what it may dial itself."""
    if number == endpoint or not number:
        return f"endpoint {endpoint} cannot forward to itself"
    try:
        if number not in plan.config.endpoints:
            way_outside(plan, endpoint, number)
        elif isinstance(plan.choose_for(endpoint, number), Refusal):
            return f"endpoint {endpoint} may not dial {number}"
    except CallFailed as error:
        return str(error)
    return ""


def way_outside(plan: Dialplan, owner: str, number: str) -> tuple[DialStep, str]:
    """Return the step by which an endpoint would dial a number outside, and the number in the form that it takes.

    :raises Unreachable: where there is none, or the endpoint has not the right.
    """
    endpoint = plan.config.endpoints[owner]
    if number in emergency_numbers(endpoint.country, plan.config.emergency.numbers):
        raise Unreachable(f"endpoint {owner} may not forward to {number}: it is an emergency number")
    found = plan.choose_for(owner, number)
    if isinstance(found, Refusal):
        why = "may not forward to" if found.status == 403 else "has no route to"
        raise Unreachable(f"endpoint {owner} {why} {number}")
    for step in every_step(found.route.do):
        if isinstance(step, DialStep) and all(target.startswith("trunk/") for target in step.dial):
            return step, found.number
    raise Unreachable(f"endpoint {owner} forwards to {number}, which no route of its context takes outside")
