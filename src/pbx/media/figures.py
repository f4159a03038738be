"""A port's counters, as the engine keeps them, made into what the rooms above read."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Mapping

from pbx.media.contract import PortStats
from pbx.rtp.quality import mos, rate


def figures(found: Mapping[str, int | float | bytes]) -> PortStats:
    """Return what is known of both directions; what is not known is None."""
    ip, number = found["remote_ip"], found["remote_port"]
    assert isinstance(ip, bytes)
    assert isinstance(number, int)
    count = {name: value for name, value in found.items() if isinstance(value, int)}
    known = count["packets_in"] > 1
    trip_ms = count["round_trip_ns"] / 1e6 if count["round_trip_ns"] >= 0 else None
    jitter_ms = float(found["jitter_ms"]) if known else None
    told = count["peer_reports"] > 0
    peer_jitter_ms = float(found["peer_jitter_ms"]) if told else None
    heard = rate(
        count["packets_in"], count["lost"], late=count["late"], jitter_ms=jitter_ms, round_trip_ms=trip_ms,
        buffer_ms=count["delay_ms"],
    )  # fmt: skip
    peer_lost, sent = count["peer_lost"], count["packets_out"]
    theirs = rate(sent - peer_lost, peer_lost, jitter_ms=peer_jitter_ms, round_trip_ms=trip_ms) if told else None
    return PortStats(
        packets_in=count["packets_in"],
        packets_out=sent,
        lost=count["lost"],
        late=count["late"],
        invalid=count["invalid"] + count["truncated"] + count["control_invalid"] + count["digits_refused"],
        wrong_source=count["wrong_source"],
        undecryptable=count["undecryptable"],
        encrypted=bool(found["encrypted"]),
        duplicates=count["duplicates"],
        concealed_ms=count["concealed_ms"],
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
