"""``pbx prompts``: what there is to hear, whether it is whole, and bringing in a company's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import orjson
import soundfile

from pbx.config.loader import load
from pbx.dialplan.prompts import shipped_folders
from pbx.errors import MediaError, PbxError
from pbx.media.prompt_files import LEVEL_DBFS, import_prompt, prompt_path, speech_level_dbfs
from pbx.media.prompts import SUFFIXES, Prompts

OFF_LEVEL_DB = 6.0


def _of(directory: Path, state: Path | None) -> Prompts:
    return Prompts([(state or directory) / "var" / "prompts", directory / "prompts", *shipped_folders()])


def _languages(directory: Path, state: Path | None) -> list[str]:
    roots = [(state or directory) / "var" / "prompts", directory / "prompts", *shipped_folders()]
    found = {
        path.name
        for root in roots
        if root.is_dir()
        for path in root.iterdir()
        if path.is_dir() and not path.name.startswith((".", "_")) and path.name not in ("build", "music")
    }
    return sorted(found)


@click.group()
def prompts() -> None:
    """Prompts: the product's own and the company's."""


_CONFIG = click.option(
    "-c", "--config", "directory", type=click.Path(path_type=Path), default=Path("conf"), show_default=True
)
_STATE = click.option("--state", type=click.Path(path_type=Path), default=None, help="Where var/ lives.")


@prompts.command("list")
@_CONFIG
@_STATE
@click.option("--language", default=None, help="Only this one.")
@click.option("--json", "as_json", is_flag=True)
def list_(directory: Path, state: Path | None, language: str | None, as_json: bool) -> None:
    """List every prompt with its length and where it comes from; a company's own hides the product's."""
    found, rows = _of(directory, state), []
    for name in _languages(directory, state):
        if language not in (None, name):
            continue
        for prompt in found.names(name):
            clip = found.find(prompt, name)
            assert clip is not None
            assert clip.path is not None
            own = not any(clip.path.is_relative_to(folder) for folder in shipped_folders())
            rows.append(
                {"language": name, "prompt": prompt, "seconds": round(found.duration_s(clip), 2), "own": own,
                 "file": str(clip.path)}
            )  # fmt: skip
    if as_json:
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    for row in rows:
        click.echo(f"{row['language']:8} {row['prompt']:28} {row['seconds']:6.2f} s  {'own' if row['own'] else ''}")
    click.echo(f"{len(rows)} prompts")


@prompts.command("check")
@_CONFIG
@_STATE
def check_(directory: Path, state: Path | None) -> None:
    """Look at every file: whether it can be read, is silent, clipped or far off the level of the others."""
    found, faults, count = _of(directory, state), 0, 0
    for language in _languages(directory, state):
        for name in found.names(language):
            clip = found.find(name, language)
            assert clip is not None
            assert clip.path is not None
            count += 1
            for fault in _faults(clip.path):
                faults += 1
                click.echo(f"{language}/{name}: {fault} ({clip.path})", err=True)
    missing = sorted(set(found.names("en")) ^ set(found.names("zh-CN")))
    for name in missing:
        click.echo(f"{name}: is there in one language only", err=True)
    click.echo(f"{count} prompts: " + (f"{faults} faults" if faults else "all good"))
    sys.exit(1 if faults else 0)


def _faults(path: Path) -> Iterator[str]:
    try:
        samples, _ = soundfile.read(path, dtype="float64", always_2d=True)
    except (OSError, RuntimeError) as error:
        yield f"cannot be read: {error}"
        return
    mono = samples.mean(axis=1)
    level = speech_level_dbfs(mono)
    if level < -60:
        yield "is silent"
        return
    if abs(level - LEVEL_DBFS) > OFF_LEVEL_DB:
        yield f"is at {level:.0f} dBFS, the others at {LEVEL_DBFS:.0f}: import it again"
    if np.count_nonzero(np.abs(mono) > 0.999) > 10:
        yield "is clipped"


@prompts.command("import")
@_CONFIG
@_STATE
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("word", metavar="as")
@click.argument("name")
@click.option("--language", default=None, help="Default: the configured language.")
def import_(directory: Path, state: Path | None, file: Path, word: str, name: str, language: str | None) -> None:
    """Bring in a sound FILE (WAV, MP3, FLAC, Ogg) as the prompt NAME: mono, 16 kHz, at the level of the others.

    Calls that come after it hear it; no reload is needed.
    """
    if word != "as":
        raise PbxError(f"write: pbx prompts import {file} as NAME")
    wanted = name.removesuffix(Path(name).suffix) if name.endswith(SUFFIXES) else name
    spoken = language or load(directory).valid().language
    try:
        target = prompt_path((state or directory) / "var" / "prompts", wanted, spoken)
        seconds = import_prompt(file, target)
    except MediaError as error:
        raise PbxError(str(error)) from error
    click.echo(f"{wanted} ({spoken}): {seconds:.1f} s, in {target}")


COMMANDS = (prompts,)
