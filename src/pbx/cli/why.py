"""``pbx why CALL``, ``pbx callback …``, ``pbx supervise CALL``."""

from __future__ import annotations

import time
import urllib.parse
from pathlib import Path
from typing import Any

import click
import orjson

from pbx.cli.client import ask, find_socket

_JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
_WHERE = click.option(
    "-c", "--config", "directory", type=click.Path(path_type=Path), default=None, help="The server's directory."
)


@click.command()
@click.argument("call")
@_JSON
@_WHERE
def why(call: str, as_json: bool, directory: Path | None) -> None:
    """Tell why CALL went where it went: each step, and for each decision of a queue why each agent was chosen or not.

    CALL is a call_id, a leg_id or a SIP Call-ID; of a call in progress or one of the log.
    """
    found = ask(find_socket(directory), "GET", f"/v1/why/{urllib.parse.quote(call, safe='')}")
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
@_JSON
@_WHERE
def list_(as_json: bool, directory: Path | None) -> None:
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
@_WHERE
def cancel(callback_id: str, directory: Path | None) -> None:
    """Take a promise back."""
    url = f"/v1/callbacks/{urllib.parse.quote(callback_id, safe='')}"
    click.echo(ask(find_socket(directory), "DELETE", url)["did"])


@click.command()
@click.argument("call")
@click.option("--phone", required=True, metavar="ENDPOINT", help="The phone that rings.")
@click.option("--mode", type=click.Choice(["listen", "whisper", "barge", "take-over"]), default="listen")
@_WHERE
def supervise(call: str, phone: str, mode: str, directory: Path | None) -> None:
    """Put a phone into the conversation of CALL.

    Keys there change what it does: 4 listen, 5 whisper to who was called, 6 barge in, 7 take the caller over.
    """
    url = f"/v1/calls/{urllib.parse.quote(call, safe='')}/supervise"
    click.echo(ask(find_socket(directory), "POST", url, {"phone": phone, "mode": mode})["did"])


COMMANDS = (why, callback, supervise)
