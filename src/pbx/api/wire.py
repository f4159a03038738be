"""What the API shows of calls, phones and trunks: plain dictionaries, the same for console, scripts and browsers."""

from __future__ import annotations

from collections import Counter

from pbx.api.shapes import (
    CallShape,
    ChannelShape,
    ConferenceShape,
    EndpointShape,
    LegShape,
    RegistrationShape,
    TrunkShape,
    WaitShape,
)
from pbx.apps.conference import Rooms
from pbx.apps.desk import Desk
from pbx.call.calls import Call, Calls
from pbx.call.leg import Leg, LegState
from pbx.config.config import Config
from pbx.media.contract import PortStats
from pbx.signaling.trunk import Trunks
from pbx.sip.location import Location


def call_view(call: Call, desk: Desk, now: float) -> CallShape:
    """Show a live call."""
    legs = list(call.legs.values())
    up = [leg for leg in legs if leg.state is LegState.UP]
    waiting = wait_view(call, desk)
    talking = any(leg.peer is not None for leg in up)
    return {
        "call_id": call.call_id,
        "state": "talking" if talking else "waiting" if waiting else "answered" if up else "ringing",
        "source": call.source,
        "caller": call.caller.number,
        "caller_name": call.caller.name,
        "dialled": call.dialled,
        "number": call.number,
        "started_utc": call.started_wall,
        "duration_s": round(now - call.started_wall, 1),
        "waiting": waiting,
        "legs": [leg_view(leg) for leg in legs],
    }


def wait_view(call: Call, desk: Desk) -> WaitShape | None:
    """Show where a call waits."""
    entry_id = desk.entry_of(call.call_id)
    if not entry_id:
        return None
    entry = desk.core.entries[entry_id]
    return {
        "entry_id": entry_id,
        "queue": entry.queue.name,
        "position": desk.core.position(entry_id),
        "waited_s": round(desk.calls.now - entry.since, 1),
    }


def leg_view(leg: Leg) -> LegShape:
    agreed = leg.media.agreed if leg.media is not None else None
    return {
        "leg_id": leg.leg_id,
        "direction": "in" if leg.direction == "in" else "out",
        "party": leg.party,
        "state": leg.state.name.lower(),  # type: ignore[typeddict-item]
        "held": leg.media.held if leg.media is not None else False,
        "codec": agreed.codec.name if agreed is not None else None,
        "sip_call_id": leg.signal.sip_call_id if leg.signal is not None else None,
        "peer_leg": leg.peer.leg_id if leg.peer is not None else None,
    }


def channel_views(calls: Calls) -> list[ChannelShape]:
    """Show every leg that lives, with its media."""
    legs = [leg for call in calls.calls.values() for leg in call.legs.values() if leg.state is not LegState.ENDED]
    return [_channel(leg, calls.now) for leg in legs]


def _channel(leg: Leg, now: float) -> ChannelShape:
    stats = leg.media.port.stats() if leg.media is not None else PortStats()
    seen = leg_view(leg)
    return {
        "leg_id": leg.leg_id,
        "call_id": leg.call_id,
        "direction": leg.direction,
        "party": leg.party,
        "state": seen["state"],
        "caller": leg.caller.number,
        "callee": leg.callee.number,
        "age_s": round(now - leg.created_at, 1),
        "codec": seen["codec"],
        "held": seen["held"],
        "peer_leg": seen["peer_leg"],
        "packets_in": stats.packets_in,
        "packets_out": stats.packets_out,
        "lost": stats.lost,
        "jitter_ms": None if stats.jitter_ms is None else round(stats.jitter_ms, 2),
        "mos": stats.mos,
        "remote": f"{stats.remote[0]}:{stats.remote[1]}" if stats.remote is not None else None,
    }


def registration_views(location: Location, now: float) -> list[RegistrationShape]:
    """Show every live binding."""
    return [
        {
            "endpoint": account,
            "contact": str(binding.contact),
            "source": str(binding.flow),
            "user_agent": binding.user_agent,
            "expires_s": round(binding.expires_at - now),
            "registered_utc": binding.registered_at,
        }
        for account in sorted(location.accounts())
        for binding in location.bindings(account, now)
    ]


def endpoint_views(config: Config, location: Location, calls: Calls, desk: Desk, now: float) -> list[EndpointShape]:
    """Show every configured endpoint and whether it can be reached."""
    busy = _legs_by_party(calls)
    found: list[EndpointShape] = []
    for number, endpoint in sorted(config.endpoints.items()):
        contacts = len(location.bindings(number, now))
        found.append(
            {
                "endpoint": number,
                "name": endpoint.name,
                "context": endpoint.context,
                "state": "disabled" if not endpoint.enabled else "registered" if contacts else "unreachable",
                "contacts": contacts,
                "legs": busy[f"endpoint/{number}"],
                "agent": desk.agent_at(number),
            }
        )
    return found


def trunk_views(config: Config, trunks: Trunks, calls: Calls) -> list[TrunkShape]:
    """Show every configured trunk, its state and its load."""
    busy = _legs_by_party(calls)
    found: list[TrunkShape] = []
    for name, line in sorted(trunks.lines.items()):
        spec = config.trunks.get(name, line.spec)
        found.append(
            {
                "trunk": name,
                "state": line.state.value,
                "cause": line.cause,
                "proxy": list(spec.proxy),
                "answers": [proxy.answers for proxy in line.proxies],
                "registers": spec.register_ is not None,
                "context": spec.context,
                "legs": busy[f"trunk/{name}"],
                "max_calls": spec.max_calls,
            }
        )
    return found


def conference_views(rooms: Rooms) -> list[ConferenceShape]:
    """Show who is in which room."""
    return [
        {
            "conference": name,
            "members": [
                {"leg_id": leg.leg_id, "call_id": leg.call_id, "party": leg.party} for leg in rooms.members(name)
            ],
        }
        for name in rooms.names()
    ]


def _legs_by_party(calls: Calls) -> Counter[str]:
    return Counter(
        leg.party for call in calls.calls.values() for leg in call.legs.values() if leg.state is not LegState.ENDED
    )
