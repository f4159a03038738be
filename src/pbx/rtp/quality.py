"""How a call sounds, by the E-model (ITU-T G.107): losses, jitter and delay to R and MOS.

The scale is that of narrow-band telephony, where G.711 on a clean line has R = 93.2 and a MOS of 4.41. Wide-band codecs
are judged on the same scale, since ITU-T G.113 has figures for each only on its own.
"""

from __future__ import annotations

R_CLEAN = 93.2  # all defaults of G.107
ROBUSTNESS = 25.1  # Bpl of G.711 with the concealment of its Appendix I (G.113)
ENOUGH = 50  # packets: a second of sound
PACKET_MS = 20.0


def r_factor(lost: float, delay_ms: float) -> float:
    """Rate a direction: *lost* is the share of packets that were not heard, *delay_ms* from mouth to ear."""
    impairment = 95 * 100 * lost / (100 * lost + ROBUSTNESS)
    late = 0.024 * delay_ms + (0.11 * (delay_ms - 177.3) if delay_ms > 177.3 else 0.0)
    return max(0.0, min(100.0, R_CLEAN - impairment - late))


def mos(r: float) -> float:
    """Turn R into a mean opinion score (G.107 Annex B)."""
    if r <= 0:
        return 1.0
    return min(4.5, max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6))


def rate(
    packets: int,
    lost: int,
    *,
    late: int = 0,
    jitter_ms: float | None,
    round_trip_ms: float | None,
    buffer_ms: float = 0,
) -> float | None:
    """Return R for a direction of *packets* that came and *lost* that did not; None while that says nothing.

    Where no buffer of ours tells how long it waits, a listener's is taken to hold two times the jitter.
    """
    if packets < ENOUGH:
        return None
    share = min(1.0, max(0, lost + late) / (packets + max(0, lost)))
    waits = buffer_ms or 2 * (jitter_ms or 0.0)
    return r_factor(share, PACKET_MS + waits + (round_trip_ms or 0.0) / 2)
