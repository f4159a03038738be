"""The SIP messages of a call, live and of late, secrets masked."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from pbx import events as ev
from pbx.api.answers import NotHere, Refused, answer
from pbx.api.contract import State
from pbx.api.trace_shapes import TracedShape, TraceShape
from pbx.signaling.trace import Traced


def view(call_id: str, messages: Sequence[Traced], live: bool) -> TraceShape:
    """Write messages as data; bytes that are no UTF-8 are shown as what they are not."""
    shown: list[TracedShape] = [
        {
            "at_utc": one.at_wall,
            "received": one.received,
            "transport": one.flow.transport,
            "local": list(one.flow.local),
            "remote": list(one.flow.remote),
            "title": one.title,
            "text": one.data.decode("utf-8", "replace"),
        }
        for one in messages
    ]
    return {"call_id": call_id, "live": live, "messages": shown}


class TraceRoutes:
    """``/v1/trace``."""

    def __init__(self, state: State) -> None:
        self._state = state

    def table(self) -> list[web.RouteDef]:
        return [web.get("/v1/trace/{id}", self._trace)]

    async def _trace(self, request: web.Request) -> web.Response:
        named = request.match_info["id"]
        after = _instant(request.query.get("after", "0"))
        live = self._state.calls.find(named)
        await self._state.log.durable()  # legs that have just begun belong to it too
        call_id = live.call_id if live is not None else await self._state.reader.call_named(named)
        dialogs = await self._dialogs(call_id) if call_id else []
        trace = self._state.agent.trace
        found = trace.of(dialogs or [named]) if trace is not None else []
        if not found and not call_id:
            raise NotHere(
                f"no call {named}, and no messages with that Call-ID; `pbx show calls` and `pbx cdr` list calls"
            )
        late = [one for one in found if one.at_wall > after]
        return answer(view(call_id or named, late, live is not None))

    async def _dialogs(self, call_id: str) -> list[str]:
        """Return the SIP Call-IDs of a call's legs, in order."""
        entries = await self._state.reader.events_of(call_id)
        legs = (entry.event for entry in entries)
        return [leg.sip_call_id for leg in legs if isinstance(leg, ev.LegCreated) and leg.sip_call_id]


def _instant(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Refused(f"after={text[:40]} is no number of seconds since the epoch") from None
