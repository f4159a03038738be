"""``pbx backup`` and ``pbx restore``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from pbx import __version__
from pbx.config.loader import load
from pbx.store.backup import Places, back_up
from pbx.store.backup import restore as restore_from

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("-c", "--config", "directory", type=PATH, default=Path("conf"), show_default=True)
@click.option("--state", type=PATH, default=None, help="Where var/ lives.")
@click.option("--recordings", is_flag=True, help="Take the recordings too.")
def backup(file: Path, directory: Path, state: Path | None, recordings: bool) -> None:
    """Write database, configuration, secrets, voicemail and prompts into FILE; a running server goes on."""
    config, base = load(directory).valid(), state or directory
    places = Places(directory, base, base / config.store.path, base / config.recordings.path)
    count = back_up(places, file, __version__, recordings=recordings)
    left_out = "" if recordings else "; the recordings are not in it (--recordings takes them)"
    click.echo(f"{file}: {count} files, {file.stat().st_size / 1e6:.1f} MB, for nobody else to read{left_out}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("directory", type=PATH)
def restore(file: Path, directory: Path) -> None:
    """Write the backup FILE into a new DIRECTORY, ready for `pbx serve -c DIRECTORY`."""
    manifest = restore_from(file, directory)
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(float(str(manifest["at_utc"]))))
    click.echo(f"{directory}: as it was on {made} (pbx {manifest['version']}); `pbx serve -c {directory}` starts it")


COMMANDS = (backup, restore)
