"""The walls of the house: imports point down, only media touches the engine, cores do no I/O."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "pbx"
PURE = ("sip", "sdp", "rtp", "acd")
SEEDED = {
    "pbx.sip.ids",
    "pbx.acd.replay",
    "pbx.acd.simulate",
    "pbx.acd.whatif",
}  # make a generator from the seed that they are handed
IMPURE = {"asyncio", "socket", "time", "random", "threading", "selectors", "ssl", "sqlite3", "aiohttp", "uvloop"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_rooms_import_downwards_only() -> None:
    # In a process of its own: the linter configures logging, which switches off every logger that there is.
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SOURCE.parents[1], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_only_media_touches_the_engine() -> None:
    for name, tree in modules():
        if name.startswith(("pbx.media.", "pbx.native")):
            continue
        touched = {i for i in imported(tree) if i.startswith(("pbx._mix", "pbx.native"))}
        assert not touched, f"{name} imports {touched}"


@pytest.mark.parametrize("room", PURE)
def test_a_core_does_no_io(room: str) -> None:
    for name, tree in modules():
        if not name.startswith(f"pbx.{room}."):
            continue
        touched = {i.partition(".")[0] for i in imported(tree)} & IMPURE
        if name in SEEDED:
            touched -= {"random"}
        assert not touched, f"{name} imports {touched}"
