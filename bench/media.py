"""The media engine under a native load: CPU a packet beside the bound, loss, added delay, lateness, memory a leg.

The load generator is ``load.c``, built here when it is first wanted; it has a core to itself where there are two.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.interop.netns import network

from pbx.media.contract import Clip, MediaState
from pbx.media.engine import Engine
from pbx.media.port import Port
from pbx.sdp.codec import G722, OPUS, PCMA, Codec
from pbx.sdp.crypto import KEY_BYTES, Crypto
from pbx.sdp.negotiate import Agreed

HERE = Path(__file__).parent
MUSIC = HERE.parent / "prompts" / "music" / "default.flac"
PATIENCE_S = 30.0


class Nobody:
    """Hears nothing of a port."""

    def on_digit(self, digit: str, duration_ms: int) -> None: ...
    def on_media(self, state: MediaState) -> None: ...
    def on_done(self, token: int, outcome: str) -> None: ...


@dataclass(frozen=True)
class Scene:
    """What the legs do: how they are joined, what each sends, how the load generator reads what comes back."""

    join: Callable[[Engine, list[Port], Path], None]
    mode: str = "packet"
    codecs: tuple[Codec, Codec] = (PCMA, PCMA)  # of even and odd legs; both as long as 20 ms of G.711
    hops: int = 1  # how often the engine forwards a packet on its way
    digits: str = ""  # "sound": keys are looked for in what is said
    threads: int = 1  # media threads; they share the one core that the measurement has
    suite: str = ""  # SRTP on every leg of the engine; a gateway beside it speaks plain to the phones


def bridged(engine: Engine, ports: list[Port], directory: Path) -> None:
    for one, other in pairs(ports):
        one.hear(other)
        other.hear(one)


def encrypted(suite: str) -> Callable[[Engine, list[Port], Path], None]:
    """Join plain legs by two legs of the engine's own that encrypt between them: every hop has one side in SRTP."""

    def join(engine: Engine, ports: list[Port], directory: Path) -> None:
        keys = [Crypto(suite, os.urandom(KEY_BYTES[suite])) for _ in range(2)]
        for one, other in pairs(ports):
            left, right = engine.open(Nobody(), "127.0.0.1"), engine.open(Nobody(), "127.0.0.1")
            for port, peer, key_in, key_out in ((left, right, *keys), (right, left, *reversed(keys))):
                port.send_to(_agreed(peer.local, PCMA, key_in, key_out))
            bridged(engine, [one, left, right, other], directory)

    return join


def through_gateway(gateway: Engine, ports: list[Port], numbers: Sequence[int], scene: Scene) -> list[int]:
    """Put an encrypting gateway between phones and ports; return where the phones send."""
    targets = []
    for port, number in zip(ports, numbers, strict=True):
        plain, sealed = gateway.open(Nobody(), "127.0.0.1"), gateway.open(Nobody(), "127.0.0.1")
        there, back = (Crypto(scene.suite, os.urandom(KEY_BYTES[scene.suite])) for _ in range(2))
        plain.send_to(_agreed(("127.0.0.1", number), PCMA))
        sealed.send_to(_agreed(port.local, PCMA, back, there))
        port.send_to(_agreed(sealed.local, PCMA, there, back, digits=scene.digits))
        plain.hear(sealed)
        sealed.hear(plain)
        targets.append(plain.local[1])
    return targets


def _agreed(
    remote: tuple[str, int],
    codec: Codec,
    key_in: Crypto | None = None,
    key_out: Crypto | None = None,
    *,
    digits: str = "",
) -> Agreed:
    return Agreed(remote, remote, codec, None, "sendrecv", 20, False, key_in, key_out, digits=digits)


def recorded(engine: Engine, ports: list[Port], directory: Path) -> None:
    bridged(engine, ports, directory)
    for number, (one, other) in enumerate(pairs(ports)):
        one.record(directory / f"{number}.wav", other=other)


def processed(engine: Engine, ports: list[Port], directory: Path) -> None:
    """Rooms of two, recorded: jitter buffer, decoding, digits, mixing, stereo file and encoding, both ways."""
    in_rooms(2)(engine, ports, directory)
    for number, (one, other) in enumerate(pairs(ports)):
        one.record(directory / f"{number}.wav", other=other)


def in_rooms(size: int) -> Callable[[Engine, list[Port], Path], None]:
    def join(engine: Engine, ports: list[Port], directory: Path) -> None:
        for begin in range(0, len(ports), size):
            room = engine.room()
            for port in ports[begin : begin + size]:
                room.join(port)

    return join


