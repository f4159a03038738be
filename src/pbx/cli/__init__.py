"""The one program that people type: ``pbx``."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from pathlib import Path

import click

from pbx import __version__
from pbx.errors import PbxError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="pbx")
def cli() -> None:
    """A call-centre phone system."""


def load_commands() -> None:
    """Hang every command into the tree."""
    from pbx.cli import (
        backups,
        configuration,
        desks,
        follow,
        live,
        prompts,
        recordings,
        records,
        report,
        schemas,
        show,
        simulate,
        steer,
        trace,
        why,
    )
    from pbx.cli.check import check
    from pbx.cli.console import console
    from pbx.cli.test import test

    steer.log.add_command(follow.log_follow)
    for command in (desks.forward, desks.dnd, desks.filter_, desks.sync):
        endpoint.add_command(command)
    for command in (
        check, test, show.show, *steer.COMMANDS, *records.COMMANDS, *report.COMMANDS, *simulate.COMMANDS,
        *configuration.COMMANDS,
        *prompts.COMMANDS, desks.phones, *recordings.COMMANDS, *backups.COMMANDS, *why.COMMANDS, *trace.COMMANDS,
        follow.events, live.watch, live.top, console,
        schemas.schema,
    ):  # fmt: skip
        cli.add_command(command)


def _load_for(command: list[str]) -> None:
    """Load every command; but what runs in editors' hooks, and the server itself, start without the rest."""
    if command == ["check"]:
        from pbx.cli.check import check

        cli.add_command(check)
    elif command != ["serve"]:
        load_commands()


def main() -> None:
    """Run the command line; an error is one clear line and a status that says which (docs/commands.md)."""
    from pbx.cli.client import NO_SERVER, NOT_THERE, REFUSED, NoServer, NotThere

    try:
        words = _meant(sys.argv[1:])
        _load_for(words[:1])
        cli.main(args=words, standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except PbxError as error:
        click.echo(f"pbx: {error}", err=True)
        sys.exit(NO_SERVER if isinstance(error, NoServer) else NOT_THERE if isinstance(error, NotThere) else REFUSED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is for nobody
        sys.exit(141)


def _meant(words: list[str]) -> list[str]:
    """Understand what fingers of other systems type, ``-rx "…"`` and ``-x "…"`` too; say what it is called here."""
    from pbx.cli import habits

    if len(words) == 2 and words[0] in ("-rx", "-x"):
        words = shlex.split(words[1])
    meant = habits.translate(words)
    if isinstance(meant, str):
        click.echo(f"pbx: {meant}", err=True)
        sys.exit(2)
    if meant is None or meant == words:
        return words
    click.echo(f"pbx: here it is `pbx {shlex.join(meant)}`", err=True)
    return ["--help"] if meant == ["help"] else meant


DIRECTORY = click.Path(path_type=Path)


@cli.command()
@click.option("-c", "--config", "directory", type=DIRECTORY, default=Path("conf"), show_default=True,
              help="The configuration directory.")  # fmt: skip
@click.option("--state", type=DIRECTORY, default=None, help="Where var/ lives; default: the configuration directory.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default=None)
@click.option("--hints", is_flag=True, help="Say what to do next, as for a first try.")
def serve(directory: Path, state: Path | None, log_level: str | None, hints: bool) -> None:
    """Run the server until SIGTERM."""
    _use_the_c_library_s_memory()
    import uvloop

    from pbx import server
    from pbx.cli.hints import first_steps
    from pbx.cli.logs import set_up

    set_up(log_level or "info")
    made = server.Server(directory, state)
    set_up(log_level or made.config.log.level, made.config.log.format)

    def ready(running: server.Server) -> None:
        if hints:
            click.echo(first_steps(running))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(made.serve(ready))


def _use_the_c_library_s_memory() -> None:
    """Begin anew with objects allocated by the C library, which gives memory back after a rush.

    Python's own arenas stay as long as a single object of the rush lives in them. In pages of 2 MB, for a call touches
    objects all over the heap: with small ones finding the pages is a tenth of its time.
    """
    if "PYTHONMALLOC" not in os.environ:
        os.environ["PYTHONMALLOC"] = "malloc"
        os.environ.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


@cli.group()
def endpoint() -> None:
    """Endpoints."""


@endpoint.command("secret")
@click.argument("number")
@click.option("-c", "--config", "directory", type=DIRECTORY, default=Path("conf"), show_default=True)
@click.option("--state", type=DIRECTORY, default=None)
def endpoint_secret(number: str, directory: Path, state: Path | None) -> None:
    """Show an endpoint's secret."""
    import os

    from pbx.config.loader import load
    from pbx.config.secrets import read_secret

    config = load(directory).valid()
    found = config.endpoints.get(number)
    if found is None:
        raise PbxError(f"no endpoint {number}; there are {', '.join(list(config.endpoints)[:10])}")
    secret = read_secret(found.secret, state or directory, os.environ) if found.secret is not None else None
    if secret is None:
        raise PbxError(f"endpoint {number} has no secret yet; the first `pbx serve -c {directory}` makes it")
    click.echo(secret)
