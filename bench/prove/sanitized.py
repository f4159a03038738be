"""The tests of media, with the native engine built under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "sanitized"
REPORTS = ("AddressSanitizer", "runtime error:")


def prove() -> str:
    """Build a copy of the package and run its media tests in it.

    :raises SystemExit: when a test fails or a sanitizer reports.
    """
    shutil.rmtree(BUILD, ignore_errors=True)
    ignored = shutil.ignore_patterns("*.so", "*.c", "__pycache__")
    shutil.copytree(ROOT / "src", BUILD / "src", ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, BUILD / name)
    shutil.copytree(ROOT / "tests", BUILD / "tests", ignore=ignored)
    (BUILD / "prompts").symlink_to(ROOT / "prompts")
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(command, cwd=BUILD, env=os.environ | {"PBX_SANITIZE": "1"}, check=True)
    libraries = [_library(name) for name in ("libasan.so", "libubsan.so")]
    options = {
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter frees nothing at its end
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": str(BUILD / "src"),
    }
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/media"]
    done = subprocess.run(tests, cwd=BUILD, env=os.environ | options, capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    if done.returncode or any(report in told for report in REPORTS):
        raise SystemExit(told[-6000:])
    return done.stdout.strip().splitlines()[-1]


def _library(name: str) -> str:
    found = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return found.stdout.strip()
