"""A real server in a process of its own, and questions to it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pbx.cli.client import ask
from pbx.errors import PbxError
from tests.interop.waiting import wait_for

ROOT = Path(__file__).parents[2]


class LiveServer:
    """``pbx serve`` on a directory of the test's own."""

    def __init__(self, directory: Path, *, level: str = "info") -> None:
        self.directory = directory
        self.level = level
        self.process: subprocess.Popen[bytes] | None = None
        self.socket = directory / "var" / "pbx.sock"
        self.log = directory / "server.log"

    @classmethod
    def of(cls, source: Path, directory: Path, *, level: str = "info") -> LiveServer:
        """Copy a configuration directory and serve the copy."""
        shutil.copytree(source, directory, ignore=shutil.ignore_patterns("var"))
        return cls(directory, level=level)

    def start(self) -> float:
        """Start and wait until it answers; return how many seconds that took."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pbx", "serve", "-c", str(self.directory), "--log-level", self.level],
                stderr=log,
                stdout=log,
                cwd=ROOT,
            )
        wait_for(self._ready, 20, lambda: f"the server does not start:\n{self.log.read_text()[-2000:]}")
        return time.monotonic() - began

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the server died:\n{self.log.read_text()[-2000:]}")
        try:
            self.ask("/v1/status")
        except PbxError:
            return False
        return True

    def ask(self, url: str) -> Any:
        return ask(self.socket, "GET", url)

    def records(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("/v1/cdr?limit=1000")
        return found

    def secret(self, number: str) -> str:
        return (self.directory / "var" / "secrets" / number).read_text().strip()

    def memory_kb(self) -> int:
        assert self.process is not None
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> str:
        """Stop in order; return the log."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.kill(self.process.pid, signal.SIGKILL)
                raise
        return self.log.read_text()
