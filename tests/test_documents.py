"""What the documents say is what the code has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pbx.events import KINDS

ROOT = Path(__file__).parents[1]


def test_every_kind_of_event_stands_in_its_table() -> None:
    text = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    missing = [kind for kind in KINDS if f"`{kind}`" not in text]
    assert not missing


def test_every_key_of_the_configuration_is_documented() -> None:
    made = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "reference.py")], capture_output=True, text=True, check=True
    )
    told = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    assert made.stdout == told, "python docs/reference.py > docs/keys.md"
