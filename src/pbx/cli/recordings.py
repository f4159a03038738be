"""``pbx recording …``: find, hear, export, verify, hold and delete what was recorded; ``pbx forget``."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson

from pbx.cli.client import NotThere, ask, fetch, find_socket, quoted
from pbx.cli.common import Past, asks, print_json, tell
from pbx.cli.names import AGENT, CALL, ENDPOINT, QUEUE, RECORDING
from pbx.cli.tables import Column, clock, column, lasted, print_table
from pbx.errors import PbxError

PLAYERS = (("play", "-q"), ("paplay",), ("aplay", "-q"), ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"))
COLUMNS = [
    Column("started", lambda r: clock(r["started_utc"])), Column("lasts", lambda r: lasted(r["duration_ms"] / 1000)),
    column("caller", "caller"), column("dialled", "dialled"), column("queue", "queue"), column("agent", "agent"),
    Column("state", lambda r: "deleted" if r["deleted_utc"] else "held" if r["held"] else "sealed" if r["sealed_seq"]
           else "open"),
    column("recording", "recording_id"),
]  # fmt: skip


@click.group()
def recording() -> None:
    """Recordings: every touch of one is logged."""


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--caller", default="", help="The caller's number as recorded."),
        click.option("--agent", type=AGENT, default=""),
        click.option("--queue", type=QUEUE, default=""),
        click.option("--call", type=CALL, default=""),
        click.option("--since", type=Past(), default=None, help='"2026-11-25 09:00"'),
        click.option("--until", type=Past(), default=None),
    ):
        command = option(command)
    return command


def _matching(path: Path, limit: int = 1000, **asked: Any) -> list[dict[str, Any]]:
    query = {name: value for name, value in asked.items() if value not in ("", None)}
    found: list[dict[str, Any]] = ask(
        path, "GET", "/v1/recordings?" + urllib.parse.urlencode({**query, "limit": limit})
    )
    return found


@recording.command()
@_filters
@click.option("--deleted", is_flag=True, help="Show the records of deleted ones too.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@asks
def find(directory: Path | None, as_json: bool, deleted: bool, limit: int, **asked: Any) -> None:
    """List recordings, newest first."""
    rows = _matching(find_socket(directory), limit, deleted="true" if deleted else "", **asked)
    if as_json:
        print_json(rows)
        return
    print_table(rows, COLUMNS)
    click.echo(f"{len(rows)} recordings")


@recording.command()
@click.argument("recording", type=RECORDING)
@click.option("--on", "phone", type=ENDPOINT, default="", help="Ring this phone and play it there.")
@asks
def play(recording: str, phone: str, directory: Path | None, as_json: bool) -> None:
    """Hear RECORDING here, or on a phone."""
    path = find_socket(directory)
    if phone:
        tell(ask(path, "POST", f"/v1/recordings/{quoted(recording)}/play", {"target": phone}), as_json)
        return
    player = next((words for words in PLAYERS if shutil.which(words[0])), None)
    if player is None:
        raise PbxError(
            "no player is here (sox, alsa-utils or ffmpeg have one): use --on PHONE or `pbx recording export`"
        )
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        file.write(fetch(path, f"/v1/recordings/{quoted(recording)}/audio")[0])
        file.flush()
        subprocess.run([*player, file.name], check=False)


@recording.command()
@click.argument("recordings", type=RECORDING, nargs=-1)
@click.option("--to", "target", type=click.Path(path_type=Path, file_okay=False), required=True, help="A directory.")
@_filters
@asks
def export(recordings: tuple[str, ...], target: Path, directory: Path | None, as_json: bool, **asked: Any) -> None:
    """Write RECORDINGS, or what the filters choose, into a directory, with an index.jsonl of all that is known."""
    path = find_socket(directory)
    if not recordings and not any(value not in ("", None) for value in asked.values()):
        raise click.UsageError("name recordings, or choose some: --caller, --agent, --queue, --call, --since, --until")
    rows = [ask(path, "GET", f"/v1/recordings/{quoted(name)}") for name in recordings] or _matching(path, **asked)
    target.mkdir(parents=True, exist_ok=True)
    with (target / "index.jsonl").open("ab") as index:
        for row in rows:
            data, _ = fetch(path, f"/v1/recordings/{quoted(row['recording_id'])}/audio?as=export")
            if row["sha256"] and hashlib.sha256(data).hexdigest() != row["sha256"]:
                raise PbxError(f"{row['recording_id']} is not what was recorded; see `pbx recording verify`")
            (target / f"{row['recording_id']}.wav").write_bytes(data)
            index.write(orjson.dumps(row) + b"\n")
    tell({"did": f"{len(rows)} recordings are in {target}", "recordings": len(rows)}, as_json)


@recording.command()
@asks
def verify(directory: Path | None, as_json: bool) -> None:
    """Compare every file with its hash, and the hashes with each other; exit status 1 where one is not as recorded."""
    found = ask(find_socket(directory), "POST", "/v1/recordings/verify", timeout_s=3600.0)
    if as_json:
        print_json(found)
    else:
        for fault in found["faults"]:
            click.echo(f"{fault['recording_id']}: {fault['fault']}", err=True)
        click.echo(found["did"])
    sys.exit(1 if found["faults"] else 0)


def _verb(name: str, text: str, method: str, suffix: str) -> click.Command:
    @click.command(name, help=text)
    @click.argument("recording", type=RECORDING)
    @asks
    def verb(recording: str, directory: Path | None, as_json: bool) -> None:
        tell(ask(find_socket(directory), method, f"/v1/recordings/{quoted(recording)}{suffix}"), as_json)

    return verb


recording.add_command(_verb("hold", "Keep RECORDING from being deleted, by retention too.", "POST", "/hold"))
recording.add_command(_verb("release", "End the hold of RECORDING.", "POST", "/release"))


@recording.command()
@click.argument("recording", type=RECORDING, required=False)
@click.option("--caller", default="", help="Every recording of this caller that is not held.")
@asks
def delete(recording: str | None, caller: str, directory: Path | None, as_json: bool) -> None:
    """Delete RECORDING, or all of a caller; the records stay and say who deleted them."""
    path = find_socket(directory)
    if bool(recording) == bool(caller):
        raise click.UsageError("name one recording, or a caller with --caller")
    names = [recording] if recording else [row["recording_id"] for row in _matching(path, caller=caller)]
    if not names:
        raise NotThere(f"no recording of {caller}")
    deleted, kept = 0, []
    for name in names:
        try:
            ask(path, "DELETE", f"/v1/recordings/{quoted(str(name))}")
            deleted += 1
        except PbxError as error:
            if recording:
                raise
            kept.append(str(error))
    for line in kept:
        click.echo(line, err=True)
    tell({"did": f"{deleted} recordings deleted, {len(kept)} kept", "deleted": deleted, "kept": len(kept)}, as_json)


@click.command()
@click.argument("number")
@click.option("--yes", is_flag=True, help="Do not ask.")
@asks
def forget(number: str, yes: bool, directory: Path | None, as_json: bool) -> None:
    """Forget a caller: a pseudonym takes NUMBER's place in every record, and the recordings go. Sums stay.

    There is no way back.
    """
    path = find_socket(directory)
    if not yes:
        click.confirm(f"Forget {number} for good?", abort=True)
    tell(ask(path, "POST", "/v1/forget", {"number": number}, timeout_s=600.0), as_json)


COMMANDS = (recording, forget)
