"""After a busy time, and once after each, what is kept is packed and memory goes back."""

from __future__ import annotations

import asyncio

from pbx.housekeeping import BUSY_TRANSACTIONS, Housekeeping, transactions


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
