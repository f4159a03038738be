"""What a live system keeps of what happened: the day's counts, recordings, half-hours, files for other tools."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pbx.api.tally import HEARD, Tally
from pbx.config.config import Config
from pbx.store.archive import Archive
from pbx.store.database import Log
from pbx.store.keeper import Keeper
from pbx.store.live_files import LiveFiles
from pbx.store.reader import Reader
from pbx.store.recovery import end_interrupted_calls, interrupted_calls
from pbx.store.today import KINDS, Today


class Keeping:
    """Listeners of the log; *config* is asked anew, so that a reload counts."""

    def __init__(self, log: Log, config: Callable[[], Config], base: Path) -> None:
        self._log = log
        self._config = config
        self._base = base
        self.tally = Tally()
        self.today = Today(time.time, config().business_day_starts, self._thresholds)
        self.archive = Archive(
            log, lambda: base / config().recordings.path, lambda: config().recordings.retain_days, time.time
        )
        self._keeper = Keeper(log, lambda: config().store.retain_days, self._thresholds, time.time)
        self._files = LiveFiles(
            lambda: self._file(config().records.queue_log), lambda: self._file(config().records.cdr_csv)
        )
        log.listeners.append(self._files.take)  # from the first event on: a crash's ends belong into the files too

    def end_what_is_open(self) -> int:
        """After a crash: give what was under way an end; return how many calls there were."""
        if not self._log.unclean:
            return 0
        self._files.remember(interrupted_calls(self._log))
        return end_interrupted_calls(self._log)

    async def start(self, reader: Reader) -> None:
        """Read the business day from the log, then follow it."""
        self.today.load(await reader.since(self.today.begins, [kind.KIND for kind in KINDS]))
        self._log.hear(self.tally.take, HEARD)
        self._log.hear(self.today.take, KINDS)
        self.archive.start()
        self._keeper.start()
        self._files.start()

    async def stop(self) -> None:
        self._keeper.stop()
        await self.archive.stop()
        await self._files.stop()

    def _file(self, name: str) -> Path | None:
        return self._base / name if name else None

    def _thresholds(self, queue: str) -> tuple[float, float]:
        spec = self._config().queues.get(queue)
        return (spec.service_level_s, spec.short_abandon_s) if spec is not None else (20.0, 5.0)
