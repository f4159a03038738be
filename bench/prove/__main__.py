"""Run every proof beside this file, one after the other.

usage: python -m bench.prove [NAME ...]
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time

import bench.prove


def main() -> None:
    """A proof is a module with ``prove() -> str``: it returns a line of what it saw, or raises."""
    names = [found.name for found in pkgutil.iter_modules(bench.prove.__path__) if not found.name.startswith("_")]
    for name in sys.argv[1:] or names:
        began = time.monotonic()
        print(f"{name} …", flush=True)
        said = importlib.import_module(f"bench.prove.{name}").prove()
        print(f"{name}: {said} ({time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
