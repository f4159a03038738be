"""Steps of the call centre: queue, agent, survey."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from pbx.acd.skills import Need
from pbx.apps.desk import Desk
from pbx.apps.outcome import Key
from pbx.apps.queue import QueueEntry, queue
from pbx.apps.recording import policy, recorded
from pbx.apps.seat import at_seat
from pbx.apps.survey import survey
from pbx.call.leg import Leg
from pbx.config.queues import Queue
from pbx.config.steps import AgentStep, QueueStep, SurveyStep
from pbx.dialplan.script import Script, runs
from pbx.errors import PbxError


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
    spec = script.plan.config.queues[name]
    outcome = await queue(script.leg, desk_of(script), name, _entry(script, step, spec))
    script.queued = True
    if isinstance(outcome, Key) and outcome.key in spec.exit_keys:
        await script.run_list(spec.exit_keys[outcome.key])
        return
    await script.follow(step, outcome, spec.on)


def _entry(script: Script, step: QueueStep, spec: Queue) -> QueueEntry:
    plan = script.plan
    preferred = script.fill(spec.prefer_agent)
    return QueueEntry(
        priority=script.priority + (step.priority or 0),
        needs=tuple(Need(skill, level, skill not in script.firm_needs) for skill, level in script.needs.items()),
        prefer=preferred if preferred in plan.config.agents else "",
        closed=bool(spec.hours) and not plan.calendars.open(spec.hours, plan.now),
        ring_s=step.ring_s,
        max_wait_s=step.max_wait_s,
        source="overflow" if script.queued else "new",
        values=script.values,
        notice=() if script.record == "never" else None,
        recording=_recording(script, spec),
    )


def _recording(script: Script, spec: Queue) -> Callable[[Leg, Leg, str], AbstractAsyncContextManager[None]]:
    """Record by the rule: the step over the queue over team or agent over endpoint; never always wins."""

    @contextlib.asynccontextmanager
    async def record(leg: Leg, other: Leg, agent: str) -> AsyncIterator[None]:
        config = script.plan.config
        person = config.agents.get(agent)
        team = config.teams.get(person.team) if person is not None else None
        endpoint = config.endpoints.get(other.party.removeprefix("endpoint/"))
        said = (
            script.record or None,
            spec.record,
            person.record if person is not None else None,
            team.record if team is not None else None,
            endpoint.record if endpoint is not None else None,
        )
        if policy(*said) != "always":
            yield
            return
        async with recorded(leg, other, script.plan.equipment.recording_path(leg.call_id), script.emit):
            yield

    return record


@runs(AgentStep)
async def agent(script: Script, step: AgentStep) -> None:
    action = script.fill(step.agent)
    script.tell(f"agent {action}", step)
    await script.leg.answer()
    endpoint = str(script.values["endpoint"])
    pins = script.plan.equipment.agent_pin
    await script.follow(step, await at_seat(script.leg, desk_of(script), action, endpoint, pins, script.tell))


@runs(SurveyStep)
async def survey_step(script: Script, step: SurveyStep) -> None:
    name = script.fill(step.survey)
    script.tell("", step)
    await survey(script.leg, name, script.plan.config.surveys[name], "", script.emit)
