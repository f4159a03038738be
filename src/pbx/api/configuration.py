"""The configuration over the control protocol: reload, history, differences, the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import orjson
from aiohttp import web


class Reloads(Protocol):
    """Who swaps configurations (:class:`pbx.reloading.Reloader`)."""

    async def reload(self, by: str) -> Any: ...
    async def rollback(self, number: int, by: str) -> Any: ...
    async def difference(self, one: int | None = None, other: int | None = None) -> Any: ...
    def history(self) -> Sequence[Any]: ...


def _json(data: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(data), status=status, content_type="application/json")


def routes(reloads: Callable[[], Reloads]) -> list[web.RouteDef]:
    """Return the routes; a configuration that is no good is a 400 with every finding."""

    async def reload(request: web.Request) -> web.Response:
        return _json(asdict(await reloads().reload("operator")))

    async def history(request: web.Request) -> web.Response:
        return _json([asdict(version) for version in reloads().history()])

    async def diff(request: web.Request) -> web.Response:
        numbers = [_number(request.query.get(key)) for key in ("from", "to")]
        return _json(asdict(await reloads().difference(*numbers)))

    async def rollback(request: web.Request) -> web.Response:
        number = _number(request.match_info["number"])
        assert number is not None
        return _json(asdict(await reloads().rollback(number, "operator")))

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
        raise web.HTTPBadRequest(reason=f"{text[:20]} is no version's number")
    return int(text)
