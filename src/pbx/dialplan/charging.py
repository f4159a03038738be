"""The minutes outside of who forwards and transfers: counted by the day, and ended when they are used up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pbx.dialplan.router import Dialplan


def minutes_left_s(plan: Dialplan, endpoint: str) -> float:
    """Return how long an endpoint's forwards and transfers may yet talk outside today."""
    limit = plan.config.limits.outside_forward_minutes_per_day
    return plan.equipment.forwards.left_s(endpoint, limit)


@contextlib.asynccontextmanager
async def charging(plan: Dialplan, endpoint: str, tell: Callable[[str], object]) -> AsyncIterator[None]:
    """Count the body's time as an endpoint's minutes outside, and end it when they are used up; "" counts nothing."""
    if not endpoint:
        yield
        return
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(minutes_left_s(plan, endpoint)):
            yield
    except TimeoutError:
        tell(f"minutes of {endpoint} used up")
    finally:
        plan.equipment.forwards.spend(endpoint, loop.time() - began)
