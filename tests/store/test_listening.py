"""Who hears of which events: a list that lacks a kind would be silence, so it is compared with the code."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

import pbx
from pbx import events as ev
from pbx import lamps, postroom
from pbx.api import tally
from pbx.apps import desk
from pbx.events.base import Event
from pbx.store import archive, entries, today
from pbx.store.database import MemoryLog

LISTENERS: list[tuple[tuple[type[Event], ...], list[Any]]] = [
    (lamps.HEARD, [lamps.Lamps]),
    (tally.HEARD, [tally.Tally]),
    (today.KINDS, [today.Today, entries.follow, entries.Entry]),
    (archive.HEARD, [archive.Archive]),
    (postroom.HEARD, [postroom.Postroom]),
    (desk.HEARD, [desk.Desk]),
]
NOT_LIVE = {"CallDisposition"}  # comes after its entry has ended: reports count it, the day as it goes does not
REGISTERED = re.compile(r"\b_?log\.hear\(.*\b(HEARD|KINDS|\w+_HEARD)\)")


def looked_at(code: Any) -> set[str]:
    """Return the kinds of event that some code tells apart."""
    found = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(code)))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            sought = node.args[1]
        elif isinstance(node, ast.MatchClass):
            sought = node.cls
        else:
            continue
        for name in ast.walk(sought):
            if isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name) and name.value.id == "ev":
                found.add(name.attr)
    return found


@pytest.mark.parametrize(("kinds", "code"), LISTENERS, ids=lambda value: getattr(value[-1], "__name__", ""))
def test_a_listener_is_told_of_every_kind_that_it_looks_at(kinds: tuple[type[Event], ...], code: list[Any]) -> None:
    assert {kind.__name__ for kind in kinds} == set().union(*map(looked_at, code)) - NOT_LIVE


def test_every_listener_of_some_kinds_is_compared_here() -> None:
    calls = [
        line
        for file in Path(pbx.__file__).parent.rglob("*.py")
        for line in file.read_text().splitlines()
        if re.search(r"\b_?log\.hear\(", line)
    ]
    assert all(REGISTERED.search(line) for line in calls), calls
    assert len(calls) == len(LISTENERS)


@pytest.mark.parametrize("kinds", [(), (Event,), (int,), (ev.CallEnded, ev.CallEnded)])
def test_a_listener_that_would_hear_nothing_or_twice_is_refused_at_once(kinds: Any) -> None:
    with pytest.raises(ValueError, match=r"listens to|twice"):
        MemoryLog(lambda: 0.0, lambda: 0.0).hear(lambda logged: None, kinds)