def listening(engine: Engine, ports: list[Port], directory: Path) -> None:
    for port in ports:
        port.tone("ringback")


def on_hold(engine: Engine, ports: list[Port], directory: Path) -> None:
    """Have everybody hear the music on hold: one stream."""
    for port in ports:
        port.play([Clip("music", MUSIC)], loop=True)


def pairs(ports: Sequence[Port]) -> Iterator[tuple[Port, Port]]:
    return zip(ports[::2], ports[1::2], strict=True)


SCENES = {
    "relay": Scene(bridged),
    "relay SHA1-80": Scene(encrypted("AES_CM_128_HMAC_SHA1_80"), hops=2),
    "relay GCM": Scene(encrypted("AEAD_AES_128_GCM"), hops=2),
    "recorded": Scene(recorded),
    "processed": Scene(processed, "sound", digits="sound"),
    "relay, SRTP on both legs": Scene(bridged, suite="AES_CM_128_HMAC_SHA1_80"),
    "processed, SRTP on both legs": Scene(processed, "sound", digits="sound", suite="AES_CM_128_HMAC_SHA1_80"),
    "processed, SRTP GCM on both legs": Scene(processed, "sound", digits="sound", suite="AEAD_AES_128_GCM"),
    "processed, 2 media threads": Scene(processed, "sound", digits="sound", threads=2),
    "transcoded": Scene(bridged, "count", (PCMA, G722)),
    "rooms of 4": Scene(in_rooms(4), "count"),
    "rooms of 200": Scene(in_rooms(200), "count"),
    "listening": Scene(listening, "listen"),
    "listening, Opus": Scene(listening, "listen", (OPUS, OPUS)),
    "music on hold": Scene(on_hold, "listen"),
    "music on hold, Opus": Scene(on_hold, "listen", (OPUS, OPUS)),
}


def build(directory: Path) -> Path:
    """Compile the load generator."""
    made = directory / "load"
    subprocess.run(["gcc", "-O2", "-o", made, HERE / "load.c"], check=True)
    return made


def bound_us(load: Path) -> float:
    """CPU-µs of one send and one receive through a hot pair of sockets: the best of five runs."""
    runs = [subprocess.run([load, "bound", "100000"], capture_output=True, check=True) for _ in range(5)]
    return min(float(run.stdout) for run in runs)


