"""What the API shows of live things: plain dictionaries, the same for console, scripts and browsers."""

from __future__ import annotations

from typing import Any

from pbx.call.calls import Call, Calls
from pbx.call.leg import Leg, LegState
from pbx.config.config import Config
from pbx.sip.location import Location


def call_view(call: Call, now: float) -> dict[str, Any]:
    """Show a live call."""
    legs = list(call.legs.values())
    up = [leg for leg in legs if leg.state is LegState.UP]
    state = "talking" if len(up) > 1 else "answered" if up else "ringing"
    return {
        "call_id": call.call_id,
        "state": state,
        "source": call.source,
        "caller": call.caller.number,
        "caller_name": call.caller.name,
        "dialled": call.dialled,
        "number": call.number,
        "started_utc": call.started_wall,
        "duration_s": round(now - call.started_wall, 1),
        "legs": [leg_view(leg) for leg in legs],
    }


def leg_view(leg: Leg) -> dict[str, Any]:
    agreed = leg.media.agreed if leg.media is not None else None
    return {
        "leg_id": leg.leg_id,
        "direction": leg.direction,
        "party": leg.party,
        "state": leg.state.name.lower(),
        "held": leg.media.held if leg.media is not None else False,
        "codec": agreed.codec.name if agreed is not None else None,
        "sip_call_id": leg.signal.sip_call_id if leg.signal is not None else None,
        "peer_leg": leg.peer.leg_id if leg.peer is not None else None,
    }


def registration_views(location: Location, now: float) -> list[dict[str, Any]]:
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


def endpoint_views(config: Config, location: Location, calls: Calls, now: float) -> list[dict[str, Any]]:
    """Show every configured endpoint and whether it can be reached."""
    busy: dict[str, int] = {}
    for call in calls.calls.values():
        for leg in call.legs.values():
            if leg.state is not LegState.ENDED:
                busy[leg.party] = busy.get(leg.party, 0) + 1
    return [
        {
            "endpoint": number,
            "name": endpoint.name,
            "context": endpoint.context,
            "contacts": len(location.bindings(number, now)),
            "state": "registered" if location.bindings(number, now) else "unreachable",
            "legs": busy.get(f"endpoint/{number}", 0),
        }
        for number, endpoint in sorted(config.endpoints.items())
    ]


def trunk_views(config: Config, calls: Calls) -> list[dict[str, Any]]:
    """Show every configured trunk and its load."""
    legs: dict[str, int] = {}
    for call in calls.calls.values():
        for leg in call.legs.values():
            if leg.state is not LegState.ENDED:
                legs[leg.party] = legs.get(leg.party, 0) + 1
    return [
        {
            "trunk": name,
            "proxy": list(trunk.proxy),
            "context": trunk.context,
            "enabled": trunk.enabled,
            "legs": legs.get(f"trunk/{name}", 0),
            "max_calls": trunk.max_calls,
        }
        for name, trunk in sorted(config.trunks.items())
    ]
