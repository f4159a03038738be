"""What commands share: where the server is, JSON or a line, times that people write."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import orjson

from pbx.errors import PbxError

_SPAN = re.compile(r"(-?\d+)\s*(s|min|m|h|d)")
_UNITS_S = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}


def asks(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``-c`` and ``--json``."""
    command = click.option("--json", "as_json", is_flag=True, help="Machine-readable.")(command)
    return click.option(
        "-c", "--config", "directory", type=click.Path(path_type=Path), default=None, help="The server's directory."
    )(command)


def print_json(data: object) -> None:
    click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())


def tell(answer: dict[str, Any], as_json: bool) -> None:
    """Say what an action did."""
    if as_json:
        print_json(answer)
    else:
        click.echo(answer["did"])


def instant(text: str, now: float | None = None, *, past: bool = False) -> float:
    """Read ``18:00``, ``2026-11-25 18:00`` or a span such as ``90min`` or ``-24h``; return seconds since the epoch.

    A time of day is the next one, of the *past* the last one; a day alone is its begin.

    :raises PbxError: for anything else.
    """
    now = time.time() if now is None else now
    if match := _SPAN.fullmatch(text.strip()):
        return now + int(match.group(1)) * _UNITS_S[match.group(2)]
    here = datetime.fromtimestamp(now)
    for form in ("%H:%M", "%Y-%m-%d", *(f"%Y-%m-%d{t}%H:%M{s}" for t in " T" for s in ("", ":%S"))):
        try:
            read = datetime.strptime(text.strip(), form)
        except ValueError:
            continue
        if form != "%H:%M":
            return read.timestamp()
        day = here.replace(hour=read.hour, minute=read.minute, second=0, microsecond=0)
        if past:
            return (day if day <= here else day - timedelta(days=1)).timestamp()
        return (day if day > here else day + timedelta(days=1)).timestamp()
    raise PbxError(f'"{text}" is no time: write 18:00, "2026-11-25 18:00" or 90min')


class Instant(click.ParamType):  # type: ignore[type-arg]
    """An instant of the wall clock."""

    name = "time"
    past = False  # a time of day is the next one

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return instant(str(value), past=self.past)
        except PbxError as error:
            self.fail(str(error), param, ctx)


class Past(Instant):
    """An instant of what was: a time of day is today's, or yesterday's where that is still to come."""

    past = True


until = click.option("--until", type=Instant(), default=None, help="Ends by itself: 18:00, or a span such as 90min.")
