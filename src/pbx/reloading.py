"""Reload: parse, check, show the difference, swap at once; and the way back."""

from __future__ import annotations

import asyncio
import difflib
import gc
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pbx import events as ev
from pbx.call.contract import Emit
from pbx.config.config import Config
from pbx.config.difference import changes, wants_restart
from pbx.config.loader import Loaded, load
from pbx.config.secrets import check_secrets
from pbx.config.where import Severity
from pbx.dialplan.check import check
from pbx.errors import ConfigError
from pbx.store.configs import Configs, Version

log = logging.getLogger(__name__)


def checked(directory: Path) -> Loaded:
    """Load a directory and prove what can be proved of it.

    :raises ConfigError: when the directory itself is not there.
    """
    with _uncollected():
        loaded = load(directory)
        if loaded.config is not None:
            loaded.findings += check(loaded.config, directory)
            loaded.findings += check_secrets(loaded.config, directory, os.environ)
    return loaded


@contextmanager
def _uncollected() -> Iterator[None]:
    """Build without the garbage collector: hardly anything is garbage, and looking for it doubles the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(frozen=True, slots=True)
class Swapped:
    """What a reload did."""

    digest: str
    changes: list[str]
    warnings: list[str]
    wants_restart: list[str]  # changed, and followed at the next start only


@dataclass(frozen=True, slots=True)
class Difference:
    """Two versions beside each other; *runtime* is what people set by day and the files do not say."""

    files: list[str]
    changes: list[str] = field(default_factory=list)
    runtime: list[str] = field(default_factory=list)


class Reloader:
    """The one who swaps configurations. *swap* makes the new one count, at once and whole; it must not fail."""

    def __init__(
        self,
        directory: Path,
        loaded: Loaded,
        configs: Configs,
        prepare: Callable[[Config], Callable[[], None]],
        emit: Emit,
        runtime: Callable[[], list[str]],
    ) -> None:
        """Take *prepare*, which does what may fail or take time in a thread and returns the swap itself."""
        self._directory = directory
        self._loaded = loaded
        self._configs = configs
        self._prepare = prepare
        self._emit = emit
        self._runtime = runtime
        self._one_at_a_time = asyncio.Lock()

    @property
    def running(self) -> Loaded:
        """The configuration that counts now."""
        return self._loaded

    async def note_start(self) -> None:
        """Remember what this run began with."""
        history = self._configs.history()
        if not history or history[0].digest != self._loaded.digest:
            await self._keep(self._loaded, "start")

    async def reload(self, by: str) -> Swapped:
        """Let the files count.

        :raises ConfigError: with every error, one a line; nothing has changed then.
        """
        async with self._one_at_a_time:
            return await self._reload(by)

    async def _reload(self, by: str) -> Swapped:
        loaded = await asyncio.to_thread(checked, self._directory)
        try:
            after = loaded.valid()
        except ConfigError:
            log.warning("the configuration is not reloaded: %d errors", len(loaded.errors))
            raise
        before = self._loaded.valid()
        told = changes(before, after)
        swap = await asyncio.to_thread(self._prepare, after)
        swap()
        is_new = loaded.digest != self._loaded.digest
        self._loaded = loaded
        self._emit(ev.ConfigSwapped(digest=loaded.digest, by=by, changes=tuple(told)))
        if is_new:
            await self._keep(loaded, by, told)
        log.info("configuration reloaded by %s: %s", by, "; ".join(told) or "nothing changed")
        warnings = [str(finding) for finding in loaded.findings if finding.severity is Severity.WARNING]
        return Swapped(loaded.digest, told, warnings, wants_restart(before, after))

    async def rollback(self, number: int, by: str) -> Swapped:
        """Write the files of an earlier version back and let them count; what stands in the directory is kept.

        :raises StoreError: where there is no such version.
        :raises ConfigError: when it is no good any more; the files are as they were then.
        """
        async with self._one_at_a_time:
            wanted = self._configs.files(number)
            present = await asyncio.to_thread(load, self._directory)
            if all(version.digest != present.digest for version in self._configs.history()):
                await self._keep(present, "set aside")
            standing = present.texts()
            try:
                self._write(wanted, standing)
                return await self._reload(f"{by}, back to {number}")
            except BaseException:
                self._write(standing, wanted)
                raise

    def _write(self, wanted: dict[str, str], standing: dict[str, str]) -> None:
        """Make the directory's files be *wanted*; those of *standing* that are not in it go."""
        for name, text in wanted.items():
            path = self._directory / name
            if standing.get(name) == text and path.is_file():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(f".{path.name}.new")
            beside.write_text(text, encoding="utf-8")
            beside.replace(path)
        for name in standing.keys() - wanted.keys():
            (self._directory / name).unlink(missing_ok=True)

    async def _keep(self, loaded: Loaded, by: str, told: list[str] | None = None) -> None:
        await self._configs.keep(loaded.digest, loaded.texts(), at_utc=time.time(), by=by, changes=told or ())

    def history(self) -> list[Version]:
        """Return every version kept, newest first."""
        return self._configs.history()

    async def difference(self, one: int | None = None, other: int | None = None) -> Difference:
        """Compare the running configuration with the files, or two versions; *other* None: what runs now.

        :raises StoreError: where there is no such version.
        """
        running = self._loaded.texts()
        if one is not None:
            later = running if other is None else self._configs.files(other)
            return Difference(_unified(self._configs.files(one), later))
        present = await asyncio.to_thread(checked, self._directory)
        told = changes(self._loaded.valid(), present.config) if present.config is not None else []
        errors = [str(finding) for finding in present.errors]
        return Difference(_unified(running, present.texts()), errors or told, self._runtime())


def _unified(before: dict[str, str], after: dict[str, str]) -> list[str]:
    lines: list[str] = []
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name, ""), after.get(name, "")
        if one != other:
            lines += difflib.unified_diff(one.splitlines(), other.splitlines(), name, name, lineterm="")
    return lines
