"""``pbx log follow`` and ``pbx events``: what happens, as it happens, over restarts of the server."""

from __future__ import annotations

import asyncio
import sys
import time
import urllib.parse
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import click
import orjson
from rich.text import Text

from pbx.cli.client import NoServer, NotThere, find_socket
from pbx.cli.names import CALL
from pbx.cli.tables import STYLES, output
from pbx.errors import PbxError

AGAIN_S = 1.0  # between two attempts to find the server

Query = Callable[[], dict[str, str]]


async def messages(path: Path, url: str, query: Query, *, again: bool = True) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the messages of a WebSocket of the server; *query* is asked anew at each connection.

    :raises NoServer: where nobody answers, unless it is to be tried *again*.
    :raises PbxError: when the server says no.
    """
    import aiohttp

    down = False
    while True:
        try:
            async with (
                aiohttp.ClientSession("http://pbx", connector=aiohttp.UnixConnector(str(path))) as session,
                session.ws_connect(f"{url}?{urllib.parse.urlencode(query())}", heartbeat=20.0) as socket,
            ):
                if down:
                    click.echo("-- the server is back", err=True)
                    down = False
                async for message in socket:
                    yield orjson.loads(message.data)
        except aiohttp.WSServerHandshakeError as error:
            raise (NotThere if error.status == 404 else PbxError)(
                f"the server refuses ({error.status}): look at the words of the filter"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            if not again:
                raise NoServer(f"no server answers on {path}: {error}") from None
        if not again:
            return
        if not down:
            click.echo("-- the server is gone; waiting for it", err=True)
            down = True
        await asyncio.sleep(AGAIN_S)


def run(work: Any) -> None:
    """Run until it ends or Ctrl-C."""
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        click.echo("", err=True)


def _directory(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "-c", "--config", "directory", type=click.Path(path_type=Path), default=None, help="The server's directory."
    )(command)


@click.command("follow")
@click.option("--level", type=click.Choice(["debug", "info", "warning", "error"]), default="debug",
              help="Only lines from this level up.")  # fmt: skip
@click.option("--room", default="", help="Only this part: sip, media, acd, dialplan …")
@click.option("--call", type=CALL, default="", help="Only this call's lines.")
@click.option("--text", default="", help="Only lines with this text.")
@click.option("--last", type=click.IntRange(0, 1000), default=20, show_default=True, help="Begin with so many lines.")
@click.option("--count", type=click.IntRange(1), default=None, help="End after so many lines.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@_directory
def log_follow(
    level: str, room: str, call: str, text: str, last: int, count: int | None, as_json: bool, directory: Path | None
) -> None:
    """Follow the server's log; Ctrl-C ends it.

    Example: pbx log follow --level warning --room sip
    """
    looked_back = [last]

    def query() -> dict[str, str]:
        lines, looked_back[0] = looked_back[0], 0
        return {"level": level, "room": room, "call": call, "text": text, "last": str(lines)}

    async def work() -> None:
        left = count
        out = output()
        async with aclosing(messages(find_socket(directory), "/v1/log/follow", query)) as lines:
            async for line in lines:
                if as_json:
                    click.echo(orjson.dumps(line).decode())
                elif "lost" in line:
                    click.echo(f"-- {line['lost']} lines were too many", err=True)
                else:
                    out.print(_line(line))
                sys.stdout.flush()
                if left is not None and (left := left - 1) == 0:
                    return

    run(work())


def _line(line: dict[str, Any]) -> Text:
    stamp = time.strftime("%H:%M:%S", time.localtime(line["at_utc"])) + f".{int(line['at_utc'] % 1 * 1000):03d}"
    text = Text(f"{stamp} ", style="dim")
    text.append(f"{line['level']:7} ", style=STYLES.get(line["level"], "none"))
    call = f" [{line['call']}]" if line["call"] else ""
    return text.append(f"{line['room']}{call} {line['message']}", style="none")


@click.command()
@click.option("--kinds", default="", help="Only kinds that begin like this: call.,queue.left")
@click.option("--call", type=CALL, default="", help="Only this call's.")
@click.option("--since", type=click.IntRange(0), default=None, help="Begin after this seq; 0 is everything.")
@click.option("--count", type=click.IntRange(1), default=None, help="End after so many events.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@_directory
def events(kinds: str, call: str, since: int | None, count: int | None, as_json: bool, directory: Path | None) -> None:
    """Follow the event log; Ctrl-C ends it. Nothing is missed over a restart of the server.

    Example: pbx events --kinds queue.,agent.state
    """
    seen = [since]

    def query() -> dict[str, str]:
        asked = {"kinds": kinds, "call": call}
        return asked if seen[0] is None else {**asked, "since": str(seen[0])}

    async def work() -> None:
        left = count
        async with aclosing(messages(find_socket(directory), "/v1/feed", query)) as found:
            async for message in found:
                if "feed" in message:
                    seen[0] = message["since"] if seen[0] is None else seen[0]
                    continue
                _tell(message, as_json)
                seen[0] = message.get("seq", seen[0])
                if left is not None and (left := left - 1) == 0:
                    return

    run(work())


def _tell(message: dict[str, Any], as_json: bool) -> None:
    if "lost" in message:
        lost = message["lost"]
        click.echo(f"-- the events from {lost['after'] + 1} to {lost['before'] - 1} are gone", err=True)
    elif as_json:
        click.echo(orjson.dumps(message).decode())
    else:
        output().print(_event(message))
    sys.stdout.flush()


def _event(message: dict[str, Any]) -> Text:
    at = message["at_utc"]
    text = Text(f"{message['seq']:>8} {time.strftime('%H:%M:%S', time.localtime(at))}.{int(at % 1 * 1000):03d} ", "dim")
    text.append(f"{message['kind']:<18} ", style="bold")
    if where := message["leg_id"] or message["call_id"]:
        text.append(f"{where} ", style="cyan")
    shown = (f"{name}={value}" for name, value in message["data"].items())
    return text.append(" ".join(shown), style="none")
