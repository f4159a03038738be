"""Alerts: a condition over live figures that holds for so long, told once when it begins and once when it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pbx import events as ev
from pbx.acd.agent import State
from pbx.apps.desk import Desk
from pbx.call.contract import Emit
from pbx.config.condition import Condition, Value, compile_condition
from pbx.config.config import Config
from pbx.config.general import Alert
from pbx.store.today import Today

QUEUE = "queue."
Figures = Mapping[str, Mapping[str, Value]]  # by queue, "" for what belongs to none


class Deliver(Protocol):
    """Who carries the news (:class:`pbx.post.Post`)."""

    def webhook(self, url: str, data: dict[str, object]) -> None: ...
    def mail(self, to: str, subject: str, text: str) -> None: ...


@dataclass(slots=True)
class _Watch:
    since: float | None = None  # holds since
    told: bool = False


class Alerts:
    """Every alert of the configuration; :meth:`look` about once a second."""

    def __init__(
        self, config: Callable[[], Config], figures: Callable[[], Figures], deliver: Deliver, emit: Emit,
        wall: Callable[[], float],
    ) -> None:  # fmt: skip
        self._config = config
        self._figures = figures
        self._deliver = deliver
        self._emit = emit
        self._wall = wall
        self._watches: dict[str, _Watch] = {}

    def look(self, now: float) -> None:
        """Tell what began or ended by *now* (monotonic seconds)."""
        alerts = self._config().alerts
        if not alerts:
            self._watches.clear()
            return
        figures = self._figures()
        for name in self._watches.keys() - alerts.keys():
            del self._watches[name]
        for name, alert in alerts.items():
            watch = self._watches.setdefault(name, _Watch())
            queue = holds(compile_condition(alert.when), figures)
            if queue is None:
                watch.since = None
                if watch.told:
                    watch.told = False
                    self._tell(name, alert, "cleared", "", figures)
                continue
            watch.since = now if watch.since is None else watch.since
            if not watch.told and now - watch.since >= alert.for_s:
                watch.told = True
                self._tell(name, alert, "raised", queue, figures)

    @property
    def raised(self) -> list[str]:
        """The alerts that hold now."""
        return [name for name, watch in self._watches.items() if watch.told]

    def _tell(self, name: str, alert: Alert, state: str, queue: str, figures: Figures) -> None:
        self._emit(ev.AlertChanged(alert=name, state=state, queue=queue))
        about = dict(figures.get(queue, {}))
        data: dict[str, object] = {
            "alert": name, "state": state, "when": alert.when, "queue": queue, "at_utc": self._wall(), "figures": about,
        }  # fmt: skip
        if alert.webhook:
            self._deliver.webhook(alert.webhook, data)
        if alert.mail:
            told = "\n".join(f"{key} {value}" for key, value in about.items())
            of_queue = f" in queue {queue}" if queue else ""
            text = f"{alert.when}{of_queue}\n\n{told}\n"
            self._deliver.mail(alert.mail, f"pbx: {name} {state}{of_queue}", text)


def live_figures(desk: Desk, today: Today, calls: int, registrations: int, trunks_down: int) -> Figures:
    """Return what conditions may ask for, as it is now; a service level of nobody is 1."""
    found: dict[str, Mapping[str, Value]] = {
        "": {"calls": calls, "registrations": registrations, "trunks-down": trunks_down,
             "hands-raised": len(desk.hands.up)}
    }  # fmt: skip
    now = desk.calls.now
    for name, queue in desk.core.queues.items():
        sums = today.queue(name)
        states = [agent.state for agent in queue.members]
        waits = [now - entry.since for entry in queue.entries.values() if entry.callback is None]
        found[name] = {
            "waiting": queue.waiting, "longest-wait-s": round(max(waits, default=0.0), 1),
            "callbacks": queue.callbacks, "ready": states.count(State.READY), "logged-in": len(queue.staff),
            "paused": states.count(State.PAUSED), "on-call": states.count(State.ON_CALL), "entered": sums.entered,
            "answered": sums.exits["answered"], "abandoned": sums.exits["abandoned"],
            "service-level": 1.0 if sums.service_level is None else round(sums.service_level, 4),
        }  # fmt: skip
    return found


def holds(condition: Condition, figures: Figures) -> str | None:
    """Return the queue for which a condition holds, "" where it names none or names them itself; None: it does not.

    ``queue.F`` stands for any queue's figure, ``queue.NAME.F`` for that one's.
    """
    named = {f"{QUEUE}{queue}.{key}": value for queue, own in figures.items() if queue for key, value in own.items()}
    base = {**figures.get("", {}), **named}
    if not any(_is_of_any(name, figures) for name in condition.names):
        return "" if condition.evaluate(base) else None
    for queue, own in figures.items():
        if queue and condition.evaluate({**base, **{QUEUE + key: value for key, value in own.items()}}):
            return queue
    return None


def _is_of_any(name: str, figures: Figures) -> bool:
    return name.startswith(QUEUE) and name.removeprefix(QUEUE) in next((own for q, own in figures.items() if q), {})
