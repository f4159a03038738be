"""Rights, emergency, hours, recording: what must not go wrong quietly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

from pbx.config.calendar import is_line, lay_in
from pbx.config.condition import NUMBER, ConditionError, compile_condition
from pbx.config.config import Config
from pbx.config.dialplan import Route
from pbx.config.endpoints import Endpoint
from pbx.config.queues import Agent, Queue, Team
from pbx.config.steps import AgentStep, DialStep, RecordStep, StepSpec
from pbx.config.where import Finding
from pbx.dialplan.checks import codes
from pbx.dialplan.checks.report import error, unknown, warning
from pbx.dialplan.number import emergency_numbers, normalise, number_class
from pbx.dialplan.pattern import compile_pattern
from pbx.dialplan.routes import Routes
from pbx.dialplan.script import RUNNERS
from pbx.dialplan.walk import Reach, every_step, lists_of


def calendars(config: Config) -> Iterator[Finding]:
    """Find lines that are none; without these cured nobody knows who is open."""
    told: set[str] = set()
    for calendar in config.calendars.values():
        switch = calendar.override.removeprefix("switch.")
        if calendar.override and (not calendar.override.startswith("switch.") or switch not in config.switches):
            yield unknown(calendar.where_of("override"), "switch", switch, config.switches,
                          f"write [switches.{switch}]")  # fmt: skip
    for name, calendar in config.calendars.items():
        try:
            lay_in(name, config.calendars)
        except ValueError as problem:
            if str(problem) in told:
                continue
            told.add(str(problem))
            field = "timezone" if "time zone" in str(problem) else _field_of(calendar, str(problem))
            yield error(calendar.where_of(field), f"calendar {name}: {problem}")


def _field_of(calendar: object, problem: str) -> str:
    for field in ("open", "closed", "days"):
        if any(f'"{line}"' in problem or line in problem for line in getattr(calendar, field)):
            return field
    return "open"


def ahead(config: Config, today: date) -> Iterator[Finding]:
    """Warn of calendars whose holidays are all over."""
    named = {text for c in config.calendars.values() for text in (*c.open, *c.closed) if not is_line(text)}
    for name, calendar in config.calendars.items():
        if name in named or not calendar.open:
            continue
        hours = lay_in(name, config.calendars)
        if not any(line.last is not None and line.last >= today for line in (*hours.open, *hours.closed)):
            yield warning(
                calendar.where,
                f"calendar {name} names no date ahead: the next holidays are ordinary days",
                'add them: closed = ["2027-01-28..2027-02-03"]',
            )


def safety(config: Config, routes: Routes) -> Iterator[Finding]:
    """Find what would let a right be escaped, an emergency call fail, or a recording be unlawful."""
    yield from _emergency(config, routes)
    yield from _forwards(config, routes)
    yield from _filters(config)
    yield from _strangers(config, routes)
    yield from _recording(config)
    yield from _queues(config)
    yield from _alerts(config)
    yield from codes.codes(config, routes)
    yield from _mail(config)
    yield from _unbuilt(config)


def _emergency(config: Config, routes: Routes) -> Iterator[Finding]:
    with_country = [(n, e) for n, e in config.endpoints.items() if e.country]
    if with_country and not config.emergency.trunks:
        number, endpoint = with_country[0]
        others = f" and {len(with_country) - 1} more" if len(with_country) > 1 else ""
        yield error(
            endpoint.where_of("country"),
            f"endpoint {number}{others} cannot call for help: there is no [emergency]",
            'add [emergency] with trunks = ["…"]',
        )
    numbers = {n for _, e in with_country for n in emergency_numbers(e.country, config.emergency.numbers)}
    starts = {endpoint.context for _, endpoint in with_country}
    reached = {name for start in starts for name in routes.reach(start)} if numbers else set()
    for name in reached:
        for route in config.contexts[name].route:
            for text in route.match:
                if text in numbers:
                    yield warning(
                        route.where_of("match"),
                        f"{text} is an emergency number: this route is never asked",
                        "emergency calls go by [emergency]; drop the route, or use another number",
                    )


def _forwards(config: Config, routes: Routes) -> Iterator[Finding]:
    """A forward obeys the rights of who forwards."""
    for owner, endpoint in config.endpoints.items():
        forward = endpoint.forward
        if forward is None:
            continue
        for field in ("all", "busy", "no_answer"):
            number = getattr(forward, field)
            if not number:
                continue
            where = forward.where_of(field)
            if number == owner:
                yield error(where, f"endpoint {owner} forwards to itself", "name another number")
            elif number not in config.endpoints:
                normalised = normalise(number, endpoint.country, endpoint.area_code)
                right = number_class(normalised, endpoint.country, endpoint.area_code)
                if right not in endpoint.rights:
                    yield error(
                        where,
                        f'endpoint {owner} forwards to {number}, but has not the right "{right}"',
                        f'add "{right}" to its rights, or forward inside',
                    )
                elif next(routes.find(endpoint.context, number, normalised), None) is None:
                    yield error(where, f"endpoint {owner} forwards to {number}, which no route of "
                                f"context {endpoint.context} takes")  # fmt: skip


def _filters(config: Config) -> Iterator[Finding]:
    for number, endpoint in config.endpoints.items():
        if number in endpoint.secretary:
            yield error(endpoint.where_of("secretary"), f"endpoint {number} is its own secretary",
                        "name another endpoint")  # fmt: skip
        elif not endpoint.secretary and (endpoint.filter or endpoint.filter_pass):
            field = "filter" if endpoint.filter else "filter_pass"
            yield warning(endpoint.where_of(field), f"endpoint {number} filters calls, and has no secretary",
                          'add secretary = "1002"')  # fmt: skip


def _strangers(config: Config, routes: Routes) -> Iterator[Finding]:
    """Who comes in by a trunk must not go out by one with a number of their own choice."""
    reach, told = Reach(config), set[str]()
    for name, trunk in config.trunks.items():
        for context in routes.reach(trunk.context) if trunk.context else ():
            for route in config.contexts[context].route:
                for step in reach.steps(route.do):
                    if _goes_out(step, route) and str(step.where) not in told:
                        told.add(str(step.where))
                        yield warning(
                            step.where,
                            f"who calls in by trunk {name} can call out here, to a number of their own choice",
                            f"take this route out of context {context}, or dial a fixed number",
                        )


def _goes_out(step: StepSpec, route: Route) -> bool:
    if not isinstance(step, DialStep) or not any(target.startswith("trunk/") for target in step.dial):
        return False
    fixed = not route.match_re and not route.default and all(map(_is_one_number, route.match))
    chosen = not step.number or "{" in step.number
    return chosen and not (fixed and step.number in ("", "{number}", "{dialled}", "{did}"))


def _is_one_number(text: str) -> bool:
    pattern = compile_pattern(text)
    return not pattern.tail and all(len(place) == 1 for place in pattern.places)


def _recording(config: Config) -> Iterator[Finding]:
    records = [step for _, steps in lists_of(config) for step in every_step(steps)
               if isinstance(step, RecordStep) and step.record != "never"]  # fmt: skip
    tables: tuple[Mapping[str, Queue | Endpoint | Team | Agent], ...] = (
        config.queues, config.endpoints, config.teams, config.agents,
    )  # fmt: skip
    others = [entry for table in tables for entry in table.values() if entry.record not in (None, "never")]
    if (records or others) and config.recordings.retain_days is None:
        where = config.recordings.where if config.recordings.where.line else (records or others)[0].where
        yield error(where, "calls are recorded, and nothing says how long the recordings are kept",
                    "write [recordings] retain-days = 90")  # fmt: skip
    for name, queue in config.queues.items():
        if queue.record not in (None, "never") and not queue.notice:
            yield warning(queue.where, f"queue {name} records and tells nobody",
                          'add notice = "recording-notice"')  # fmt: skip


def _queues(config: Config) -> Iterator[Finding]:
    staffed = {queue for agent in config.agents.values() for queue in agent.queues or ()}
    staffed |= {q for a in config.agents.values() if a.team in config.teams for q in config.teams[a.team].queues}
    for name, queue in config.queues.items():
        if name not in staffed:
            yield warning(queue.where, f"queue {name} has no agents: nobody can ever answer",
                          f"give an agent or a team queues = {{ {name} = 1 }}")  # fmt: skip
    if not config.agents:
        for _, steps in lists_of(config):
            for step in every_step(steps):
                if isinstance(step, AgentStep):
                    yield warning(step.where, "there are no agents to log in", "add [agents.NAME]")


def _alerts(config: Config) -> Iterator[Finding]:
    known = dict.fromkeys(figures_of(config), NUMBER)
    for alert in config.alerts.values():
        try:
            compile_condition(alert.when)
        except ConditionError as problem:
            yield error(alert.where_of("when"), f'"{alert.when}": {problem} (column {problem.column})')
            continue
        for problem_text in compile_condition(alert.when).problems(known.get):
            cure = f"there are {', '.join(HOUSE)}, queue.F and queue.NAME.F; F: {', '.join(FIGURES)}"
            yield error(alert.where_of("when"), f'"{alert.when}": {problem_text}', cure)
        if not alert.webhook and not alert.mail:
            yield warning(alert.where, "this alert tells nobody", 'add webhook = "…" or mail = "…"')
        if alert.mail and config.mail is None:
            yield error(alert.where_of("mail"), "there is no [mail] to send by", 'add [mail] smtp = "127.0.0.1:25"')


# What an alert may ask for: of the house, and of a queue (queue.F: of any; queue.NAME.F: of that one).
HOUSE = ("calls", "registrations", "trunks-down", "hands-raised")
FIGURES = (
    "waiting", "longest-wait-s", "callbacks", "ready", "logged-in", "paused", "on-call", "entered", "answered",
    "abandoned", "service-level",
)  # fmt: skip


def figures_of(config: Config) -> frozenset[str]:
    """Return every name that an alert may ask for."""
    of_queues = (f"queue.{queue}.{key}" for queue in config.queues for key in FIGURES)
    return frozenset((*HOUSE, *(f"queue.{key}" for key in FIGURES), *of_queues))


def _mail(config: Config) -> Iterator[Finding]:
    boxes = [*config.mailboxes.values(), *(e.voicemail for e in config.endpoints.values() if e.voicemail is not None)]
    for box in boxes:
        if box.mail and config.mail is None:
            yield warning(box.where_of("mail"), "messages are mailed, and nothing says by which server",
                          'add [mail] smtp = "127.0.0.1:25", from = "pbx@example.com"')  # fmt: skip
        if box.webhook and not box.webhook.startswith(("http://", "https://")):
            yield error(box.where_of("webhook"), f'"{box.webhook}" is no address', "write http://… or https://…")


def _unbuilt(config: Config) -> Iterator[Finding]:
    told: set[type] = set()
    for _, steps in lists_of(config):
        for step in every_step(steps):
            if type(step) not in RUNNERS and type(step) not in told:
                told.add(type(step))
                verb = next((f for f in type(step).model_fields if f in step.model_fields_set), "?")
                yield warning(step.where, f"the step {verb} is not built yet: a call that reaches it gets 501")


def today() -> date:
    return datetime.now(UTC).date()
