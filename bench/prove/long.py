"""The suite's proofs at their full length: ten minutes of a busy floor, two hundred kills of a log and of a server."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.interop.server import ROOT

TESTS = (
    "tests/interop/test_floor.py",
    "tests/interop/test_kills.py",
    "tests/store/test_database.py",
)


def prove() -> str:
    """Run them with PBX_PROVE=1.

    :raises RuntimeError: where one fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *TESTS],
        cwd=ROOT, env={**os.environ, "PBX_PROVE": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stdout[-4000:])
    return done.stdout.strip().splitlines()[-1]
