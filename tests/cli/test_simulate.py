"""``pbx simulate``: what it reads, what it refuses, what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pbx.cli.simulate import duration_of, hours_of, simulate
from pbx.errors import PbxError

CONFIG = """
[endpoints."2001..2004"]
name = "Seat {number}"
[queues.support]
wrap-up-s = 5
[agents."2001..2004"]
endpoint = "{number}"
queues = { support = 1 }
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "pbx.toml").write_text(CONFIG)
    return tmp_path


def figures(directory: Path, *options: str) -> dict[str, object]:
    done = CliRunner().invoke(simulate, [str(directory), "--days", "3", "--json", *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, object] = json.loads(done.output)
    return found


def test_a_what_if_stands_beside_what_is_and_the_formulas_beside_both(directory: Path) -> None:
    found = figures(directory, "--calls-per-hour", "60", "--agents", "+1")
    assert set(found) == {"as it is", "+1 agents", "formulas"}
    assert found["as it is"]["agents"] == 4  # type: ignore[index]
    assert found["+1 agents"]["agents"] == 5  # type: ignore[index]
    assert [x["name"] for x in found["formulas"]] == [  # type: ignore[union-attr, index]
        "Erlang C, support alone", "Erlang A, support alone",
    ]  # fmt: skip


def test_arrivals_come_from_a_file(directory: Path, tmp_path: Path) -> None:
    arrivals = tmp_path / "arrivals.csv"
    arrivals.write_text("at_s,queue,handling_s,patience_s\n10,support,60,\n20,support,60,90\n")
    (queue,) = figures(directory, "--csv", str(arrivals))["as it is"]["queues"]  # type: ignore[index]
    assert queue["entered"]["mean"] == 2


def test_a_bad_line_of_a_file_is_named(directory: Path, tmp_path: Path) -> None:
    arrivals = tmp_path / "arrivals.csv"
    arrivals.write_text("at_s,queue,handling_s\n10,nowhere,60\n")
    with pytest.raises(PbxError, match=r"arrivals.csv:2: no queue nowhere"):
        CliRunner().invoke(simulate, [str(directory), "--csv", str(arrivals)], catch_exceptions=False)


def test_durations_and_rates_are_read_or_refused() -> None:
    assert (duration_of("+1h"), duration_of("-30min"), duration_of("90s")) == (3600, -1800, 90)
    assert hours_of("40,60") == (40, 60)
    with pytest.raises(PbxError, match="no duration"):
        duration_of("1 fortnight")
    with pytest.raises(PbxError, match="negative"):
        hours_of("-1")
