"""After a busy time, and once after each, what is kept is packed and memory goes back."""

from __future__ import annotations

import asyncio
import logging

import pytest

from pbx.housekeeping import BUSY_TRANSACTIONS, Housekeeping, every_second, transactions
from pbx.virtual import run_virtual


def test_it_cleans_up_once_when_a_busy_time_is_over() -> None:
    counts, told = iter((0, BUSY_TRANSACTIONS + 1, BUSY_TRANSACTIONS // 2, 0, 0)), []

    async def main() -> None:
        kept = Housekeeping(lambda: next(counts))
        kept.caches.append(lambda: told.append("forgot"))
        kept.packers.append(lambda: told.append("packed"))
        for _ in range(3):
            kept.look()
        assert not told
        kept.look()
        kept.look()
        assert kept.giving is not None
        await kept.giving
        assert (told, kept.done) == (["forgot", "packed"], 1)

    asyncio.run(main())


def test_calls_that_go_on_do_not_keep_it_from_cleaning_up() -> None:
    assert transactions({"clients": 3, "servers": 4, "dialogs": 2_000, "timers": 9, "merged": 1}) == 7


def test_what_fails_every_second_is_told_and_keeps_nothing_else_from_being_done(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[str] = []

    def broken() -> None:
        raise ValueError("a bug of ours")

    async def main() -> None:
        task = asyncio.get_running_loop().create_task(every_second([broken, lambda: done.append("done")]))
        await asyncio.sleep(3.5)
        task.cancel()

    with caplog.at_level(logging.ERROR):
        run_virtual(main())
    assert done == ["done"] * 3
    assert len(caplog.records) == 3
