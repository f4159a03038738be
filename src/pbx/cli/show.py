"""``pbx show …``: what is going on, as tables or as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from pbx.cli.client import ask, find_socket

Row = dict[str, Any]
Columns = list[tuple[str, Callable[[Row], str]]]


def _clock(seconds: float | None) -> str:
    return "–" if seconds is None else time.strftime("%m-%d %H:%M:%S", time.localtime(seconds))


def _parties(row: Row) -> str:
    return " ↔ ".join(f"{leg['party']} ({leg['state']})" for leg in row["legs"])


VIEWS: dict[str, tuple[str, str, Columns]] = {
    "calls": (
        "Calls in progress.",
        "/v1/calls",
        [
            ("call", lambda r: r["call_id"]),
            ("state", lambda r: r["state"]),
            ("from", lambda r: r["caller"]),
            ("dialled", lambda r: r["dialled"]),
            ("for s", lambda r: f"{r['duration_s']:.0f}"),
            ("legs", _parties),
        ],
    ),
    "registrations": (
        "Where endpoints are registered.",
        "/v1/registrations",
        [
            ("endpoint", lambda r: r["endpoint"]),
            ("contact", lambda r: r["contact"]),
            ("source", lambda r: r["source"]),
            ("phone", lambda r: r["user_agent"]),
            ("expires s", lambda r: str(r["expires_s"])),
        ],
    ),
    "endpoints": (
        "Configured endpoints and their state.",
        "/v1/endpoints",
        [
            ("endpoint", lambda r: r["endpoint"]),
            ("name", lambda r: r["name"]),
            ("state", lambda r: r["state"]),
            ("contacts", lambda r: str(r["contacts"])),
            ("legs", lambda r: str(r["legs"])),
            ("context", lambda r: r["context"]),
        ],
    ),
    "trunks": (
        "Configured trunks and their load.",
        "/v1/trunks",
        [
            ("trunk", lambda r: r["trunk"]),
            ("proxy", lambda r: ", ".join(r["proxy"])),
            ("state", lambda r: f"{r['state']} {r['cause']}".rstrip()),
            ("legs", lambda r: f"{r['legs']}/{r['max_calls']}"),
            ("context", lambda r: r["context"]),
        ],
    ),
    "cdr": (
        "The newest call records.",
        "/v1/cdr",
        [
            ("started", lambda r: _clock(r["started_utc"])),
            ("from", lambda r: r["caller"]),
            ("dialled", lambda r: r["dialled"]),
            ("answered by", lambda r: r["answered_by"] or "–"),
            ("talk s", lambda r: f"{r['talk_ms'] / 1000:.1f}"),
            ("cause", lambda r: r["cause"]),
            ("ended by", lambda r: r["ended_by"]),
            ("call", lambda r: r["call_id"]),
        ],
    ),
}


def register(cli: click.Group) -> None:
    """Add the commands that ask a running server."""
    if "show" in cli.commands:
        return

    @cli.group()
    def show() -> None:
        """What is going on in a running server."""

    for name, (text, url, columns) in VIEWS.items():
        show.add_command(_view(name, text, url, columns))
    show.add_command(_status())


def _common(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option("--json", "as_json", is_flag=True, help="Machine-readable.")(command)
    return click.option(
        "-c", "--config", "directory", type=click.Path(path_type=Path), default=None, help="The server's directory."
    )(command)


def _view(name: str, text: str, url: str, columns: Columns) -> click.Command:
    @click.command(name, help=text)
    @_common
    def view(directory: Path | None, as_json: bool) -> None:
        rows = ask(find_socket(directory), "GET", url)
        if as_json:
            click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
            return
        print_table(rows, columns)
        click.echo(f"{len(rows)} {name}")

    return view


def _status() -> click.Command:
    @click.command("status", help="The server itself.")
    @_common
    def status(directory: Path | None, as_json: bool) -> None:
        found = ask(find_socket(directory), "GET", "/v1/status")
        if as_json:
            click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
            return
        for key, value in found.items():
            click.echo(f"{key:15} {value}")

    return status


def print_table(rows: list[Row], columns: Columns) -> None:
    """Print rows aligned to the terminal; wide characters count twice."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, _ in columns:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(get(row) for _, get in columns))
    Console(soft_wrap=False).print(table)
