"""What the documents say is what the code has."""

from __future__ import annotations

from pathlib import Path

from pbx.events import KINDS

ROOT = Path(__file__).parents[1]


def test_every_kind_of_event_stands_in_its_table() -> None:
    text = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    missing = [kind for kind in KINDS if f"`{kind}`" not in text]
    assert not missing
