"""Asterisk's queue_log and CDR CSV as files that grow while things happen, for tools that follow them.

A file is opened for each piece that is written, so that it may be rotated at any time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from pbx import events as ev
from pbx.events import Logged
from pbx.store.cdr import RECORD_KINDS, call_record
from pbx.store.cdr_csv import to_csv
from pbx.store.queue_log import QueueLog

log = logging.getLogger(__name__)

EVERY_S = 0.5

Where = Callable[[], Path | None]


class LiveFiles:
    """A listener of the log."""

    def __init__(self, queue_log: Where, cdr_csv: Where) -> None:
        self._places = (queue_log, cdr_csv)
        self._format = QueueLog()
        self._calls: dict[str, list[Logged]] = {}
        self._waiting: tuple[list[str], list[str]] = ([], [])
        self._task: asyncio.Task[None] | None = None
        self._failed = False
        self._wanted = self._is_wanted()  # asked anew with each flush: a call without such files pays nothing for them

    def _is_wanted(self) -> bool:
        return any(where() is not None for where in self._places)

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work(), name="live files")

    async def stop(self) -> None:
        """Write what waits."""
        if self._task is not None:
            self._task.cancel()
        await self.flush()

    def take(self, entry: Logged) -> None:
        """Hear of an event."""
        if not self._wanted:
            return
        self._waiting[0].extend(line + "\n" for line in self._format.lines([entry]))
        event = entry.event
        if event.KIND in RECORD_KINDS:
            events = self._calls.setdefault(event.call_id, [])
            events.append(entry)
            if isinstance(event, ev.CallEnded):
                del self._calls[event.call_id]
                if isinstance(events[0].event, ev.CallStarted):  # not one that another run began
                    self._waiting[1].append(to_csv([call_record(events)]))

    def remember(self, earlier: Iterable[Logged]) -> None:
        """Know of calls that another run began and told of, so that their ends here say what they end."""
        for entry in earlier:
            self.take(entry)
        for lines in self._waiting:
            lines.clear()

    async def flush(self) -> None:
        """Write what has gathered; a disk that refuses is told once."""
        self._wanted = self._is_wanted()
        for where, lines in zip(self._places, self._waiting, strict=True):
            text = "".join(lines)
            lines.clear()
            if text and (path := where()) is not None:
                try:
                    await asyncio.to_thread(_append, path, text)
                    self._failed = False
                except OSError as error:
                    if not self._failed:
                        log.error(
                            "x %s cannot be written: %s; the log has everything all the same", path, error.strerror
                        )
                    self._failed = True

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self.flush()


def _append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
