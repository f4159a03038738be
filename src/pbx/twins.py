"""Compiled modules and their plain twins: ``name.py`` runs as it stands, or as the extension that was built from it.

The plain one is taken where ``PBX_PLAIN=1`` says so, and where any source is newer than what was built from it: a
change must never be without effect. All or none: a compiled module knows the layout of its compiled neighbours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType

HOME = Path(__file__).parent
ROOMS = ("", "sip", "sdp")  # whose .py with a .pxd beside are compiled; "": the package itself


class PlainFinder(MetaPathFinder):
    """Finds the .py that have twins, before anybody looks for extensions."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        parent, _, stem = name.rpartition(".")
        if path is None or parent not in {f"pbx.{room}".rstrip(".") for room in ROOMS}:
            return None
        for entry in path:
            if not Path(entry, f"{stem}.pxd").exists():
                continue
            found = FileFinder(entry, (SourceFileLoader, [".py"])).find_spec(name, target)
            if found is not None:
                return found
        return None


def outdated(home: Path = HOME) -> bool:
    """Whether a source here is newer than its extension; an installed package has no say, its files came as one."""
    if not (home.parent.parent / "pyproject.toml").exists():
        return False
    for room in ROOMS:
        for types in (home / room).glob("*.pxd"):
            source = types.with_suffix(".py")
            built = [p for p in (types.with_name(types.stem + suffix) for suffix in EXTENSION_SUFFIXES) if p.exists()]
            if not built or max(source.stat().st_mtime, types.stat().st_mtime) > built[0].stat().st_mtime:
                return True
    return False


def choose() -> None:
    """Decide for this process, before any module with a twin is imported."""
    if os.environ.get("PBX_PLAIN") == "1" or outdated():
        sys.meta_path.insert(0, PlainFinder())
