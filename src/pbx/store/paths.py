"""What else the log says: the way through menus, the use of trunks, the quality of each leg."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pbx import events as ev
from pbx.events import Logged


@dataclass(slots=True)
class MenuPath:
    """One caller's way: "main 2, sales 1", and what became of it before any queue."""

    call_id: str
    caller: str = ""
    began_utc: float = 0.0
    path: list[tuple[str, str]] = field(default_factory=list)  # (menu, key); "" is silence
    end: str = ""  # served, queue, menu (left in it), elsewhere
    where: str = ""  # the menu, the queue, or what was served


def menu_path(entries: Iterable[Logged]) -> MenuPath | None:
    """Derive a call's way through menus; None for a call that entered none."""
    found = MenuPath("")
    menu = ""
    for entry in entries:
        event = entry.event
        if isinstance(event, ev.CallStarted):
            found.call_id = found.call_id or event.call_id
            found.caller, found.began_utc = found.caller or event.caller, found.began_utc or entry.at_utc
        elif isinstance(event, ev.MenuEntered):
            menu = event.menu
        elif isinstance(event, ev.MenuKey):
            found.path.append((event.menu, event.key))
        elif isinstance(event, ev.MenuLeft):
            if event.how == "hangup" and not found.end:
                found.end, found.where = "menu", event.menu
        elif isinstance(event, ev.CallServed):
            found.end, found.where = "served", event.what
        elif isinstance(event, ev.QueueEntered):
            found.end, found.where = "queue", event.queue
            break
    if not menu:
        return None
    found.end = found.end or "elsewhere"
    return found


@dataclass(slots=True)
class TrunkUse:
    """A trunk's load over some time."""

    trunk: str
    calls_in: int = 0
    calls_out: int = 0
    answered: int = 0
    failed: int = 0  # out, and never answered
    seconds: float = 0.0  # talk of all its legs
    peak: int = 0  # legs at one time


def trunk_use(entries: Iterable[Logged]) -> dict[str, TrunkUse]:
    """Derive the use of every trunk. A leg that a crash cut lasted to the last event before the restart."""
    found: dict[str, TrunkUse] = {}
    live: dict[str, tuple[TrunkUse, ev.LegCreated, float]] = {}  # by leg; when it was answered, 0: not yet
    now: dict[str, int] = {}
    last = 0.0
    for entry in entries:
        event = entry.event
        if isinstance(event, ev.ServerStarted):
            for leg_id in list(live):
                _trunk_leg_over(live, now, leg_id, last)
        last = entry.at_mono
        if isinstance(event, ev.LegCreated) and event.party.startswith("trunk/"):
            name = event.party.partition("/")[2]
            use = found.setdefault(name, TrunkUse(name))
            live[event.leg_id] = (use, event, 0.0)
            use.calls_in += event.direction == "in"
            use.calls_out += event.direction == "out"
            now[name] = now.get(name, 0) + 1
            use.peak = max(use.peak, now[name])
        elif isinstance(event, ev.LegAnswered) and event.leg_id in live:
            use, created, _ = live[event.leg_id]
            use.answered += 1
            live[event.leg_id] = (use, created, entry.at_mono)
        elif isinstance(event, ev.LegEnded):
            _trunk_leg_over(live, now, event.leg_id, entry.at_mono)
    for leg_id in list(live):
        _trunk_leg_over(live, now, leg_id, last)
    return found


def _trunk_leg_over(
    live: dict[str, tuple[TrunkUse, ev.LegCreated, float]], now: dict[str, int], leg_id: str, at_mono: float
) -> None:
    if leg_id not in live:
        return
    use, created, answered = live.pop(leg_id)
    now[use.trunk] -= 1
    if answered:
        use.seconds += at_mono - answered
    elif created.direction == "out":
        use.failed += 1


@dataclass(slots=True)
class LegRecord:
    """One leg's quality, as its peer and we saw it."""

    leg_id: str
    call_id: str
    party: str
    direction: str  # received, sent
    codec: str
    packets: int
    lost: int
    late: int
    loss: float | None  # share; None where nothing came
    jitter_ms: float | None
    round_trip_ms: float | None
    mos: float | None


def leg_quality(entries: Iterable[Logged]) -> Iterator[LegRecord]:
    """Yield the quality of every leg, in the order in which they ended."""
    parties: dict[str, str] = {}
    for entry in entries:
        event = entry.event
        if isinstance(event, ev.LegCreated):
            parties[event.leg_id] = event.party
        elif isinstance(event, ev.LegEnded):
            parties.pop(event.leg_id, None)
        elif isinstance(event, ev.LegQuality):
            expected = event.packets + event.lost
            yield LegRecord(
                event.leg_id, event.call_id, parties.get(event.leg_id, ""), event.direction, event.codec,
                event.packets, event.lost, event.late, event.lost / expected if expected else None, event.jitter_ms,
                event.round_trip_ms, event.mos,
            )  # fmt: skip
