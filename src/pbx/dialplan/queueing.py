"""Steps of the call centre: queue, agent, survey."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING

from pbx.acd.skills import Need
from pbx.apps.desk import Desk
from pbx.apps.outcome import Key
from pbx.apps.queue import QueueEntry, queue
from pbx.apps.recording import Recording, policy, recorded
from pbx.apps.seat import at_seat
from pbx.apps.supervision import Mode, conversation_of, supervise
from pbx.apps.survey import survey
from pbx.call import audio
from pbx.call.contract import Emit, Refusal
from pbx.call.leg import Leg
from pbx.config.config import Config
from pbx.config.endpoints import Endpoint, Trunk
from pbx.config.queues import Queue
from pbx.config.steps import AgentStep, QueueStep, SuperviseStep, SurveyStep
from pbx.dialplan.equipment import Equipment
from pbx.dialplan.number import normalise, number_class
from pbx.dialplan.script import Finished, Script, runs
from pbx.errors import PbxError

if TYPE_CHECKING:
    from pbx.dialplan.router import Dialplan

CALLABLE = ("local", "mobile", "national")  # what a caller may be called back on
DAY_S = 86_400.0


def desk_of(script: Script) -> Desk:
    """Return the desk.

    :raises PbxError: on a system that has none.
    """
    desk = script.plan.equipment.desk
    if desk is None:
        raise PbxError("this system has no queues", status=503)
    return desk


@runs(QueueStep)
async def queue_step(script: Script, step: QueueStep) -> None:
    name = script.fill(step.queue)
    script.tell(f"queue {name}", step, began=True)
    spec = script.plan.config.queues.get(name)
    if spec is None:  # named by a value
        await script.branch(step, "unreachable")
        return
    outcome = await queue(script.leg, desk_of(script), name, _entry(script, step, name, spec))
    script.queued = True
    if isinstance(outcome, Key) and outcome.key in spec.exit_keys:
        await script.run_list(spec.exit_keys[outcome.key])
        return
    await script.follow(step, outcome, spec.on)


def _entry(script: Script, step: QueueStep, spec_name: str, spec: Queue) -> QueueEntry:
    plan = script.plan
    caller = str(script.values["from"])
    may_call = _may_call(plan, script.values.source, spec.callback.trunk if spec.callback is not None else "")
    preferred = script.fill(spec.prefer_agent)
    return QueueEntry(
        priority=script.priority + (step.priority or 0),
        needs=tuple(Need(skill, level, skill not in script.firm_needs) for skill, level in script.needs.items()),
        prefer=preferred if preferred in plan.config.agents else "",
        closed=bool(spec.hours) and not plan.calendars.open(spec.hours, plan.now),
        ring_s=step.ring_s,
        max_wait_s=step.max_wait_s,
        source=_source(script),
        values=script.values,
        notice=() if script.record == "never" else None,
        recording=recording_rule(lambda: plan.config, plan.equipment, spec_name, script.record, script.emit),
        did=str(script.values["did"]),
        callback_number=may_call(caller) if spec.callback is not None else "",
        may_call=may_call,
        callback_expires_s=_expires_s(script, spec) if spec.callback is not None else 0.0,
    )


def _source(script: Script) -> str:
    """Return how this call comes into the queue (docs: records)."""
    if script.queued:
        return "overflow"
    if "consultation" in script.leg.variables:
        return "consult"
    return "transfer" if script.transferred_by else "new"


def recording_rule(
    config: Callable[[], Config], equipment: Equipment, queue: str, said: str = "", emit: Emit | None = None
) -> Recording:
    """Record by the rule: the step over the queue over team or agent over endpoint; never always wins."""

    @contextlib.asynccontextmanager
    async def record(leg: Leg, other: Leg, agent: str) -> AsyncIterator[None]:
        rules = config()
        spec = rules.queues.get(queue)
        person = rules.agents.get(agent)
        team = rules.teams.get(person.team) if person is not None else None
        endpoint = rules.endpoints.get(other.party.removeprefix("endpoint/"))
        wanted = (
            said or None,
            spec.record if spec is not None else None,
            person.record if person is not None else None,
            team.record if team is not None else None,
            endpoint.record if endpoint is not None else None,
        )
        if policy(*wanted) != "always":
            yield
            return
        leg.variables.setdefault("record", "always")  # and wherever the caller is transferred to
        path = equipment.recording_path(leg.call_id)
        async with recorded(leg, other, path, emit or equipment.emit, queue=queue, agent=agent):
            yield

    return record


def _may_call(plan: Dialplan, source: str, trunk: str) -> Callable[[str], str]:
    """Return what takes a typed or shown number to the form that is dialled back: landlines and mobiles at home.

    A phone of the house is called back where it may dial itself.
    """
    config = plan.config
    room, _, name = source.partition("/")
    parties: Mapping[str, Endpoint | Trunk] = config.endpoints if room == "endpoint" else config.trunks
    party = parties.get(name) or config.trunks.get(trunk)

    def may_call(number: str) -> str:
        if party is None:
            return ""
        normalised = normalise(number, party.country, party.area_code)
        if not re.fullmatch(r"\+?[0-9]{5,15}", normalised):
            return ""
        if room == "endpoint" and isinstance(plan.choose_for(name, number), Refusal):
            return ""
        return normalised if number_class(normalised, party.country, party.area_code) in CALLABLE else ""

    return may_call


def _expires_s(script: Script, spec: Queue) -> float:
    """Return for how long a promise holds: a day after the queue closes."""
    plan = script.plan
    closes = plan.calendars.next_change(spec.hours, plan.now) if spec.hours else None
    return DAY_S + ((closes - plan.now).total_seconds() if closes is not None else 0.0)


@runs(AgentStep)
async def agent(script: Script, step: AgentStep) -> None:
    action = script.fill(step.agent)
    script.tell(f"agent {action}", step)
    await script.leg.answer()
    endpoint = str(script.values["endpoint"])
    pins = script.plan.equipment.agent_pin
    await script.follow(step, await at_seat(script.leg, desk_of(script), action, endpoint, pins, script.tell))


@runs(SuperviseStep)
async def supervise_step(script: Script, step: SuperviseStep) -> None:
    """Let somebody who may into an agent's conversation."""
    if not await supervise_agent(script, script.fill(step.supervise), Mode(step.mode), step):
        await script.branch(step, "unreachable")


async def supervise_agent(script: Script, named: str, mode: Mode, step: SuperviseStep | None = None) -> bool:
    """Enter the conversation of an agent, by name, number or seat; False where there is none."""
    desk, endpoint = desk_of(script), str(script.values["endpoint"])
    agent = desk.agent_named(named)
    script.tell(f"supervise {agent or named} {mode.value}", step)
    seat = desk.seat_of(agent) if agent else named
    if not desk.may_supervise(endpoint, agent):
        script.leg.log.info("x %s may not supervise %s", endpoint, named)
        if step is not None:
            await script.branch(step, "declined")
        await audio.play(script.leg, "not-allowed")
        return True
    watched = conversation_of(desk.calls, f"endpoint/{seat}")
    if watched is None:
        return False
    who = desk.agent_at(endpoint) or f"endpoint/{endpoint}"
    desk.supervised(watched.party, who)
    await supervise(desk.calls, script.leg, watched, mode, script.emit, who)
    raise Finished


@runs(SurveyStep)
async def survey_step(script: Script, step: SurveyStep) -> None:
    name = script.fill(step.survey)
    script.tell("", step)
    await survey(script.leg, name, script.plan.config.surveys[name], "", script.emit)