class Load:
    """The phones, in a process and, where there is one, on a core of their own."""

    def __init__(self, program: Path, legs: int, seconds: float, scene: Scene) -> None:
        arguments = [str(legs), str(seconds), str(PCMA.payload_type), scene.mode]
        pinned = ["taskset", "-c", "0"] if (os.cpu_count() or 1) > 1 else []
        self._process = subprocess.Popen(
            [*pinned, program, "run", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ports(self) -> list[int]:
        assert self._process.stdout is not None
        return [int(text) for text in self._process.stdout.readline().split()]

    def run(self, targets: Sequence[int]) -> dict[str, float]:
        out, _ = self._process.communicate(" ".join(map(str, targets)) + "\n")
        found: dict[str, float] = json.loads(out)
        return found

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def python_busy(threads: int) -> Iterator[None]:
    """Keep Python's lock taken."""
    over = threading.Event()

    def spin() -> None:
        while not over.is_set():
            sum(range(1000))

    workers = [threading.Thread(target=spin, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        over.set()
        for worker in workers:
            worker.join()


def memory_kb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def lateness_us(before: Sequence[int], after: Sequence[int], quantile: float = 0.999) -> int:
    """Return the lateness that all but one instant in a thousand kept to: the upper end of a bin of 50 µs."""
    counts = [late - early for early, late in zip(before, after, strict=True)]
    seen, total = 0, sum(counts)
    for bin_, count in enumerate(counts):
        seen += count
        if seen >= quantile * total:
            return 50 * (bin_ + 1)
    return 50 * len(counts)


async def _run(load: Path, name: str, legs: int, seconds: float, busy: int = 0) -> dict[str, Any]:
    scene = SCENES[name]
    gc.collect()
    empty_kb = memory_kb()
    engine, gateway = Engine(21_000, 32_000, threads=scene.threads), Engine(10_000, 20_998, cpus=[0])
    engine.start()
    if scene.suite:
        gateway.start()
    phones = Load(load, legs, seconds, scene)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        try:
            loop = asyncio.get_running_loop()
            numbers = await loop.run_in_executor(None, phones.ports)
            ports = [engine.open(Nobody(), "127.0.0.1") for _ in range(legs)]
            targets = [port.local[1] for port in ports]
            if scene.suite:
                targets = through_gateway(gateway, ports, numbers, scene)
            else:
                for at, (port, number) in enumerate(zip(ports, numbers, strict=True)):
                    port.send_to(_agreed(("127.0.0.1", number), scene.codecs[at % 2], digits=scene.digits))
            scene.join(engine, ports, Path(directory))
            await asyncio.sleep(0.5)
            with python_busy(busy):
                before, began = engine.cpu_s, time.monotonic()
                running = loop.run_in_executor(None, phones.run, targets)
                await asyncio.sleep(seconds / 4)  # the first second or two set up
                regular, late = engine.regular, engine.lateness[0]
                found = await running
                spent, late_us = engine.cpu_s - before, lateness_us(late, engine.lateness[0])
                lasted = time.monotonic() - began
            return _row(name, legs, lasted, busy, spent, found) | {
                "memory_kb_per_leg": round((memory_kb() - empty_kb) / legs, 1),
                "lateness_p99.9_us": late_us,
                "regular": regular,
            }
        finally:
            engine.stop()
            gateway.stop()
            phones.stop()


def _row(name: str, legs: int, seconds: float, busy: int, spent: float, found: dict[str, float]) -> dict[str, Any]:
    scene = SCENES[name]
    expected = found["expected"] if scene.mode in ("listen", "sound", "count") else found["sent"]
    return {
        "scene": name + (f", {busy} busy Python threads" if busy else ""),
        "legs": legs,
        "packets": int(found["received"]),
        "lost_%": round(100 * max(0.0, 1 - found["received"] / max(1, expected)), 4),
        "reordered": int(found["reordered"]),
        "cpu_us_per_packet": round(1e6 * spent / max(1, found["received"]) / scene.hops, 2),
        "core_%": round(100 * spent / seconds, 1),
        "p50_ms": found["p50_ms"] if found["stamps"] else "–",
        "p99_ms": found["p99_ms"] if found["stamps"] else "–",
        "p99.9_ms": found["p999_ms"] if found["stamps"] else "–",
        "gap_p99.9_ms": found["gap_p999_ms"],
        "load_late_ms": found["generator_late_ms"],
    }


PLAN = [
    *(("relay", legs, 0) for legs in (100, 200, 500, 800, 1000, 2000, 3000, 4500)),
    ("relay", 500, 2),
    ("relay SHA1-80", 500, 0),
    ("relay GCM", 500, 0),
    ("recorded", 200, 0),
    *(("processed", legs, 0) for legs in (200, 1000, 1500, 2000, 2300)),
    ("relay, SRTP on both legs", 1000, 0),
    ("processed, SRTP on both legs", 1000, 0),
    ("processed, SRTP GCM on both legs", 1000, 0),
    ("processed, 2 media threads", 1000, 0),
    ("transcoded", 500, 0),
    ("rooms of 4", 2000, 0),
    ("rooms of 200", 2000, 0),
    ("listening", 3500, 0),
    ("listening, Opus", 200, 0),
    ("music on hold", 3500, 0),
    ("music on hold, Opus", 2000, 0),
]


def measure(plan: Sequence[tuple[str, int, int]] = PLAN, seconds: float = 8.0) -> list[dict[str, Any]]:
    """Run every scene at its sizes, each in a process of its own, whose memory nothing else has touched."""
    rows = []
    with network(), tempfile.TemporaryDirectory() as directory:
        load = build(Path(directory))
        for name, legs, busy in plan:
            bound = round(bound_us(load), 2)
            command = [sys.executable, "-m", "bench.media", name, str(legs), str(seconds), str(busy), str(load)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            rows.append(json.loads(done.stdout) | {"bound_us": bound})
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure one scene: ``python -m bench.media relay 500 [seconds [busy Python threads]]``.

    With the load generator's path as a last argument this is the process of the scene; the media thread and the load
    each have a core.
    """
    name, legs, *more = sys.argv[1:]
    seconds = float(more[0]) if more else 8.0
    busy = int(more[1]) if len(more) > 1 else 0
    if len(more) < 3:
        measure([(name, int(legs), busy)], seconds)
        return
    cores = os.sched_getaffinity(0)
    if len(cores) > 1 and not busy:
        os.sched_setaffinity(0, {max(cores)})
    print(json.dumps(asyncio.run(_run(Path(more[2]), name, int(legs), seconds, busy))))


if __name__ == "__main__":
    main()
