"""Requests in, JSON out: bodies with their faults named, errors with the status that tells whose they are."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from pbx.errors import CallFailed, MediaError, PbxError, StoreError
from pbx.store.database import Log

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")
SETTLE_S = 2.0


class Refused(PbxError):
    """A request that is not carried out; *http* says why to programs, the message to people."""

    def __init__(self, message: str, http: int = 400) -> None:
        super().__init__(message)
        self.http = http


class NotHere(Refused):
    """Nothing of that name."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 404)


def answer(data: object, status: int = 200) -> web.Response:
    """Answer with JSON."""
    return web.Response(
        body=orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS), status=status, content_type="application/json"
    )


def did(text: str, **more: object) -> web.Response:
    """Tell in a line what was done."""
    return answer({"did": text, **more})


async def body(request: web.Request, shape: type[T]) -> T:
    """Read a request's JSON object.

    :raises Refused: naming what is wrong with it.
    """
    raw = await request.read()
    try:
        data = orjson.loads(raw) if raw else {}
        return TypeAdapter(shape).validate_python(data)
    except orjson.JSONDecodeError as error:
        raise Refused(f"the body is no JSON: {error}") from None
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg'].lower()}" for fault in error.errors()]
        raise Refused("; ".join(faults)) from None


def whole(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    """Read a whole number of the query.

    :raises Refused: where it is none, or out of range.
    """
    text = request.query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise Refused(f"{name} must be a number from {least} to {most}")
    return int(text)


def instant_of(request: web.Request, name: str) -> float | None:
    """Read an instant of the query; None where there is none.

    :raises Refused: where it is no number.
    """
    text = request.query.get(name)
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise Refused(f"{name} must be seconds since the epoch") from None


def known(table: Any, name: str, what: str) -> Any:
    """Return an entry of a table.

    :raises NotHere: naming some that are there.
    """
    found = table.get(name)
    if found is None:
        there = ", ".join(list(table)[:10]) or "none"
        raise NotHere(f"no {what} {name}; there are {there}" if table else f"no {what} {name}; there is none")
    return found


def operator(request: web.Request) -> str:
    """Return who asks: the kernel's word for who is at the other end of the socket."""
    transport = request.transport
    plug: socket.socket | None = transport.get_extra_info("socket") if transport is not None else None
    if plug is None or plug.family != socket.AF_UNIX:
        return "api"
    packed = plug.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", packed)
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


async def settled(events: Log) -> None:
    """Let what has happened be on the disk before somebody reads it there; a disk that stalls is not waited for."""
    with contextlib.suppress(StoreError, TimeoutError):
        async with asyncio.timeout(SETTLE_S):
            await events.durable()


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every fault into JSON: 4xx where the request is wrong, 409 where the moment is, 503 where we are full."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return answer({"error": f"{request.method} {request.path}: {error.reason}"}, error.status)
    except Refused as error:
        return answer({"error": str(error)}, error.http)
    except (StoreError, MediaError) as error:
        return answer({"error": str(error)}, 503)
    except CallFailed as error:
        return answer({"error": str(error) or error.reason}, 503 if error.status == 503 else 409)
    except PbxError as error:
        return answer({"error": str(error)}, 400)
    except (ConnectionError, TimeoutError):
        raise
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return answer({"error": f"{request.method} {request.path} failed: a fault of the server, see its log"}, 500)
