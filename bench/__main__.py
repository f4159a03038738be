"""Run every benchmark, one after the other, and write RESULTS.md from what they measured.

usage: python -m bench [--only sipp stack call ladder held flood register floor acd dialplan log media quality digits
                               jitter]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bench import (
    acd,
    call,
    dialplan,
    digits,
    flood,
    floor,
    held,
    ladder,
    log,
    media,
    quality,
    register,
    sipp,
    stack,
)
from bench.machine import alone, facts

HERE = Path(__file__).parent
BENCHES = {
    "sipp": ("SIPp → pbx → SIPp, G.711 offered, no media sent", lambda: sipp.measure(200, 60)),
    "stack": (
        "The SIP core alone, two stacks in one process: the compiled modules and their plain twins",
        stack.measure,
    ),
    "call": ("One call through the whole server, SIP handed over in memory: the loop's thread alone", call.measure),
    "ladder": ("SIPp → pbx → SIPp, faster and faster until a call fails or we repeat a message", ladder.measure),
    "held": ("Established calls held with their media anchored, no packet sent", held.measure),
    "flood": ("Calls in progress and goodput while INVITEs come at several times the capacity", flood.measure),
    "register": ("Authenticated REGISTER (401, 200, durable), and what a call waits for its 100", register.measure),
    "floor": ("Queued calls: a hundred agents on registered phones, twenty callers a second", floor.measure),
    "acd": ("The core of the queues: one decision, and a simulated day", acd.measure),
    "dialplan": ("A dialplan of ten thousand routes", dialplan.measure),
    "log": (
        "The event log: durable events, what they cost calls, a day's records among ten million events",
        log.measure,
    ),
    "media": ("The media engine under a native load: 20 ms of G.711 a packet", media.measure),
    "quality": (
        "Speech after packet loss (PESQ narrow-band, 40 s of the English prompts, four traces)",
        quality.measure,
    ),
    "digits": ("False digits in speech (at most 5 in 30 minutes)", digits.measure),
    "jitter": ("The jitter buffer, ten minutes of virtual time", quality.jitter),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure.")
    parser.add_argument("--only", nargs="*", choices=list(BENCHES), default=list(BENCHES))
    options = parser.parse_args()
    path = HERE / "RESULTS.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for name in options.only:
        title, measure = BENCHES[name]
        print(f"{title} …", flush=True)
        with alone():
            results[name] = {"title": title, "machine": facts(), "figures": measure()}
        path.write_text(json.dumps(results, indent=2) + "\n")
        print(json.dumps(results[name]["figures"], indent=2), flush=True)
    (HERE / "RESULTS.md").write_text(report(results))


def report(results: dict[str, Any]) -> str:
    """Write the results as a page."""
    lines = ["# Results", ""]
    lines += ["Written by `make bench` (`python -m bench`); single runs, so ± 20 %. Quote CPU per unit.", ""]
    for name, result in results.items():
        machine = result["machine"]
        lines += [f"## {result['title']}", ""]
        lines += [
            f"`python -m bench --only {name}` · {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, "
            f"Python {machine['python']}, commit {machine['commit']}, load before {machine['load_before']}",
            "",
        ]
        figures = result["figures"]
        rows = figures if isinstance(figures, list) else [figures]
        keys = list(rows[0])
        lines += ["| " + " | ".join(keys) + " |", "|" + "---|" * len(keys)]
        lines += ["| " + " | ".join(str(row.get(key, "")) for key in keys) + " |" for row in rows]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
