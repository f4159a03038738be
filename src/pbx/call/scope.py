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
        if self._task is not None and not self.fired:
            self.fired = True
            self._task.cancel("hang-up")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._stack.remove(self)
        task, self._task = self._task, None
        if not self.fired or task is None:
            return False
        others = task.uncancel() > self._cancelling
        # Our cancel may never have been delivered (the body ended in the same breath): uncancel has undone it, but a
        # CancelledError that is in flight belongs to us only if nobody else cancelled the task.
        return kind is not None and issubclass(kind, asyncio.CancelledError) and not others

