"""Tables for terminals: aligned, coloured by state, as wide as the terminal, Chinese counted as two columns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

Row = dict[str, Any]

STYLES = {
    "up": "green", "ready": "green", "registered": "green", "talking": "green", "answered": "green", "yes": "green",
    "ringing": "yellow", "reserved": "yellow", "registering": "yellow", "waiting": "yellow", "new": "yellow",
    "on-call": "cyan", "wrap-up": "blue", "paused": "magenta",
    "unreachable": "red", "down": "red", "lost": "red", "failed": "red", "warning": "yellow", "error": "red",
    "logged-out": "dim", "disabled": "dim", "ended": "dim", "debug": "dim",
}  # fmt: skip
WIDE = 10_000  # where nobody looks but a program: never fold


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    get: Callable[[Row], str]
    right: bool = False
    state: bool = False  # coloured by its first word


def column(title: str, key: str, *, right: bool = False, state: bool = False) -> Column:
    """Show a member as it is."""
    return Column(title, lambda row: "–" if row[key] in (None, "") else str(row[key]), right, state)


def seconds(title: str, key: str) -> Column:
    """Show a duration."""
    return Column(title, lambda row: lasted(row[key]), right=True)


def lasted(value: float | None) -> str:
    """Return a duration as people read it: 42 s, 3:05, 1:02:03."""
    if value is None:
        return "–"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def clock(value: float | None) -> str:
    return "–" if value is None else time.strftime("%m-%d %H:%M:%S", time.localtime(value))


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.1f} %"


def output() -> Console:
    """Return where tables go: the terminal as wide as it is, a pipe without folding."""
    console = Console(soft_wrap=False, highlight=False)
    return console if console.is_terminal else Console(soft_wrap=True, highlight=False, width=WIDE)


def table(rows: Sequence[Row], columns: Sequence[Column]) -> Table:
    """Lay rows out."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for one in columns:
        made.add_column(one.title, justify="right" if one.right else "left", overflow="fold")
    for row in rows:
        cells = []
        for one in columns:
            text = one.get(row)
            cells.append(Text(text, style=STYLES.get(text.split(" ")[0], "") if one.state else ""))
        made.add_row(*cells)
    return made


def print_table(rows: Sequence[Row], columns: Sequence[Column], console: Console | None = None) -> None:
    """Print rows."""
    (console or output()).print(table(rows, columns))
