"""Habits of other systems, times as people write them, tables that fit."""

from __future__ import annotations

import io
import time
from datetime import datetime

import click
import pytest
from rich.console import Console

from pbx.cli import cli, load_commands
from pbx.cli.common import instant
from pbx.cli.habits import HABITS, translate
from pbx.cli.live import pulse
from pbx.cli.tables import column, lasted, table
from pbx.errors import PbxError


def command_of(words: list[str]) -> click.Command | None:
    """Follow words into the tree of commands."""
    found: click.Command = cli
    for word in words:
        if not isinstance(found, click.Group):
            return found
        if word not in found.commands:
            return None
        found = found.commands[word]
    return None if isinstance(found, click.Group) else found


def test_every_habit_leads_to_a_command_that_is_there() -> None:
    load_commands()
    for pattern, ours in HABITS:
        if not ours.startswith("!") and ours != "help":
            assert command_of(ours.split()) is not None, (pattern, ours)


def test_no_habit_hides_a_command_of_ours() -> None:
    load_commands()
    for pattern, ours in HABITS:
        words = [word for word in pattern.split() if word != "*"]
        command = command_of(words)
        if command is not None and words != ours.split():
            arguments = [param for param in command.params if isinstance(param, click.Argument)]
            assert len(words) - 2 > len(arguments), (
                f"{pattern}: more words than our {command.name} takes, or it hides it"
            )


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("core show channels concise", "show channels"),
        ("core show channel PJSIP/abc", "show call abc"),
        ("pjsip show endpoints", "show endpoints"),
        ("sip show peers", "show endpoints"),
        ("queue show", "show queues"),
        ("queue show support", "show queue support"),
        ("queue add member PJSIP/zhang to support", "queue add support zhang"),
        ("QUEUE UNPAUSE MEMBER zhang", "agent ready zhang"),
        ("channel redirect X 2001", "call transfer X 2001"),
        ("uuid_kill X", "call hangup X"),
        ("originate user/1001 1002", "call originate 1001 1002"),
        ("reloadxml", "reload"),
        ("core stop gracefully", "drain --stop"),
        ("sofia status", "show trunks"),
    ],
)
def test_their_words_become_ours(typed: str, meant: str) -> None:
    assert translate(typed.split()) == meant.split()


def test_a_quoted_status_of_callcenter_config_is_one_word() -> None:
    words = ["callcenter_config", "agent", "set", "status", "zhang", "Logged Out"]
    assert translate(words) == ["agent", "logout", "zhang"]


def test_what_we_have_not_is_answered_with_a_hint_and_what_is_ours_is_left_alone() -> None:
    assert "pbx trace" in str(translate(["pjsip", "set", "logger", "on"]))
    assert translate(["show", "calls", "--json"]) is None
    assert translate([]) is None


NOON = datetime(2026, 11, 25, 12, 0).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12:30", 1800),
        ("11:00", 23 * 3600),  # tomorrow
        ("90min", 5400),
        ("2h", 7200),
        ("30 s", 30),
        ("-24h", -86400),
        ("2026-11-26 12:00", 86400),
    ],
)
def test_instants_are_read_as_people_write_them(text: str, seconds: int) -> None:
    assert instant(text, NOON) == NOON + seconds


def test_a_time_of_day_of_the_past_is_the_last_one() -> None:
    assert instant("08:00", NOON, past=True) == NOON - 4 * 3600
    assert instant("18:00", NOON, past=True) == NOON - 18 * 3600
    midnight = time.strftime("%Y-%m-%d", time.localtime(NOON))
    assert instant(midnight, NOON) == NOON - 12 * 3600
    assert instant(f"{midnight} 12:00:30", NOON) == NOON + 30


@pytest.mark.parametrize("text", ["", "soon", "25:00", "12", "--5min"])
def test_what_is_no_instant_is_told(text: str) -> None:
    with pytest.raises(PbxError, match="is no time"):
        instant(text, NOON)


def test_durations_are_shown_as_people_read_them() -> None:
    assert [lasted(x) for x in (None, 0, 59.4, 185, 3723)] == ["–", "0 s", "59 s", "3:05", "1:02:03"]


def drawn(rows: list[dict[str, object]], width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(
        table(rows, [column("name", "name"), column("state", "state", state=True), column("n", "n", right=True)])
    )
    return out.getvalue().splitlines()


def test_chinese_counts_as_two_columns() -> None:
    from rich.cells import cell_len

    rows: list[dict[str, object]] = [
        {"name": "张伟", "state": "ready", "n": 1},
        {"name": "Anna", "state": "paused", "n": 10},
    ]
    lines = drawn(rows, 60)
    starts = {cell_len(line[: line.index(word)]) for line, word in zip(lines[1:], ("ready", "paused"), strict=True)}
    assert len(starts) == 1, lines


def test_a_narrow_terminal_folds_and_loses_nothing() -> None:
    from rich.cells import cell_len

    rows: list[dict[str, object]] = [{"name": "an extraordinarily long name", "state": "ready", "n": 1}]
    lines = drawn(rows, 24)
    assert all(cell_len(line) <= 24 for line in lines)
    assert "name" in "".join(lines)


def test_top_counts_what_changed_between_two_looks() -> None:
    before = {
        "at_utc": 100.0, "cpu_s": 10.0, "threads": [{"thread": "media-0", "tid": 7, "cpu_s": 1.0}], "packets": 1000,
        "lost": 0, "late": 0, "calls": 1, "memory_bytes": 5e7, "log_waiting": 0, "loop_lag_ms": 0.1,
        "loop_lag_worst_ms": 2.0, "tick_late_p999_ms": 0.1, "tick_late_worst_ms": 0.3, "ticks_skipped": 0,
    }  # fmt: skip
    now = {
        **before, "at_utc": 102.0, "cpu_s": 11.0, "packets": 1190, "lost": 10,
        "threads": [{"thread": "media-0", "tid": 7, "cpu_s": 1.5}],
    }  # fmt: skip
    out = io.StringIO()
    Console(file=out, width=100).print(pulse(now, before))
    text = out.getvalue()
    assert "CPU 50.0 %" in text
    assert "packets 95/s" in text
    assert "loss 5.00 %" in text
    assert "25.0" in text
