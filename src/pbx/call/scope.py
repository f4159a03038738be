"""Hang-up scopes: a script never tests for hang-up, it is cancelled at its innermost scope.

Like ``asyncio.timeout``, but what expires is the call. A cancellation of the scope's own is told from any other by
``Task.uncancel`` counting (3.11): only when no cancellation came from outside does the scope swallow it.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class HangupScope:
    """``async with scope:`` ends quietly when :meth:`hang_up` is called on it; see ``Leg.until_hangup``."""

    def __init__(self, stack: list[HangupScope], *, ended: bool) -> None:
        self._stack = stack
        self._ended = ended  # the leg is already gone: the body is cancelled at its first await
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._later: asyncio.Handle | None = None
        self.fired = False

    async def __aenter__(self) -> HangupScope:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a hang-up scope needs a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._stack.append(self)
        if self._ended:
            self.hang_up()
        return self

    def hang_up(self) -> None:
        """Cancel the body, once."""
        task = self._task
        if task is None or self.fired:
            return
        if task is asyncio.current_task():
            # A task that cancels itself while it runs cannot take that back before 3.13: wait until it waits.
            self._later = self._later or asyncio.get_running_loop().call_soon(self.hang_up)
            return
        self.fired = True
        task.cancel("hang-up")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._stack.remove(self)
        task, self._task = self._task, None
        if self._later is not None:
            self._later.cancel()
        if not self.fired or task is None:
            return False
        others = task.uncancel() > self._cancelling
        # The CancelledError in flight belongs to us only if nobody else cancelled the task.
        return kind is not None and issubclass(kind, asyncio.CancelledError) and not others
