"""Look-ups over HTTP."""

from __future__ import annotations

import asyncio

import aiohttp

from pbx.dialplan.equipment import LookupFailed, Request
from pbx.dialplan.lookups import LARGEST_BODY

MOST_CONNECTIONS = 100


class HttpLookups:
    """One session for all look-ups; connections are kept."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, request: Request) -> bytes:
        """Return the body of a 200.

        :raises LookupFailed: for a time-out, another status, a redirect, a body that is too large.
        """
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=MOST_CONNECTIONS)
            self._session = aiohttp.ClientSession(connector=connector)
        headers = dict(request.headers)
        if request.body is not None:
            headers.setdefault("Content-Type", "application/json")
        try:
            async with (
                asyncio.timeout(request.timeout_s),
                self._session.request(
                    request.method, request.url, headers=headers, data=request.body, allow_redirects=False
                ) as response,
            ):
                if response.status != 200:
                    raise LookupFailed(f"status {response.status}")
                body = await response.content.read(LARGEST_BODY + 1)
                while not response.content.at_eof() and len(body) <= LARGEST_BODY:
                    body += await response.content.read(LARGEST_BODY + 1 - len(body))
        except TimeoutError:
            raise LookupFailed(f"no answer within {request.timeout_s:g} s") from None
        except aiohttp.ClientError as error:
            raise LookupFailed(str(error) or type(error).__name__) from error
        if len(body) > LARGEST_BODY:
            raise LookupFailed(f"the answer is longer than {LARGEST_BODY} bytes")
        return body

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
