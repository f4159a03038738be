"""``pbx trace CALL``: the SIP messages of a call as a ladder, live and afterwards."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from pbx.cli.client import ask, find_socket, quoted
from pbx.cli.common import asks, print_json
from pbx.cli.names import CALL
from pbx.errors import PbxError
from pbx.signaling.trace import Traced, ladder, pcap
from pbx.sip.message import Flow

LOOK_S = 0.5  # between two looks at a call that goes on


@click.command()
@click.argument("call", type=CALL)
@click.option("--follow", "-f", is_flag=True, help="Go on until the call is over.")
@click.option("--full", is_flag=True, help="Each message as it was on the wire, below the ladder.")
@click.option(
    "--pcap", "capture", type=click.Path(path_type=Path, dir_okay=False), help="Write them to a capture file."
)
@asks
def trace(call: str, follow: bool, full: bool, capture: Path | None, directory: Path | None, as_json: bool) -> None:
    """Show the SIP messages of CALL between each peer and us; secrets are masked.

    CALL is a call_id, a leg_id or a SIP Call-ID; of a call in progress, or of a late one while its messages are kept.
    """
    socket, url = find_socket(directory), f"/v1/trace/{quoted(call)}"
    found = ask(socket, "GET", url)
    shown = _Screen(not as_json)
    shown.add(found["messages"])
    while follow and found["live"]:
        time.sleep(LOOK_S)
        found = ask(socket, "GET", f"{url}?after={shown.last_utc!r}")
        shown.add(found["messages"])
    if capture is not None:
        _save(capture, shown.messages)
    if as_json:
        print_json({**found, "messages": shown.rows})
    elif full:
        for one in shown.messages:
            click.echo(f"\n{'<' if one.received else '>'} {one.flow}\n{one.data.decode('utf-8', 'replace')}")
    if capture is not None and not as_json:
        click.echo(f"{len(shown.messages)} messages written to {capture}")


def _save(path: Path, messages: list[Traced]) -> None:
    try:
        path.write_bytes(pcap(messages))
    except OSError as error:
        raise PbxError(f"cannot write {path}: {error.strerror}") from error


class _Screen:
    """What is shown already; a peer that is new widens the ladder, so that it is drawn again."""

    def __init__(self, draw: bool) -> None:
        self.rows: list[dict[str, Any]] = []
        self.messages: list[Traced] = []
        self._draw = draw
        self._lines: list[str] = []

    @property
    def last_utc(self) -> float:
        return self.messages[-1].at_wall if self.messages else 0.0

    def add(self, rows: list[dict[str, Any]]) -> None:
        if not rows and self._lines:
            return
        self.rows += rows
        self.messages += [
            Traced(
                row["at_utc"],
                row["received"],
                Flow(row["transport"], tuple(row["local"]), tuple(row["remote"])),
                row["text"].encode(),
            )
            for row in rows
        ]
        lines = ladder(self.messages).splitlines()
        known = len(self._lines) if self._lines[:1] == lines[:1] else 0
        self._lines = lines
        if self._draw:
            for line in lines[known:]:
                click.echo(line)


COMMANDS = (trace,)
