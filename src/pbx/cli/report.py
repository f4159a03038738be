"""``pbx report``: queues, groups, agents and dispositions by interval, from the log."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import click
import orjson

from pbx.cli.common import Past, asks
from pbx.cli.records import thresholds_of
from pbx.cli.tables import Column, Row, clock, print_table
from pbx.config.config import Config
from pbx.config.loader import load
from pbx.events import Logged
from pbx.store import figures, numbers, queue_figures
from pbx.store.entries import Entry, entries_of
from pbx.store.today import day_of
from pbx.store.window import Window

INTERVALS = ("half-hour", "hour", "day", "week", "month", "all")
DAY_S = 86_400
WIDTH_S = {"half-hour": 1800, "hour": 3600, "day": 90_000, "week": 8 * DAY_S, "month": 32 * DAY_S, "all": 0}
_ENTRIES = ("queue.entered", "queue.left", "queue.served", "queue.refused", "call.disposition")
# The kinds of each report, and how long before and after its time they are read: a call that entered within it may
# end, and get its result, a day later; a promise is kept days later; a contact is judged by the week that follows.
READ: dict[str, tuple[tuple[str, ...], int, int]] = {
    "queues": (_ENTRIES, 0, DAY_S),
    "groups": (_ENTRIES, DAY_S, (figures.FCR_DAYS + 1) * DAY_S),
    "dispositions": (_ENTRIES, 0, DAY_S),
    "agents": (figures.KINDS, 0, DAY_S // 24),
    "numbers": (numbers.KINDS, 0, DAY_S),
    "surveys": (("survey.answered",), 0, 0),
    "callbacks": (("callback.changed",), 0, 31 * DAY_S),
}
WHATS = ("queues", "groups", "agents", "dispositions", "numbers", "surveys", "callbacks")
DEFINITIONS = {
    "service_level": "answered within service-level-s ÷ (entered − short abandons − exits within it by key, overflow, "
    "move, callback)",
    "sl_offered": "answered within service-level-s ÷ entered",
    "sl_answered": "answered within service-level-s ÷ answered (Asterisk's SL)",
    "sl_abandon_ok": "(answered + abandoned within service-level-s) ÷ (answered + abandoned) (Asterisk's SL2)",
    "asa_s": "mean queue wait of answered entries",
    "transfer_rate": "answered queue calls sent on, blind or attended ÷ answered; one that came back is none",
    "aht_s": "(talk + hold + wrap-up) ÷ answered queue calls",
    "occupancy": "(talk + hold + wrap-up) ÷ (that + ready + reserved + ringing); pauses, unreachable and direct calls "
    "excluded",
    "utilisation": "(talk + hold + wrap-up + direct calls + productive pauses) ÷ logged-in time",
    "participation": "scored ÷ offered; the score belongs to the last agent",
    "kept_rate": "callbacks connected ÷ callbacks accepted",
    "time_to_callback_s": "mean time from the promise to the customer's answer, outside of waits and service level",
    "entered": "entries into a queue; exactly one exit each: answered, abandoned, timeout, key, emptied, moved, "
    "callback, lost, or still waiting",
    "abandoned": "the caller ended while waiting or while an agent rang",
    "short_abandoned": "abandoned before short-abandon-s; shown inside abandoned",
    "refused": "not let in: full, closed, nobody logged in; never inside entered",
    "overflowed": "timed out or emptied, and gone on to another queue",
    "overflow_in": "entries of calls that another queue let go",
    "transfer_in": "entries of calls that somebody transferred here",
    "answered_share": "answered ÷ entered",
    "abandoned_share": "(abandoned − short) ÷ (entered − short)",
    "longest_wait_s": "the longest queue wait of anybody, abandoned and still waiting included",
    "short_by_caller": "answered, and ended by the caller within 10 s of talk; short_by_agent: by the agent",
    "total_wait_s": "mean time from a call's first queue entry to the conversation, across overflows",
    "containment": "calls served without reaching a queue ÷ calls that entered a menu",
    "answer_rate": "answered ÷ (offers − cancelled − failed)",
    "fcr": "contacts after which the same number did not come to the same group within 7 days ÷ contacts judged; "
    "withheld numbers, records.switchboards, short abandons and calls back within 60 s of a drop are left out",
}


def bounds(interval: str, day_starts: str) -> figures.Bounds:
    """Return what finds the begin of an interval; days, weeks and months begin with the business day."""
    if interval == "all":
        return lambda at: 0.0
    if interval in ("half-hour", "hour"):
        size_s = 1800 if interval == "half-hour" else 3600
        return lambda at: float(at // size_s * size_s)

    def begin(at: float) -> float:
        day = day_of(at, day_starts)[0]
        local = datetime.fromtimestamp(day)
        if interval == "week":
            local = datetime.fromordinal(local.toordinal() - local.weekday()).replace(hour=local.hour,
                                                                                     minute=local.minute)  # fmt: skip
        elif interval == "month":
            local = local.replace(day=1)
        return local.timestamp()

    return begin


@click.command()
@click.argument("what", type=click.Choice(WHATS), required=False)
@click.option("--by", type=click.Choice(INTERVALS), default="day", show_default=True)
@click.option("--since", type=Past(), default=None, help='From then on: "2026-11-25 00:00", or 24h ago as -24h.')
@click.option("--until", "before", type=Past(), default=None, help="Before.")
@click.option("--csv", "as_csv", is_flag=True)
@click.option("--calls", is_flag=True, help="The queue entries behind the figures, one a row.")
@click.option("--like", type=click.Choice(["asterisk"]), help="Queues as app_queue counts: by when calls ended.")
@click.option("--define", type=click.Choice(list(DEFINITIONS)), help="Say what a figure means.")
@click.option("--state", type=click.Path(path_type=Path), default=None, help="Where var/ lives.")
@asks
def report(
    what: str | None, by: str, since: float | None, before: float | None, as_csv: bool, calls: bool,
    like: str | None, define: str | None, state: Path | None, directory: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Report WHAT by interval: queues, groups, agents, dispositions, numbers dialled, surveys, callbacks.

    Groups are of queues, with first-call resolution. --define says what a figure means.
    """
    if define is not None:
        click.echo(f"{define} = {DEFINITIONS[define]}")
        return
    if what is None:
        raise click.UsageError(f"say what: {', '.join(WHATS)}")
    if (calls or like) and what != "queues":
        raise click.UsageError("--calls and --like are of `pbx report queues`")
    home = directory or Path("conf")
    config = load(home).valid()
    begin_of = _between(since, before) if by == "all" else bounds(by, config.business_day_starts)
    first = None if since is None else begin_of(since)
    log = _read(what, (state or home) / config.store.path, first, None if before is None else before + WIDTH_S[by],
                config.agents)  # fmt: skip
    how = "calls" if calls else like or what
    rows = _rows(how, config, log, begin_of, time.time())
    rows = [row for row in rows if _within(row, begin_of, since, before)]
    if as_json:
        click.echo(orjson.dumps(rows).decode())
    elif as_csv:
        click.echo(_csv(rows), nl=False)
    else:
        print_table(rows, [_column(name) for name in (rows[0] if rows else {}) if name != "seconds"])
        click.echo(f"{len(rows)} rows")


