"""``pbx endpoint forward|dnd|filter|sync`` and ``pbx phones``: what people set, and where phones fetch."""

from __future__ import annotations

from pathlib import Path

import click

from pbx.cli.client import ask, find_socket
from pbx.cli.common import asks, tell


@click.command("forward")
@click.argument("number")
@click.argument("what", type=click.Choice(["all", "busy", "no-answer"]))
@click.argument("to", default="")
@asks
def forward(number: str, what: str, to: str, directory: Path | None, as_json: bool) -> None:
    """Forward an endpoint's calls; without TO the forward ends."""
    tell(ask(find_socket(directory), "POST", f"/v1/endpoints/{number}/forward", {"what": what, "to": to}), as_json)


@click.command("dnd")
@click.argument("number")
@click.argument("state", type=click.Choice(["on", "off"]))
@asks
def dnd(number: str, state: str, directory: Path | None, as_json: bool) -> None:
    """Let an endpoint be left in peace, or rung again."""
    tell(ask(find_socket(directory), "POST", f"/v1/endpoints/{number}/dnd", {"on": state == "on"}), as_json)


@click.command("filter")
@click.argument("number")
@click.argument("state", type=click.Choice(["on", "off"]))
@asks
def filter_(number: str, state: str, directory: Path | None, as_json: bool) -> None:
    """Let an endpoint's calls go to its secretary first, or no longer."""
    tell(ask(find_socket(directory), "POST", f"/v1/endpoints/{number}/filter", {"on": state == "on"}), as_json)


@click.command("sync")
@click.argument("number")
@click.option("--reboot", is_flag=True, help="The phone may restart.")
@asks
def sync(number: str, reboot: bool, directory: Path | None, as_json: bool) -> None:
    """Ask an endpoint's phones to fetch their settings again."""
    tell(ask(find_socket(directory), "POST", f"/v1/endpoints/{number}/sync", {"reboot": reboot}), as_json)


@click.command("phones")
@click.option("-c", "--config", "directory", type=click.Path(path_type=Path), default=Path("conf"), show_default=True)
@click.option("--state", type=click.Path(path_type=Path), default=None)
def phones(directory: Path, state: Path | None) -> None:
    """List the phones of a configuration with the address that each fetches its settings from."""
    import os

    from pbx.config.loader import load
    from pbx.config.secrets import provisioning_key
    from pbx.errors import PbxError
    from pbx.provision.render import token_of

    config = load(directory).valid()
    if config.provisioning is None:
        raise PbxError('nothing is provisioned: add [provisioning] http = "…" and [phones."MAC"]')
    key = provisioning_key(config.provisioning, state or directory, os.environ)
    for mac, phone in config.phones.items():
        url = f"http://{config.provisioning.http}/{token_of(key, mac)}/"
        click.echo(f"{mac}  {phone.model:11}  {phone.endpoint:8}  {url}")
