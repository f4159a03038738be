"""Routes of the server itself: what it is, how it does, its limits, its log levels, its end."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import time
from dataclasses import asdict
from typing import Any, Literal

from aiohttp import web
from typing_extensions import NotRequired, TypedDict  # noqa: UP035 — pydantic wants this one before Python 3.12

from pbx import events as ev
from pbx.api import pulse
from pbx.api.answers import answer, body, did, instant_of, operator, settled, whole
from pbx.api.contract import State
from pbx.api.schemas import SHAPES, schema
from pbx.api.shapes import CodecShape, LimitShape, LoggerShape, PulseShape, UptimeShape, closed
from pbx.call.leg import LegState
from pbx.media.engine import MOST_LOAD
from pbx.sdp.codec import BY_NAME

ROOMS = ("acd", "api", "apps", "call", "config", "dialplan", "media", "server", "signaling", "sip", "store")
SECRET = frozenset({"secret", "pin", "password", "headers"})
LEVELS = Literal["debug", "info", "warning", "error"]


@closed
class Level(TypedDict):
    level: LEVELS
    room: NotRequired[str]


@closed
class Drain(TypedDict):
    on: NotRequired[bool]
    stop: NotRequired[bool]  # when the last call is over


class SystemRoutes:
    """``/v1/status``, ``/v1/uptime``, ``/v1/config`` and their like."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._stopping: asyncio.Task[None] | None = None

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/status", self._status),
            web.get("/v1/uptime", self._uptime),
            web.get("/v1/codecs", self._codecs),
            web.get("/v1/limits", self._limits),
            web.get("/v1/config", self._config),
            web.get("/v1/threads", self._threads),
            web.get("/v1/pulse", self._pulse),
            web.get("/v1/log", self._levels),
            web.put("/v1/log", self._level),
            web.post("/v1/drain", self._drain),
            web.get("/v1/cdr", self._cdr),
            web.get("/v1/schemas", self._schemas),
        ]

    async def _status(self, request: web.Request) -> web.Response:
        return answer({**self._state.status(), "draining": self._state.calls.draining})

    async def _uptime(self, request: web.Request) -> web.Response:
        state = self._state
        view: UptimeShape = {
            "version": state.version,
            "started_utc": state.started_wall,
            "uptime_s": round(time.time() - state.started_wall, 1),
            "calls_since_start": state.tally.started,
        }
        return answer(view)

    async def _codecs(self, request: web.Request) -> web.Response:
        chosen = self._state.config.media.codecs
        used = [
            leg.media.agreed.codec.name
            for call in self._state.calls.calls.values()
            for leg in call.legs.values()
            if leg.state is LegState.UP and leg.media is not None and leg.media.agreed is not None
        ]
        view: list[CodecShape] = [
            {
                "codec": codec.name,
                "rate_hz": codec.rate_hz,
                "clock_hz": codec.clock_hz,
                "payload_type": codec.payload_type,
                "preference": chosen.index(name) + 1 if name in chosen else None,
                "legs": used.count(name),
            }
            for name, codec in BY_NAME.items()
        ]
        return answer(sorted(view, key=lambda row: (row["preference"] or 99, row["codec"])))

    async def _limits(self, request: web.Request) -> web.Response:
        return answer(limits(self._state))

    async def _config(self, request: web.Request) -> web.Response:
        return answer(_discreet(self._state.config.model_dump(mode="json", by_alias=True, exclude_defaults=True)))

    async def _threads(self, request: web.Request) -> web.Response:
        return answer(pulse.threads())

    async def _pulse(self, request: web.Request) -> web.Response:
        return answer(pulse_view(self._state))

    async def _levels(self, request: web.Request) -> web.Response:
        view: list[LoggerShape] = [
            {"room": room, "level": _level_of(f"pbx.{room}" if room else "")} for room in ("", *ROOMS)
        ]
        return answer(view)

    async def _level(self, request: web.Request) -> web.Response:
        asked = await body(request, Level)
        room = asked.get("room", "")
        if room and room.partition(".")[0] not in ROOMS:
            return answer({"error": f"no room {room}; there are {', '.join(ROOMS)}"}, 400)
        logging.getLogger(f"pbx.{room}" if room else None).setLevel(asked["level"].upper())
        what = f"log level {asked['level']}"
        self._state.log.append(ev.OperatorDid(who=operator(request), what=what, target=room))
        return did(f"{room or 'everything'} logs from {asked['level']} up")

    async def _drain(self, request: web.Request) -> web.Response:
        asked = await body(request, Drain)
        on, stop = asked.get("on", True), asked.get("stop", False)
        calls = self._state.calls
        calls.draining = on
        if self._stopping is not None:
            self._stopping.cancel()
            self._stopping = None
        if on and stop:
            self._stopping = asyncio.get_running_loop().create_task(self._stop_when_idle())
        what = "drain and stop" if on and stop else "drain" if on else "drain off"
        self._state.log.append(ev.OperatorDid(who=operator(request), what=what))
        if not on:
            return did("new calls are taken again", calls=len(calls.calls))
        then = ", then the server stops" if stop else ""
        return did(f"new calls are refused; {len(calls.calls)} go on to their end{then}", calls=len(calls.calls))

    async def _stop_when_idle(self) -> None:
        await self._state.calls.drained()
        self._state.shut_down()

    async def _cdr(self, request: web.Request) -> web.Response:
        limit = whole(request, "limit", 50, 1, 100_000)
        await settled(self._state.log)
        since, until = instant_of(request, "since"), instant_of(request, "until")
        return answer([asdict(record) for record in await self._state.reader.records(limit, since, until)])

    async def _schemas(self, request: web.Request) -> web.Response:
        return answer({name: schema(name) for name in SHAPES})


