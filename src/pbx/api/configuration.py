"""The configuration over the control protocol: reload, history, differences, the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from aiohttp import web

from pbx.api.answers import Refused, answer, operator


class Reloads(Protocol):
    """Who swaps configurations (:class:`pbx.reloading.Reloader`)."""

    async def reload(self, by: str) -> Any: ...
    async def rollback(self, number: int, by: str) -> Any: ...
    async def difference(self, one: int | None = None, other: int | None = None) -> Any: ...
    def history(self) -> Sequence[Any]: ...


def routes(reloads: Callable[[], Reloads]) -> list[web.RouteDef]:
    """Return the routes; a configuration that is no good is a 400 with every finding."""

    async def reload(request: web.Request) -> web.Response:
        return answer(asdict(await reloads().reload(operator(request))))

    async def history(request: web.Request) -> web.Response:
        return answer([asdict(version) for version in reloads().history()])

    async def diff(request: web.Request) -> web.Response:
        numbers = [_number(request.query.get(key)) for key in ("from", "to")]
        return answer(asdict(await reloads().difference(*numbers)))

    async def rollback(request: web.Request) -> web.Response:
        number = _number(request.match_info["number"])
        assert number is not None
        return answer(asdict(await reloads().rollback(number, operator(request))))

    return [
        web.post("/v1/config/reload", reload),
        web.get("/v1/config/history", history),
        web.get("/v1/config/diff", diff),
        web.post("/v1/config/rollback/{number}", rollback),
    ]


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit():
        raise Refused(f"{text[:20]} is no version's number")
    return int(text)
