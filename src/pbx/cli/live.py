"""``pbx watch`` and ``pbx top``: views that keep themselves up to date, over restarts of the server."""

from __future__ import annotations

import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from pbx.cli.client import NoServer, ask, find_socket
from pbx.cli.tables import Column, Row, table
from pbx.cli.views import VIEWS

QUIT = "qQ\x03\x04\x1b"
WATCHED = ("calls", "channels", "queues", "agents", "registrations", "trunks", "conferences", "limits")


def _directory(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option(
        "-n", "--every", "every_s", type=click.FloatRange(0.2, 60), default=1.0, show_default=True, help="Seconds."
    )(command)
    command = click.option("--count", type=click.IntRange(1), default=None, help="End after so many looks.")(command)
    return click.option(
        "-c", "--config", "directory", type=click.Path(path_type=Path), default=None, help="The server's directory."
    )(command)


@click.command()
@click.argument("what", type=click.Choice(WATCHED))
@_directory
def watch(what: str, directory: Path | None, every_s: float, count: int | None) -> None:
    """Show a list again each second, until q or Ctrl-C.

    Example: pbx watch queues
    """
    view = VIEWS[what]

    def look(path: Path) -> RenderableType:
        rows = ask(path, "GET", view.url)
        return Group(_title(f"{what}: {len(rows)}"), table(rows, view.columns))

    keep_showing(find_socket(directory), look, every_s, count)


@click.command()
@_directory
def top(directory: Path | None, every_s: float, count: int | None) -> None:
    """Show how busy the server is: CPU by thread, loop lag, tick lateness, packets, loss; q or Ctrl-C ends it."""
    before: list[dict[str, Any]] = []

    def look(path: Path) -> RenderableType:
        now = ask(path, "GET", "/v1/pulse")
        shown = pulse(now, before[0] if before else None)
        before[:] = [now]
        return shown

    keep_showing(find_socket(directory), look, every_s, count)


def pulse(now: dict[str, Any], before: dict[str, Any] | None) -> RenderableType:
    """Lay two looks at the server side by side: what changed between them, a second."""
    earlier = before if before is not None and before["packets"] <= now["packets"] else now
    took_s = max(now["at_utc"] - earlier["at_utc"], 1e-9)
    cpu = {thread["tid"]: thread["cpu_s"] for thread in earlier["threads"]}
    rows: list[Row] = [
        {**thread, "share": (thread["cpu_s"] - cpu.get(thread["tid"], thread["cpu_s"])) / took_s}
        for thread in now["threads"]
    ]
    packets, lost = now["packets"] - earlier["packets"], now["lost"] - earlier["lost"]
    loss = f"{lost / (packets + lost) * 100:.2f} %" if packets + lost else "–"
    lines = [
        f"calls {now['calls']}    memory {now['memory_bytes'] / 1e6:.0f} MB    log waiting {now['log_waiting']}",
        f"CPU {(now['cpu_s'] - earlier['cpu_s']) / took_s * 100:.1f} %    "
        f"loop lag {now['loop_lag_ms']:.1f} ms, worst {now['loop_lag_worst_ms']:.1f} ms a minute",
        f"packets {packets / took_s:.0f}/s    loss {loss}    late {now['late'] - earlier['late']}",
        f"media tick late {now['tick_late_p999_ms']:.2f} ms p99.9, worst {now['tick_late_worst_ms']:.2f} ms, "
        f"{now['ticks_skipped']} ms skipped",
        "",
    ]
    columns = [
        Column("thread", lambda r: r["thread"]),
        Column("CPU %", lambda r: f"{r['share'] * 100:.1f}", right=True),
        Column("CPU s", lambda r: f"{r['cpu_s']:.2f}", right=True),
    ]
    busy = sorted(rows, key=lambda row: (-row["share"], -row["cpu_s"]))
    return Group(_title("top"), *(Text(line) for line in lines), table(busy, columns))


def _title(text: str) -> Text:
    return Text(f"{time.strftime('%H:%M:%S')}  {text}   (q ends)", style="bold")


def keep_showing(path: Path, look: Callable[[Path], RenderableType], every_s: float, count: int | None) -> None:
    """Show what *look* returns, again and again; a server that is gone is waited for.

    :raises NoServer: where none answers at the first look.
    """
    shown = look(path)
    console = Console(highlight=False)
    with _keys() as pressed, Live(shown, console=console, auto_refresh=False, screen=console.is_terminal) as live:
        looks = 1
        while count is None or looks < count:
            if pressed(every_s):
                return
            try:
                shown = look(path)
            except NoServer:
                shown = Group(_title("the server is gone; waiting for it"))
            live.update(shown, refresh=True)
            looks += 1
        live.refresh()


def _asleep(wait_s: float) -> bool:
    time.sleep(wait_s)
    return False


@contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """Yield a wait that ends early, and says so, when a key that quits was pressed."""
    if not sys.stdin.isatty():
        yield _asleep
        return
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)

    def pressed(wait_s: float) -> bool:
        ready, _, _ = select.select([fd], [], [], wait_s)
        return bool(ready) and sys.stdin.read(1) in QUIT

    try:
        tty.setcbreak(fd)
        yield pressed
    except KeyboardInterrupt:
        pass
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