def pulse_view(state: State) -> PulseShape:
    """Show how well the machine keeps up."""
    bins, worst_ns, skipped_ms = state.media.lateness
    live = [port.stats() for port in state.media.ports]
    return {
        "at_utc": time.time(),
        "cpu_s": round(pulse.cpu_s(), 3),
        "threads": pulse.threads(),
        "loop_lag_ms": round(state.pulse.latest_s * 1000, 3),
        "loop_lag_worst_ms": round(state.pulse.worst_s * 1000, 3),
        "tick_late_worst_ms": round(worst_ns / 1e6, 3),
        "tick_late_p999_ms": round(pulse.quantile_s(bins, 0.999) * 1000, 3),
        "ticks_skipped": skipped_ms,
        "packets": state.tally.packets + sum(stats.packets_in for stats in live),
        "lost": state.tally.lost + sum(stats.lost for stats in live),
        "late": state.tally.late + sum(stats.late for stats in live),
        "calls": len(state.calls.calls),
        "log_waiting": state.log.waiting,
        "memory_bytes": pulse.memory_bytes(),
    }


def limits(state: State) -> list[LimitShape]:
    """Show what is full at which figure, and how full it is."""
    config, calls = state.config, state.calls.calls
    first, _, last = config.media.ports.partition("-")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    rows: list[tuple[str, float | None, float]] = [
        ("limits.max-calls", len(calls), config.limits.max_calls),
        ("limits.new-calls-per-s", None, config.limits.new_calls_per_s),
        ("limits.per-source-per-s", None, config.limits.per_source_per_s),
        ("limits.longest-call-s", None, config.limits.longest_call_s),
        ("media.ports", len(state.media.ports), (int(last) - int(first) + 1) // 2),
        *((f"media-{n}, % of a core", round(100 * load), 100 * MOST_LOAD) for n, load in enumerate(state.media.loads)),
        ("open files", len(os.listdir("/proc/self/fd")), soft),
    ]
    for name, line in state.trunks.lines.items():
        legs = sum(
            leg.party == f"trunk/{name}" and leg.state is not LegState.ENDED
            for call in calls.values()
            for leg in call.legs.values()
        )
        rows.append((f"trunks.{name}.max-calls", legs, line.spec.max_calls))
    for name, queue in state.desk.core.queues.items():
        rows.append((f"queues.{name}.max-callers", queue.waiting, queue.spec.max_callers))
    return [{"limit": limit, "used": used, "most": most} for limit, used, most in rows]


def _level_of(name: str) -> str:
    return logging.getLevelName(logging.getLogger(name or None).getEffectiveLevel()).lower()


def _discreet(value: Any, key: str = "") -> Any:
    """Hide what opens something: secrets written out, PINs, headers of look-ups."""
    if isinstance(value, dict):
        if key == "headers":
            return dict.fromkeys(value, "***")
        return {k: _discreet(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_discreet(item) for item in value]
    return "***" if key in SECRET and isinstance(value, str) and value else value
