"""SIPp as caller or called, with its own counts as the verdict."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

UAC_COUNT = re.compile(r"^\s*(Successful call|Failed call|Retransmissions?)\s*\|\s*\S*\s*\|\s*(\d+)", re.MULTILINE)


class Sipp:
    """One SIPp process."""

    def __init__(self, directory: Path, name: str, *arguments: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._output = directory / f"{name}.out"
        self._errors = directory / f"{name}.err"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                ["sipp", *arguments, "-i", "127.0.0.1", "-nostdin", "-trace_err", "-error_file", str(self._errors)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
            )

    def finish(self, limit_s: float) -> dict[str, int]:
        """Wait for its end; return its counts."""
        self.process.wait(limit_s)
        return self.counts()

    def counts(self) -> dict[str, int]:
        """Return what it prints at the end: calls that succeeded and failed."""
        text = self._output.read_text(errors="replace")
        found = {name: int(number) for name, number in UAC_COUNT.findall(text)}
        assert "Successful call" in found, text[-2000:]
        return found

    def errors(self) -> str:
        return self._errors.read_text(errors="replace")[-2000:] if self._errors.exists() else ""

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
