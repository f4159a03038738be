"""Hang-up scopes: one helper, thoroughly tested, because 3.11's uncancel is easy to get wrong."""

from __future__ import annotations

import asyncio

import pytest

from pbx.call.scope import HangupScope
from pbx.virtual import run_virtual


def test_a_hangup_ends_the_scope_quietly_and_the_script_goes_on() -> None:
    async def body() -> list[str]:
        done: list[str] = []
        stack: list[HangupScope] = []
        scope = HangupScope(stack, ended=False)
        asyncio.get_running_loop().call_later(1, scope.hang_up)
        async with scope:
            await asyncio.sleep(10)
            done.append("never")
        done.append("after")
        await asyncio.sleep(1)  # a later await is not cancelled
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert stack == []
        return done

    assert run_virtual(body()) == ["after"]


def test_a_cancellation_from_outside_passes_through() -> None:
    async def script(scope: HangupScope) -> None:
        async with scope:
            await asyncio.sleep(10)

    async def body() -> None:
        scope = HangupScope([], ended=False)
        task = asyncio.get_running_loop().create_task(script(scope))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(body())


def test_both_at_once_count_as_a_cancellation_from_outside() -> None:
    async def script(scope: HangupScope) -> None:
        async with scope:
            await asyncio.sleep(10)

    async def body() -> None:
        scope = HangupScope([], ended=False)
        task = asyncio.get_running_loop().create_task(script(scope))
        await asyncio.sleep(1)
        scope.hang_up()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(body())


def test_only_the_innermost_scope_ends() -> None:
    async def body() -> list[str]:
        done: list[str] = []
        stack: list[HangupScope] = []
        outer, inner = HangupScope(stack, ended=False), HangupScope(stack, ended=False)
        async with outer:
            asyncio.get_running_loop().call_later(1, lambda: stack[-1].hang_up())
            async with inner:
                await asyncio.sleep(10)
            done.append("still inside")
            await asyncio.sleep(1)
            done.append("to the end")
        return done

    assert run_virtual(body()) == ["still inside", "to the end"]


def test_a_scope_on_a_leg_that_is_gone_ends_at_its_first_await() -> None:
    async def body() -> bool:
        async with HangupScope([], ended=True) as scope:
            await asyncio.sleep(10)
            pytest.fail("not reached")
        return scope.fired

    assert run_virtual(body())


def test_an_error_in_the_same_breath_is_not_swallowed() -> None:
    async def body() -> None:
        scope = HangupScope([], ended=False)
        with pytest.raises(ValueError, match="mine"):
            async with scope:
                scope.hang_up()
                raise ValueError("mine")
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(1)

    run_virtual(body())


def test_a_timeout_inside_works_as_ever() -> None:
    async def body() -> str:
        async with HangupScope([], ended=False):
            try:
                async with asyncio.timeout(1):
                    await asyncio.sleep(10)
            except TimeoutError:
                return "timeout"
        return "?"

    assert run_virtual(body()) == "timeout"
