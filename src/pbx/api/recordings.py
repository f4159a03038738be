"""Routes of recordings: find, hear, hold, delete, verify; who did what is in the log."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict

from aiohttp import web
from typing_extensions import TypedDict

from pbx import events as ev
from pbx.api.answers import NotHere, Refused, answer, body, did, instant_of, known, operator, settled, whole
from pbx.api.contract import State
from pbx.api.shapes import closed
from pbx.call import audio
from pbx.call.leg import Leg
from pbx.call.originate import originate
from pbx.dialplan.number import significant
from pbx.media.contract import Clip
from pbx.store.archive import MOST, Held
from pbx.store.forget import forgetting, pseudonym, recordings_of
from pbx.store.recordings import Recording


@closed
class PlayOn(TypedDict):
    target: str  # endpoint/1001


@closed
class Forget(TypedDict):
    number: str


class RecordingRoutes:
    """``/v1/recordings`` and ``/v1/forget``."""

    def __init__(self, state: State) -> None:
        self._state = state

    def table(self) -> list[web.RouteDef]:
        one = "/v1/recordings/{id}"
        return [
            web.get("/v1/recordings", self._find),
            web.post("/v1/recordings/verify", self._verify),
            web.get(one, self._one),
            web.delete(one, self._delete),
            web.get(one + "/audio", self._audio),
            web.post(one + "/play", self._play),
            web.post(one + "/hold", self._hold),
            web.post(one + "/release", self._release),
            web.post("/v1/forget", self._forget),
        ]

    async def _find(self, request: web.Request) -> web.Response:
        query = request.query
        await settled(self._state.log)
        rows = self._state.archive.find(
            caller=query.get("caller", ""),
            agent=query.get("agent", ""),
            queue=query.get("queue", ""),
            call_id=query.get("call", ""),
            since_utc=instant_of(request, "since"),
            until_utc=instant_of(request, "until"),
            held=True if query.get("held") == "true" else None,
            deleted=query.get("deleted") == "true",
            limit=whole(request, "limit", 100, 1, MOST),
        )
        return answer([asdict(row) for row in rows])

    async def _one(self, request: web.Request) -> web.Response:
        return answer(asdict(await self._row(request, deleted=True)))

    async def _audio(self, request: web.Request) -> web.FileResponse:
        row = await self._row(request)
        path = self._state.archive.path_of(row)
        if not path.is_file():
            raise NotHere(f"the file of recording {row.recording_id} is missing: `pbx recording verify` says more")
        what = "exported" if request.query.get("as") == "export" else "played"
        self._state.archive.touch(row, operator(request), what)
        return web.FileResponse(path, headers={"X-Pbx-Sha256": row.sha256})

    async def _play(self, request: web.Request) -> web.Response:
        """Ring a phone and let it hear the recording."""
        row = await self._row(request)
        asked = await body(request, PlayOn)
        target = asked["target"]
        if "/" not in target:
            known(self._state.config.endpoints, target, "endpoint")
            target = f"endpoint/{target}"
        clip = Clip("recording", self._state.archive.path_of(row))

        async def script(leg: Leg) -> None:
            await audio.play_clip(leg, clip)

        call = originate(self._state.calls, target, "recording", script=script)
        self._state.archive.touch(row, operator(request), "played")
        return did(f"{target} rings, to hear recording {row.recording_id}", call_id=call.call_id)

    async def _hold(self, request: web.Request) -> web.Response:
        row = await self._row(request)
        await self._state.archive.hold(row, operator(request), on=True)
        return did(f"recording {row.recording_id} is held: nothing deletes it")

    async def _release(self, request: web.Request) -> web.Response:
        row = await self._row(request)
        await self._state.archive.hold(row, operator(request), on=False)
        return did(f"recording {row.recording_id} is no longer held")

    async def _delete(self, request: web.Request) -> web.Response:
        row = await self._row(request)
        await self._remove(row, operator(request))
        return did(f"recording {row.recording_id} is deleted; its record stays")

    async def _remove(self, row: Recording, who: str) -> None:
        try:
            await self._state.archive.delete(row, who)
        except Held as error:
            raise Refused(str(error), 409) from None

    async def _verify(self, request: web.Request) -> web.Response:
        await settled(self._state.log)
        faults = [{"recording_id": name, "fault": fault} for name, fault in await self._state.archive.verify()]
        return did(f"{len(faults)} faults" if faults else "every recording is what was recorded", faults=faults)

    async def _forget(self, request: web.Request) -> web.Response:
        """Put a pseudonym where a caller's number was, and delete their recordings that are not held."""
        asked = await body(request, Forget)
        number, state = asked["number"], self._state
        if number in state.config.endpoints:
            raise Refused(f"{number} is an endpoint of this configuration, not a caller from outside")
        name, who = pseudonym(), operator(request)
        await settled(state.log)
        forms = self._forms(number)
        named = await asyncio.to_thread(recordings_of, state.log.path, number, *forms)
        rows = [
            row for name_ in named if (row := state.archive.get(name_)) and not row.held and row.deleted_utc is None
        ]
        for row in rows:
            await self._remove(row, who)
        statements, events = await asyncio.to_thread(forgetting, state.log.path, number, name, *forms)
        await state.log.execute(statements)
        kept = len(state.archive.find(caller=name))
        state.log.append(ev.CallerForgotten(pseudonym=name, who=who, events=events, recordings=len(rows)))
        held = f"; {kept} recordings are held and stay" if kept else ""
        return did(
            f"the caller is {name} from now on: {events} events changed, {len(rows)} recordings deleted{held}",
            pseudonym=name, events=events, recordings=len(rows), held=kept,
        )  # fmt: skip

    def _forms(self, number: str) -> tuple[list[str], list[str]]:
        """Return a number's forms without codes of country and area, by the plans of those who can see it."""
        config = self._state.config
        plans = {(one.country, one.area_code) for one in config.endpoints.values()}
        plans |= {(one.country, one.area_code) for one in config.trunks.values()}
        found = [significant(number, country, area) for country, area in sorted(plans)]
        whole, local = zip(*found, strict=True) if found else ((), ())
        return sorted({form for form in whole if form}), sorted({form for form in local if form})

    async def _row(self, request: web.Request, *, deleted: bool = False) -> Recording:
        named = request.match_info["id"]
        await settled(self._state.log)
        row = self._state.archive.get(named)
        if row is None:
            raise NotHere(f"no recording {named}; `pbx recording find` lists them")
        if row.deleted_utc is not None and not deleted:
            when = time.strftime("%Y-%m-%d", time.localtime(row.deleted_utc))
            raise Refused(f"recording {named} was deleted by {row.deleted_by} on {when}", 410)
        return row
