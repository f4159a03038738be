"""Speech after a bad network: PESQ of the whole receiving side beside G.711 Appendix I on the same losses."""

from __future__ import annotations

from typing import Any

import numpy as np
from pesq import pesq
from tests.media import appendix1
from tests.media.listening import KINDS, arrivals, coded, heard_from, losses, speech, through_the_buffer

SEEDS = range(4)


def measure(seconds: float = 40.0) -> list[dict[str, Any]]:
    """Return a row for every kind and share of loss, and for every jitter."""
    said = speech(seconds)
    codes, clean = coded(said)
    count = len(codes) // 160
    whole = [False] * count
    rows = [
        _row("clean", 0, [pesq(8000, said, through_the_buffer(codes, whole), "nb")], [pesq(8000, said, clean, "nb")])
    ]
    for kind in KINDS:
        for share in (0.01, 0.05, 0.10):
            traces = [losses(kind, share, count, seed) for seed in SEEDS]
            ours = [pesq(8000, said, through_the_buffer(codes, lost), "nb") for lost in traces]
            theirs = [pesq(8000, said, appendix1.conceal(clean, lost), "nb") for lost in traces]
            rows.append(_row(f"{kind} loss", share, ours, theirs))
    return rows


def _row(what: str, share: float, ours: list[float], theirs: list[float]) -> dict[str, Any]:
    worst = min(a - b for a, b in zip(ours, theirs, strict=True))
    return {
        "network": what, "lost_%": round(100 * share), "pesq_ours": round(float(np.mean(ours)), 3),
        "pesq_appendix_1": round(float(np.mean(theirs)), 3), "worst_difference": round(worst, 3),
    }  # fmt: skip


def jitter() -> list[dict[str, Any]]:
    """Return late packets and added delay for exponential jitter, in order and not."""
    rows = []
    for mean_ms in (10, 30, 50):
        for ordered in (True, False):
            packets = arrivals(mean_ms, ordered=ordered, seconds=600, seed=9)
            delays, counts = [], {}
            for _, counts in heard_from(packets):
                delays.append(counts["delay_ms"])
            network = float(np.percentile([at - number * 20 for at, number in packets], 95))
            rows.append({
                "jitter": f"20 ms + exponential of mean {mean_ms} ms", "in_order": ordered,
                "late_%": round(100 * counts["late"] / len(packets), 2), "network_p95_ms": round(network, 1),
                "buffer_mean_ms": round(float(np.mean(delays[1500:])), 1),
            })  # fmt: skip
    return rows
