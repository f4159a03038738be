"""``pbx report``: queues, groups, agents and dispositions by interval, from the log."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click
import orjson

from pbx.cli.common import Instant, asks
from pbx.cli.records import thresholds_of
from pbx.cli.tables import Column, Row, clock, print_table
from pbx.config.config import Config
from pbx.config.loader import load
from pbx.events import Logged
from pbx.store import export, figures
from pbx.store.entries import Entry, entries_of
from pbx.store.today import day_of

INTERVALS = ("half-hour", "hour", "day", "week", "month", "all")
WHATS = ("queues", "groups", "agents", "dispositions", "surveys", "callbacks")
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
@click.option("--since", type=Instant(), default=None, help='From then on: "2026-11-25 00:00", or 24h ago as -24h.')
@click.option("--until", "before", type=Instant(), default=None, help="Before.")
@click.option("--csv", "as_csv", is_flag=True)
@click.option("--define", type=click.Choice(list(DEFINITIONS)), help="Say what a figure means.")
@click.option("--state", type=click.Path(path_type=Path), default=None, help="Where var/ lives.")
@asks
def report(
    what: str | None, by: str, since: float | None, before: float | None, as_csv: bool, define: str | None,
    state: Path | None, directory: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Report WHAT by interval: queues, groups, agents, dispositions, surveys, callbacks.

    Groups are of queues, with first-call resolution. --define says what a figure means.
    """
    if define is not None:
        click.echo(f"{define} = {DEFINITIONS[define]}")
        return
    if what is None:
        raise click.UsageError(f"say what: {', '.join(WHATS)}")
    home = directory or Path("conf")
    config = load(home).valid()
    log = list(export.read_kinds((state or home) / config.store.path, figures.KINDS))
    begin_of = bounds(by, config.business_day_starts)
    rows = _rows(what, config, log, begin_of, time.time())
    rows = [row for row in rows if _within(row, begin_of, since, before)]
    if as_json:
        click.echo(orjson.dumps(rows).decode())
    elif as_csv:
        click.echo(_csv(rows), nl=False)
    else:
        print_table(rows, [_column(name) for name in (rows[0] if rows else {}) if name != "seconds"])
        click.echo(f"{len(rows)} rows")


def _rows(what: str, config: Config, log: list[Logged], begin_of: figures.Bounds, now: float) -> list[figures.Row]:
    if what == "agents":
        return figures.agents(log, now, begin_of)
    if what == "surveys":
        return figures.surveys(log, begin_of)
    if what == "callbacks":
        return figures.callbacks(log, begin_of)
    entries: list[Entry] = list(entries_of(log).values())
    if what == "dispositions":
        return figures.dispositions(entries, begin_of)

    def thresholds(queue: str) -> tuple[float, float]:
        return thresholds_of(config, queue)

    if what == "queues":
        return figures.queues(entries, thresholds, begin_of)

    def group_of(queue: str) -> str:
        spec = config.queues.get(queue)
        return spec.group if spec is not None else ""

    resolved = figures.first_call_resolution(
        entries, group_of, lambda queue: thresholds(queue)[1], now, begin_of, config.records.switchboards
    )
    return figures.groups(figures.queues(entries, thresholds, begin_of, group_of), resolved)


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
