"""The examples of the documentation, and the office of `make run`: they load without a mistake and do what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pbx.config.where import Severity
from pbx.reloading import checked

ROOT = Path(__file__).parents[2]
DIRECTORIES = [*sorted((ROOT / "docs" / "examples").iterdir()), ROOT / "conf"]


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: path.name)
def test_the_tests_of_an_example_pass(directory: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pbx", "test", str(directory)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: path.name)
def test_check_finds_no_mistake_in_an_example(directory: Path) -> None:
    assert [str(f) for f in checked(directory).findings if f.severity is Severity.ERROR] == []