def _between(since: float | None, before: float | None) -> figures.Bounds:
    """Return what finds the one interval [since, before); what lies beside it belongs to no row that is shown."""
    low, high = 0.0 if since is None else since, math.inf if before is None else before

    def begin(at: float) -> float:
        if at < low:
            return -1.0
        return low if at < high else high

    return begin


def _read(what: str, path: Path, first: float | None, last: float | None, agents: Iterable[str]) -> list[Logged]:
    """Read what the rows of [first, last) are made of: what came of it later too, and nothing of before."""
    kinds, before_s, after_s = READ[what]
    window = Window(None if first is None else first - before_s, None if last is None else last + after_s)
    standing = window.standing(path, agents) if "agent.state" in kinds else []
    return [*standing, *window.of_kinds(path, kinds)]


def _rows(what: str, config: Config, log: list[Logged], begin_of: figures.Bounds, now: float) -> list[figures.Row]:
    of_events = {"surveys": figures.surveys, "callbacks": figures.callbacks, "numbers": numbers.numbers}
    if what == "agents":
        return figures.agents(log, now, begin_of)
    if what in of_events:
        return of_events[what](log, begin_of)
    entries: list[Entry] = list(entries_of(log).values())
    queue_figures.settle_waiting(entries, now)

    def thresholds(queue: str) -> tuple[float, float]:
        return thresholds_of(config, queue)

    if what == "calls":
        return queue_figures.behind(entries, begin_of)
    if what == "asterisk":
        return queue_figures.like_asterisk(entries, thresholds, begin_of)
    if what == "dispositions":
        return figures.dispositions(entries, begin_of)
    if what == "queues":
        return queue_figures.queues(entries, thresholds, begin_of, refused=log)

    def group_of(queue: str) -> str:
        spec = config.queues.get(queue)
        return spec.group if spec is not None else ""

    resolved = figures.first_call_resolution(
        entries, group_of, lambda queue: thresholds(queue)[1], now, begin_of, config.records.switchboards
    )
    return figures.groups(queue_figures.queues(entries, thresholds, begin_of, group_of, log), resolved)


def _within(row: figures.Row, begin_of: figures.Bounds, since: float | None, before: float | None) -> bool:
    began = row["began_utc"]
    assert isinstance(began, float | int)
    return (since is None or began >= begin_of(since)) and (before is None or began < before)


def _column(name: str) -> Column:
    if name == "began_utc":
        return Column("began", lambda row: clock(row["began_utc"]) if row["began_utc"] else "–")
    shown: Callable[[Row], str] = lambda row: "–" if row[name] is None else str(row[name])  # noqa: E731
    return Column(name.replace("_", " "), shown, right=name not in ("queue", "group", "agent", "disposition", "survey"))


def _csv(rows: list[figures.Row]) -> str:
    out = io.StringIO()
    names = [name for name in (rows[0] if rows else {}) if name != "seconds"]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(["" if row[name] is None else row[name] for name in names] for row in rows)
    return out.getvalue()


COMMANDS = (report,)
