"""``pbx why CALL``, ``pbx callback …``, ``pbx supervise CALL``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import orjson

from pbx.cli.client import ask, find_socket, quoted
from pbx.cli.common import asks, tell
from pbx.cli.names import CALL, ENDPOINT


@click.command()
@click.argument("call", type=CALL)
@asks
def why(call: str, directory: Path | None, as_json: bool) -> None:
    """Tell why CALL went where it went: each step, and for each decision of a queue why each agent was chosen or not.

    CALL is a call_id, a leg_id or a SIP Call-ID; of a call in progress or one of the log.
    """
    found = ask(find_socket(directory), "GET", f"/v1/why/{quoted(call)}")
    if as_json:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    moments: list[dict[str, Any]] = found["moments"]
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moments[0]["at_utc"]))
    click.secho(f"{found['call_id']}, {began}", bold=True)
    for moment in moments:
        where = f"  ({moment['where']})" if moment["where"] else ""
        click.echo(f"{moment['after_s']:9.3f} s  {moment['text']}{where}")
        for reason in moment["reasons"]:
            click.echo(f"{'':14}{reason}")


@click.group()
def callback() -> None:
    """Callbacks that were promised to callers."""


@callback.command("list")
@asks
def list_(directory: Path | None, as_json: bool) -> None:
    """List them in the order of their places."""
    rows = ask(find_socket(directory), "GET", "/v1/callbacks")
    if as_json:
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    for row in sorted(rows, key=lambda row: (row["queue"], row["position"])):
        since = time.strftime("%m-%d %H:%M", time.localtime(row["since_utc"]))
        until = time.strftime("%m-%d %H:%M", time.localtime(row["expires_utc"]))
        click.echo(
            f"{row['queue']:12} {row['position']:4}  {row['number']:16} since {since}  until {until}  "
            f"{row['attempts']} tries  {row['callback_id']}"
        )
    click.echo(f"{len(rows)} callbacks")


@callback.command()
@click.argument("callback_id")
@asks
def cancel(callback_id: str, directory: Path | None, as_json: bool) -> None:
    """Take a promise back."""
    tell(ask(find_socket(directory), "DELETE", f"/v1/callbacks/{quoted(callback_id)}"), as_json)


@click.command()
@click.argument("call", type=CALL)
@click.option("--phone", required=True, type=ENDPOINT, help="The phone that rings.")
@click.option("--mode", type=click.Choice(["listen", "whisper", "barge", "take-over"]), default="listen")
@asks
def supervise(call: str, phone: str, mode: str, directory: Path | None, as_json: bool) -> None:
    """Put a phone into the conversation of CALL.

    Keys there change what it does: 4 listen, 5 whisper to who was called, 6 barge in, 7 take the caller over.
    """
    body = {"phone": phone, "mode": mode}
    tell(ask(find_socket(directory), "POST", f"/v1/calls/{quoted(call)}/supervise", body), as_json)


COMMANDS = (why, callback, supervise)
