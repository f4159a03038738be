"""Dialplan tests: the live interpreter, call scripts and queues, in virtual time, with people who follow a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

from pbx import events as ev
from pbx.apps.conference import Rooms
from pbx.apps.desk import Desk
from pbx.apps.forwards import Forgetful, Forwards
from pbx.apps.mailboxes import MemoryMailboxes
from pbx.apps.parking import Lots
from pbx.apps.voicemail import Limits
from pbx.call.calls import Calls
from pbx.config.config import Config
from pbx.config.endpoints import VoicemailSpec
from pbx.config.testfile import TestCase
from pbx.dialplan.equipment import Equipment, Switches
from pbx.dialplan.people import TALK_S, Keys, Others, Systems, seat_agents
from pbx.dialplan.router import Dialplan
from pbx.dialplan.targets import PlanTargets
from pbx.dialplan.trace import holds, words_of
from pbx.errors import ConfigError
from pbx.media.contract import Media
from pbx.media.virtual import VirtualMedia
from pbx.signaling.virtual import VirtualPhones, VirtualSignal, introduction
from pbx.sip.stack import Ids
from pbx.virtual import run_virtual

DEFAULT_AT = datetime(2026, 11, 23, 10, 0)  # a Monday
LONGEST_S = 4 * 3600.0  # of a test call: the longest that a live one may be
ENDLESS = ("echo", "conference ")  # cut after TALK_S, and so is what plays in a loop


@dataclass(slots=True)
class Result:
    """What a test call did."""

    case: TestCase
    trace: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ran: set[str] = field(default_factory=set)  # places of routes and steps
    keys: set[tuple[str, str]] = field(default_factory=set)  # menu and key

    @property
    def passed(self) -> bool:
        return not self.problems


class _Recorder:
    """Turns events into a trace with the seconds since the last dial or queue step."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self._began: float | None = None
        self.desk: Desk | None = None
        self.on_endless: Callable[[], object] = lambda: None

    def __call__(self, event: ev.Event) -> None:
        now = asyncio.get_running_loop().time()
        if isinstance(event, ev.StepRan):
            if event.where:
                self._result.ran.add(event.where)
            if event.began:
                self._began = now
            if event.step.startswith(ENDLESS) or event.step.endswith(" loop"):
                self.on_endless()
        elif isinstance(event, ev.CallRouted):
            self._result.ran.add(event.where)
        elif isinstance(event, ev.MenuKey) and event.outcome == "chosen":
            self._result.keys.add((event.menu, event.key))
        if self.desk is not None:
            self.desk.observe(event)
        words = words_of(event)
        if words:
            at = f" at {int(now - self._began + 1e-6)} s" if self._began is not None else ""
            self._result.trace.append(words + at)


def run_case(config: Config, case: TestCase) -> Result:
    """Run one test."""
    result = Result(case)
    try:
        start = starts_at(config, case)
        run_virtual(_call(config, case, start, result))
    except ConfigError as error:
        result.problems.append(str(error))
        return result
    judge(result)
    return result


def starts_at(config: Config, case: TestCase) -> float:
    """Return when a test begins, in seconds since the epoch.

    :raises ConfigError: where ``at`` is no instant.
    """
    zone = next((ZoneInfo(c.timezone) for c in config.calendars.values() if c.timezone), UTC)
    try:
        moment = datetime.fromisoformat(case.at) if case.at else DEFAULT_AT
    except ValueError:
        raise ConfigError(
            f'{case.where_of("at")}: "{case.at}" is no instant: write 2026-11-23T10:00:00+08:00'
        ) from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).timestamp()


def judge(result: Result) -> None:
    """Compare the trace with what was expected, and what must never be."""
    at = 0
    for expected in result.case.expect:
        found = next((i for i in range(at, len(result.trace)) if holds(expected, result.trace[i])), None)
        if found is None:
            earlier = any(holds(expected, line) for line in result.trace[:at])
            result.problems.append(f'"{expected}" did not happen{" at its place" if earlier else ""}')
            return
        at = found + 1
    for forbidden in result.case.never:
        seen = next((line for line in result.trace if holds(forbidden, line)), None)
        if seen is not None:
            result.problems.append(f'"{forbidden}" happened: {seen}')


async def _call(config: Config, case: TestCase, start: float, result: Result) -> None:
    loop = asyncio.get_running_loop()

    def wall() -> float:
        return start + loop.time()

    recorder = _Recorder(result)
    others = Others(config, case)
    switches = Switches(case.switches, lambda name, state: None, recorder)
    equipment = Equipment(
        emit=recorder,
        wall=wall,
        recordings=lambda name: Path("/virtual") / name,
        lookups=Systems(case),
        switches=switches,
        mailboxes=MemoryMailboxes(lambda name: _mailbox(config, name)),
        rooms=Rooms(recorder),
        forwards=Forwards(Forgetful(), recorder, wall),
        lots=Lots(recorder),
    )
    plan = Dialplan(config, equipment)
    calls = Calls(
        VirtualPhones(others.behave),
        cast(Media, VirtualMedia()),  # its ports take ports of its own only
        plan,
        PlanTargets(lambda: config, others, wall, disturb_not=equipment.forwards.disturb_not),
        recorder,
        Ids(case.seed),
        wall,
        ["pcma"],
    )
    calls.language = config.language
    desk = Desk(
        config, calls, recorder, seed=case.seed, store=seat_agents(config, case, start), wall=wall,
        is_reachable=others.is_reachable,
    )  # fmt: skip
    equipment.desk = recorder.desk = desk
    desk.start()
    for name, word in case.agents.items():
        if word == "on call":
            desk.busy(name, 1)
    calls.on_ask = Keys(case.keys, others).asked
    source, caller = _caller(config, case)
    signal = VirtualSignal(None, incoming=True)  # type: ignore[arg-type]
    recorder.on_endless = lambda: loop.call_later(TALK_S, signal.leave)
    leg = calls.invited(signal, introduction(source, caller, case.dial))
    signal.events = leg
    loop.call_later(LONGEST_S, signal.leave)
    await calls.drained()
    desk.stop()


def _caller(config: Config, case: TestCase) -> tuple[str, str]:
    """Return who calls, as the gate would say, and the number shown."""
    if case.from_.startswith("endpoint/"):
        number = case.from_.removeprefix("endpoint/")
        if number not in config.endpoints:
            raise ConfigError(f'{case.where_of("from_")}: no endpoint "{number}" in test "{case.name}"')
        return case.from_, number
    trunk = case.via.removeprefix("trunk/")
    if trunk not in config.trunks:
        raise ConfigError(f'{case.where_of("via")}: no trunk "{trunk}" in test "{case.name}": a caller comes via one')
    return f"trunk/{trunk}", case.from_


def _mailbox(config: Config, name: str) -> Limits | None:
    spec: VoicemailSpec | None = config.mailboxes.get(name)
    if spec is None and name in config.endpoints:
        spec = config.endpoints[name].voicemail
    return Limits(spec.max_messages, spec.max_message_s) if spec is not None else None


def run_cases(config: Config, cases: Iterable[TestCase]) -> list[Result]:
    """Run tests one after the other, each in a house of its own."""
    return [run_case(config, case) for case in cases]
