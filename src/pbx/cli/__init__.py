"""The one program that people type: ``pbx``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from pbx import __version__
from pbx.errors import PbxError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="pbx")
def cli() -> None:
    """A call-centre phone system."""


def main() -> None:
    """Run the command line; an error is one clear line and a non-zero exit."""
    from pbx.cli import configuration, prompts, records, show, simulate, why
    from pbx.cli.check import check
    from pbx.cli.test import test

    show.register(cli)
    for command in (
        check,
        test,
        *records.COMMANDS,
        *simulate.COMMANDS,
        *configuration.COMMANDS,
        *prompts.COMMANDS,
        *why.COMMANDS,
    ):
        cli.add_command(command)
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except PbxError as error:
        click.echo(f"pbx: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(141)


DIRECTORY = click.Path(path_type=Path)


@cli.command()
@click.option("-c", "--config", "directory", type=DIRECTORY, default=Path("conf"), show_default=True,
              help="The configuration directory.")  # fmt: skip
@click.option("--state", type=DIRECTORY, default=None, help="Where var/ lives; default: the configuration directory.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default=None)
@click.option("--hints", is_flag=True, help="Say what to do next, as for a first try.")
def serve(directory: Path, state: Path | None, log_level: str | None, hints: bool) -> None:
    """Run the server until SIGTERM."""
    import uvloop

    from pbx import server
    from pbx.cli.hints import first_steps
    from pbx.cli.logs import set_up

    set_up(log_level or "info")

    def ready(running: server.Server) -> None:
        if hints:
            click.echo(first_steps(running))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(directory, state, ready))


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
