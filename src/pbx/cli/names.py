"""Words that name live things, and their completion: calls, queues, agents, numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from pbx.cli.client import ask, find_socket
from pbx.errors import PbxError

KEEP_S = 2.0  # what was asked for a completion is good for the next keys
COMPLETION_TIMEOUT_S = 1.0
_kept: dict[tuple[str, str], tuple[float, list[tuple[str, str]]]] = {}

Candidates = Callable[[Any], list[tuple[str, str]]]


class Live(click.ParamType):  # type: ignore[type-arg]
    """A word that a running server can complete; any other word is taken as it is."""

    def __init__(self, name: str, url: str, candidates: Candidates) -> None:
        self.name = name
        self._url = url
        self._candidates = candidates

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return what begins like *incomplete*; nothing where no server answers."""
        return [CompletionItem(word, help=text) for word, text in self._known(ctx) if word.startswith(incomplete)]

    def _known(self, ctx: click.Context) -> list[tuple[str, str]]:
        directory = ctx.params.get("directory")
        try:
            path = find_socket(Path(directory) if directory is not None else None)
            key = (str(path), self._url)
            at, found = _kept.get(key, (0.0, []))
            if time.monotonic() - at > KEEP_S:
                found = self._candidates(ask(path, "GET", self._url, timeout_s=COMPLETION_TIMEOUT_S))
                _kept[key] = (time.monotonic(), found)
        except PbxError:
            return []
        return found


def _pairs(key: str, *texts: str) -> Candidates:
    def candidates(rows: Any) -> list[tuple[str, str]]:
        return [(row[key], " ".join(str(row[t]) for t in texts if row[t])) for row in rows]

    return candidates


def _legs(rows: Any) -> list[tuple[str, str]]:
    return [(leg["leg_id"], f"{leg['party']} {leg['state']}") for row in rows for leg in row["legs"]]


CALL = Live("call", "/v1/calls", _pairs("call_id", "caller", "dialled", "state"))
LEG = Live("leg", "/v1/calls", _legs)
QUEUE = Live("queue", "/v1/queues", _pairs("queue", "strategy"))
AGENT = Live("agent", "/v1/agents", _pairs("agent", "name", "state"))
ENDPOINT = Live("number", "/v1/endpoints", _pairs("endpoint", "name", "state"))
TRUNK = Live("trunk", "/v1/trunks", _pairs("trunk", "state"))
RECORDING = Live("recording", "/v1/recordings", _pairs("recording_id", "caller", "agent"))
ENTRY = Live("caller", "/v1/calls", lambda rows: [
    (row["call_id"], f"{row['caller']} in {row['waiting']['queue']}") for row in rows if row["waiting"]
])  # fmt: skip
