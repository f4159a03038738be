"""A real terminal that a test types into and reads: tmux, of its own, that nobody sees."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.waiting import wait_for


class Terminal:
    """One window; keys go in by tmux's names, the screen comes out as text."""

    def __init__(self, socket: Path, columns: int, lines: int, command: str, home: Path) -> None:
        self._socket = socket
        environment = os.environ | {"HOME": str(home), "XDG_STATE_HOME": str(home), "LC_ALL": "C.UTF-8"}
        size = ("-x", str(columns), "-y", str(lines))
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "t", *size, command, environment=environment)

    def _tmux(self, *words: str, environment: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *words], capture_output=True, text=True, check=True, env=environment
        )
        return done.stdout

    def type(self, text: str, *keys: str) -> None:
        """Type a text as it stands, then keys such as Enter, Tab or C-c."""
        if text:
            self._tmux("send-keys", "-t", "t", "-l", text)
        if keys:
            self._tmux("send-keys", "-t", "t", *keys)

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p", "-t", "t")

    def colours(self) -> str:
        """Return the screen with its escape sequences."""
        return self._tmux("capture-pane", "-p", "-e", "-t", "t")

    def see(self, text: str, limit_s: float = 10) -> str:
        """Wait until a text stands on the screen; return the screen."""
        seen = [""]

        def look() -> bool:
            seen[0] = self.screen()
            return text in seen[0]

        wait_for(look, limit_s, lambda: f"no {text!r} on:\n{seen[0]}")
        return seen[0]

    def resize(self, columns: int, lines: int) -> None:
        self._tmux("resize-window", "-t", "t", "-x", str(columns), "-y", str(lines))

    def close(self) -> None:
        subprocess.run(["tmux", "-S", str(self._socket), "kill-server"], capture_output=True, check=False)


@contextmanager
def terminal(directory: Path, command: str, columns: int = 100, lines: int = 32) -> Iterator[Terminal]:
    """Open a window with a command in it; close it at the end."""
    directory.mkdir(parents=True, exist_ok=True)
    made = Terminal(directory / "tmux", columns, lines, command, directory)
    try:
        yield made
    finally:
        made.close()
