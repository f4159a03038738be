"""Why a call went where it went: its way through the dialplan and every decision of its queues, with the reasons."""

from __future__ import annotations

from aiohttp import web

from pbx import events as ev
from pbx.api.answers import NotHere, answer
from pbx.api.contract import State
from pbx.api.record_shapes import MomentShape, WhyShape
from pbx.dialplan.trace import words_of
from pbx.events import Logged


def why(call_id: str, entries: list[Logged]) -> WhyShape:
    """Tell the story of a call from its events."""
    began = entries[0].at_mono
    moments: list[MomentShape] = []
    for entry in entries:
        text, where, reasons = _told(entry.event)
        if text:
            moments.append(
                {
                    "at_utc": entry.at_utc,
                    "after_s": round(max(0.0, entry.at_mono - began), 3),
                    "kind": entry.event.KIND,
                    "text": text,
                    "where": where,
                    "reasons": reasons,
                }
            )
    return {"call_id": call_id, "moments": moments}


def _told(event: ev.Event) -> tuple[str, str, list[str]]:
    if isinstance(event, ev.AcdDecided):
        chosen = f"rings {', '.join(event.chosen)}" if event.chosen else "nobody yet"
        return f"{event.queue}: {chosen}", "", list(event.reasons)
    if isinstance(event, ev.CallStarted):
        return f"{event.caller or 'somebody'} by {event.source} dials {event.dialled}", "", []
    if isinstance(event, ev.CallRouted):
        return f"route {event.match} of context {event.context}", event.where, []
    if isinstance(event, ev.StepRan):
        return event.step, event.where, []
    if isinstance(event, ev.LegCreated):
        return (f"calls {event.party}", "", []) if event.direction == "out" else ("", "", [])
    if isinstance(event, ev.LegEnded):
        by = "" if event.by == "us" else f" by {event.by}"
        return f"leg {event.leg_id.rpartition('.')[2]} ended: {event.cause} ({event.status}){by}", "", []
    if isinstance(event, ev.CallEnded):
        return f"ended: {event.cause}, by {event.by}", "", []
    return words_of(event), "", []


class WhyRoutes:
    """``/v1/why``."""

    def __init__(self, state: State) -> None:
        self._state = state

    def table(self) -> list[web.RouteDef]:
        return [web.get("/v1/why/{id}", self._why)]

    async def _why(self, request: web.Request) -> web.Response:
        named = request.match_info["id"]
        live = self._state.calls.find(named)
        reader = self._state.reader
        await self._state.log.durable()  # what has just happened is told too
        call_id = live.call_id if live is not None else await reader.call_named(named)
        entries = await reader.events_of(call_id) if call_id else []
        if not entries:
            raise NotHere(f"no call {named}; `pbx show calls` and `pbx cdr` list them")
        return answer(why(call_id, entries))
