"""From the engine's counters to a port's figures: loss, jitter, R-factor, MOS."""

from __future__ import annotations

import functools
import ipaddress
from typing import Any

from pbx.media.contract import PortStats
from pbx.rtp.quality import mos, rate


def stats_from(found: dict[str, Any]) -> PortStats:
    """Make the figures that people look at out of the engine's counters."""
    ip, number = found["remote_ip"], found["remote_port"]
    known = found["packets_in"] > 1
    trip_ms = found["round_trip_ns"] / 1e6 if found["round_trip_ns"] >= 0 else None
    jitter_ms = float(found["jitter_ms"]) if known else None
    told = found["peer_reports"] > 0
    peer_jitter_ms = float(found["peer_jitter_ms"]) if told else None
    heard = rate(
        found["packets_in"], found["lost"], late=found["late"], jitter_ms=jitter_ms, round_trip_ms=trip_ms,
        buffer_ms=found["delay_ms"],
    )  # fmt: skip
    peer_lost, sent = found["peer_lost"], found["packets_out"]
    theirs = rate(sent - peer_lost, peer_lost, jitter_ms=peer_jitter_ms, round_trip_ms=trip_ms) if told else None
    return PortStats(
        packets_in=found["packets_in"],
        packets_out=sent,
        lost=found["lost"],
        late=found["late"],
        invalid=found["invalid"] + found["truncated"] + found["control_invalid"] + found["digits_refused"],
        wrong_source=found["wrong_source"],
        undecryptable=found["undecryptable"],
        encrypted=bool(found["encrypted"]),
        duplicates=found["duplicates"],
        concealed_ms=found["concealed_ms"],
        jitter_ms=jitter_ms,
        round_trip_ms=trip_ms,
        r_factor=heard,
        mos=None if heard is None else mos(heard),
        peer_lost=peer_lost if told else None,
        peer_jitter_ms=peer_jitter_ms,
        peer_r_factor=theirs,
        peer_mos=None if theirs is None else mos(theirs),
        remote=(_shown(ip), number) if number else None,
    )


@functools.lru_cache(maxsize=4096)
def _shown(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed))
