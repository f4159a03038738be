"""``pbx cdr``, ``pbx segments``, ``pbx queue-log``, ``pbx audit``, ``pbx sql``: what the log says, from its file."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson

from pbx.cli.common import Past
from pbx.config.config import Config
from pbx.config.loader import load
from pbx.errors import StoreError
from pbx.store import export
from pbx.store.audit import audit as audit_log
from pbx.store.audit import audit_recordings, audit_rollups
from pbx.store.cdr import CallRecord
from pbx.store.cdr_csv import to_csv
from pbx.store.families import Seats, families
from pbx.store.paths import leg_quality, menu_path, trunk_use
from pbx.store.queue_log import QueueLog
from pbx.store.reader import Reader
from pbx.store.segments import segments_of
from pbx.store.window import Window, events_of_call


def database_of(directory: Path, state: Path | None) -> Path:
    """Return a configuration's database file.

    :raises ConfigError: where the configuration cannot be read.
    """
    return (state or directory) / load(directory).valid().store.path


def thresholds_of(config: Config, queue: str) -> tuple[float, float]:
    """Return a queue's seconds of service level and of a short abandon."""
    spec = config.queues.get(queue)
    return (spec.service_level_s, spec.short_abandon_s) if spec is not None else (20.0, 5.0)


def _where(command: Callable[..., Any]) -> Callable[..., Any]:
    path = click.Path(path_type=Path)
    command = click.option("--state", type=path, default=None, help="Where var/ lives.")(command)
    return click.option("-c", "--config", "directory", type=path, default=Path("conf"), show_default=True)(command)


_since = click.option(
    "--since", type=Past(), default=None, help='From then on: "2026-11-25 00:00", or 24h ago as -24h.'
)
_until = click.option("--until", type=Past(), default=None, help="Before then.")


@click.command()
@_where
@click.option("--csv", "as_csv", is_flag=True, help="Asterisk's columns.")
@click.option("--last", type=click.IntRange(1), default=1_000_000_000, help="Only the newest so many.")
@_since
@_until
def cdr(directory: Path, state: Path | None, as_csv: bool, last: int, since: float | None, until: float | None) -> None:
    """Print the records of calls that ended in that time, oldest first, as JSON lines or CSV."""

    async def ask() -> list[CallRecord]:
        reader = Reader(database_of(directory, state))
        try:
            await reader.start()
            return await reader.records(last, since, until)
        except sqlite3.Error as error:
            raise StoreError(f"cannot read the database {database_of(directory, state)}: {error}") from error
        finally:
            await reader.stop()

    records = asyncio.run(ask())[::-1]
    if as_csv:
        click.echo(to_csv(records, header=True), nl=False)
        return
    for record in records:
        click.echo(orjson.dumps(asdict(record)).decode())


@click.command()
@_where
@click.argument("call", required=False)
@_since
@_until
def segments(directory: Path, state: Path | None, call: str | None, since: float | None, until: float | None) -> None:
    """Print who talked with whom, one JSON line a segment; of one CALL, or of those that ended in that time."""
    path = database_of(directory, state)
    if call is not None:
        log = events_of_call(path, call)
        window = Window(log[0].at_utc if log else 0.0, log[-1].at_utc + 1.0 if log else 0.0)
    else:
        window = Window(since, until)
        log = window.calls(path)
    seats = Seats(window.seats(path))
    for entries in families(log):
        for segment in segments_of(entries, seats):
            click.echo(orjson.dumps(asdict(segment)).decode())


@click.command("menu-paths")
@_where
@_since
@_until
def menu_paths(directory: Path, state: Path | None, since: float | None, until: float | None) -> None:
    """Print each caller's way through the menus and where it ended, one JSON line a call that ended in that time."""
    for entries in families(Window(since, until).calls(database_of(directory, state))):
        if (path := menu_path(entries)) is not None:
            click.echo(orjson.dumps(asdict(path)).decode())


@click.command("trunk-use")
@_where
@_since
@_until
def trunk_uses(directory: Path, state: Path | None, since: float | None, until: float | None) -> None:
    """Print calls, seconds and the most legs at one time of each trunk in that time, one JSON line each."""
    for use in trunk_use(Window(since, until).events(database_of(directory, state))).values():
        click.echo(orjson.dumps(asdict(use)).decode())


@click.command()
@_where
@_since
@_until
def quality(directory: Path, state: Path | None, since: float | None, until: float | None) -> None:
    """Print packets, loss, jitter and MOS of every leg of the calls that ended in that time, one JSON line each."""
    for leg in leg_quality(Window(since, until).calls(database_of(directory, state))):
        click.echo(orjson.dumps(asdict(leg)).decode())


@click.command("queue-log")
@_where
@_since
@_until
def queue_log(directory: Path, state: Path | None, since: float | None, until: float | None) -> None:
    """Print the log of that time in the format of Asterisk's queue_log."""
    for line in QueueLog().lines(Window(since, until).events(database_of(directory, state))):
        click.echo(line)


@click.command()
@_where
@click.option("--recordings/--no-recordings", default=True, help="Read every recording too; slow where there are many.")
@_since
def audit(directory: Path, state: Path | None, recordings: bool, since: float | None) -> None:
    """Prove that the figures add up and the recordings are as recorded; exit status 1 where a row does not.

    With --since only what happened from then on is proved: what was rolled up or recorded wants the whole log.
    """
    config, base = load(directory).valid(), state or directory
    path = base / config.store.path
    entries = list(Window(since).events(path))
    faults = audit_log(entries, time.time())
    if since is None:
        faults += audit_rollups(path, lambda name: thresholds_of(config, name))
    if recordings and since is None:
        faults += audit_recordings(path, base / config.recordings.path)
    for fault in faults:
        click.echo(str(fault), err=True)
    click.echo(f"{len(entries)} events: " + (f"{len(faults)} faults" if faults else "everything adds up"))
    sys.exit(1 if faults else 0)


@click.command()
@_where
@click.argument("question")
@click.option("--json", "as_json", is_flag=True)
def sql(directory: Path, state: Path | None, question: str, as_json: bool) -> None:
    """Ask the database a QUESTION in SQL; nothing can be changed."""
    columns, rows = export.query(database_of(directory, state), question)
    if as_json:
        click.echo(orjson.dumps([dict(zip(columns, row, strict=True)) for row in rows]).decode())
        return
    click.echo("\t".join(columns))
    for row in rows:
        click.echo("\t".join("" if value is None else str(value) for value in row))


COMMANDS = (cdr, segments, menu_paths, trunk_uses, quality, queue_log, audit, sql)
