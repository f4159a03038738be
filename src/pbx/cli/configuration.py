"""``pbx reload`` and ``pbx config …``: let files count, see what changed, go back."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson

from pbx.cli.client import ask, find_socket


def _common(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option("--json", "as_json", is_flag=True, help="Machine-readable.")(command)
    return click.option(
        "-c", "--config", "directory", type=click.Path(path_type=Path), default=None, help="The server's directory."
    )(command)


def _print_json(data: object) -> None:
    click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())


def _tell_swap(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _print_json(done)
        return
    for warning in done["warnings"]:
        click.echo(warning, err=True)
    for line in done["changes"]:
        click.echo(f"  {line}")
    click.echo("reloaded: the files count now" if done["changes"] else "reloaded: nothing changed")
    if done["wants_restart"]:
        click.echo(f"needs a restart to count: {', '.join(done['wants_restart'])}")


@click.command()
@_common
def reload(directory: Path | None, as_json: bool) -> None:
    """Let the files count; calls in progress finish on what they started with.

    A configuration with an error changes nothing: every error is named, and the exit status is 1.
    """
    _tell_swap(ask(find_socket(directory), "POST", "/v1/config/reload"), as_json)


@click.group("config")
def config() -> None:
    """Versions of the configuration."""


@config.command()
@_common
def history(directory: Path | None, as_json: bool) -> None:
    """List the versions that ran, newest first."""
    versions = ask(find_socket(directory), "GET", "/v1/config/history")
    if as_json:
        _print_json(versions)
        return
    for version in versions:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(version["at_utc"]))
        told = "; ".join(version["changes"])
        click.echo(f"{version['number']:5}  {at}  {version['digest'][:10]}  {version['by']:12}  {told}")
    click.echo(f"{len(versions)} versions; `pbx config rollback NUMBER` goes back to one")


@config.command()
@click.argument("one", type=click.IntRange(1), required=False)
@click.argument("other", type=click.IntRange(1), required=False)
@_common
def diff(one: int | None, other: int | None, directory: Path | None, as_json: bool) -> None:
    """Compare the files with what runs, and show what people set by day; or version ONE with OTHER (or what runs)."""
    query = "&".join(f"{key}={number}" for key, number in (("from", one), ("to", other)) if number is not None)
    found = ask(find_socket(directory), "GET", f"/v1/config/diff?{query}")
    if as_json:
        _print_json(found)
        return
    for line in found["files"]:
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
        click.secho(line, fg=colour)
    for line in found["changes"]:
        click.echo(line)
    if not found["files"]:
        click.echo("the files are what runs" if one is None else "no difference")
    if found["runtime"]:
        click.echo("set by day, kept over reload and restart:")
        for line in found["runtime"]:
            click.echo(f"  {line}")


@config.command()
@click.argument("number", type=click.IntRange(1))
@_common
def rollback(number: int, directory: Path | None, as_json: bool) -> None:
    """Write the files of version NUMBER back and let them count; what stands there now is kept as a version."""
    _tell_swap(ask(find_socket(directory), "POST", f"/v1/config/rollback/{number}"), as_json)


COMMANDS = (reload, config)
