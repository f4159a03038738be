"""After a busy time, and once after each, what is kept is packed and memory goes back."""

from __future__ import annotations

import asyncio

from pbx.housekeeping import BUSY_TRANSACTIONS, Housekeeping


def test_it_cleans_up_once_when_a_busy_time_is_over() -> None:
    counts, told = iter((0, BUSY_TRANSACTIONS + 1, BUSY_TRANSACTIONS // 2, 0, 0)), []

    async def main() -> None:
        kept = Housekeeping(lambda: next(counts))
        packed = asyncio.Event()
        loop = asyncio.get_running_loop()
        kept.caches.append(lambda: told.append("forgot"))
        kept.packers.append(lambda: loop.call_soon_threadsafe(packed.set))
        for _ in range(3):
            kept.look()
        assert not told
        kept.look()
        kept.look()
        await packed.wait()
        assert (told, kept.done) == (["forgot"], 1)

    asyncio.run(main())
