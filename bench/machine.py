"""What a figure was taken on: without it a figure is no figure."""

from __future__ import annotations

import fcntl
import os
import platform
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOCK = Path(tempfile.gettempdir()) / "bench.lock"


def facts() -> dict[str, Any]:
    """Describe the machine, the interpreter and the commit."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), "unknown",
    )  # fmt: skip
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": f"{platform.python_version()} ({'optimised' if optimised else 'not optimised'})",
        "commit": commit.stdout.strip() or "unknown",
        "load_before": round(os.getloadavg()[0], 2),
    }


@contextmanager
def alone() -> Iterator[None]:
    """Take the lock that keeps benchmarks from measuring each other."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
