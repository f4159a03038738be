"""What the log is told of calls and legs."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pbx import events as ev
from pbx.call.contract import Emit, End
from pbx.signaling.contract import Introduction

if TYPE_CHECKING:
    from pbx.call.leg import Leg


def started(call_id: str, introduction: Introduction, emit: Emit) -> None:
    """Say that a caller is here."""
    direction = "inbound" if introduction.source.startswith("trunk/") else "internal"
    emit(
        ev.CallStarted(
            call_id=call_id,
            linked_id=call_id,
            direction=direction,
            source=introduction.source,
            caller=introduction.caller,
            caller_name=introduction.caller_name,
            dialled=introduction.dialled,
            did=introduction.did,
        )
    )


def leg_created(leg: Leg, sip_call_id: str, source: str, emit: Emit) -> None:
    """Say that a leg is there."""
    emit(
        ev.LegCreated(
            call_id=leg.call_id,
            leg_id=leg.leg_id,
            direction=leg.direction,
            party=leg.party,
            caller=leg.caller.number,
            callee=leg.callee.number,
            sip_call_id=sip_call_id,
            source=source,
        )
    )


def quality(leg: Leg, emit: Emit) -> None:
    """Say how a leg sounded, both ways as far as it is known."""
    assert leg.media is not None
    stats = leg.media.port.stats()
    if leg.media.agreed is None or not (stats.packets_in or stats.packets_out):
        return
    about = functools.partial(ev.LegQuality, call_id=leg.call_id, leg_id=leg.leg_id, codec=leg.media.agreed.codec.name)
    trip_ms = _rounded(stats.round_trip_ms)
    emit(
        about(
            direction="received",
            packets=stats.packets_in,
            lost=stats.lost,
            late=stats.late,
            jitter_ms=_rounded(stats.jitter_ms),
            round_trip_ms=trip_ms,
            r_factor=_rounded(stats.r_factor),
            mos=_rounded(stats.mos),
        )
    )
    if stats.peer_lost is not None:
        emit(
            about(
                direction="sent",
                packets=stats.packets_out,
                lost=stats.peer_lost,
                jitter_ms=_rounded(stats.peer_jitter_ms),
                round_trip_ms=trip_ms,
                r_factor=_rounded(stats.peer_r_factor),
                mos=_rounded(stats.peer_mos),
            )
        )


def end_of(call_id: str, legs: Sequence[Leg]) -> ev.CallEnded:
    """Say how a call ended, and who ended it; the first leg is its caller's."""
    first, others = legs[0], legs[1:]
    end = first.end
    winner = next((leg for leg in others if leg.answered_at is not None), None)
    if first.answered_at is not None:
        by = "caller" if end is not None and end.by == "peer" else "system"
        if by == "system" and winner is not None and winner.end is not None and winner.end.by == "peer":
            by = "callee"
        return ev.CallEnded(call_id=call_id, cause="answered", status=200, by=by)
    end = end or End("failed", 500, "us")  # it never had a dialog
    by = "caller" if end.by == "peer" else "callee" if winner is None and others else "system"
    return ev.CallEnded(call_id=call_id, cause=_cause(end, others), status=end.status, by=by)


def _cause(end: End, others: Sequence[Leg]) -> str:
    """Why an unanswered call failed: what its caller did, else what the last leg that it rang says."""
    tried = [leg.end.cause for leg in others if leg.end is not None]
    return tried[-1] if tried and end.by != "peer" else end.cause


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
