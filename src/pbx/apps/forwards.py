"""What people set at their phones: forwards and do-not-disturb, kept over a restart; and the minutes it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

import orjson

from pbx import events as ev
from pbx.apps.desk_store import Texts
from pbx.call.contract import Emit
from pbx.config.endpoints import Forward

WHATS = ("all", "busy", "no-answer")


@dataclass(frozen=True, slots=True)
class _Set:
    """What was set of one endpoint; a forward that is not named is the file's, "" is none."""

    forwards: dict[str, str] = field(default_factory=dict)
    dnd: bool = False
    filtered: bool | None = None  # calls go to the secretary first; None: as the file says
    day: str = ""  # of the minutes below
    spent_s: float = 0.0  # talked outside on this endpoint's account


class Forgetful:
    """Texts that end with the process."""

    def load(self) -> dict[str, str]:
        return {}

    def save(self, name: str, text: str) -> None:
        return

    async def saved(self) -> None:
        return


class Forwards:
    """Every endpoint's forwards: the file gives the first value, a code or the console the next."""

    def __init__(self, texts: Texts, emit: Emit, wall: Callable[[], float]) -> None:
        self._texts = texts
        self._emit = emit
        self._wall = wall
        self._set = {name: _Set(**orjson.loads(text)) for name, text in texts.load().items() if text}

    def of(self, endpoint: str, first: Forward | None) -> Forward:
        """Return what counts now; *first* is the file's word."""
        spec = first or Forward()
        found = self._set.get(endpoint)
        if found is None or not found.forwards:
            return spec
        return spec.model_copy(update={what.replace("-", "_"): to for what, to in found.forwards.items()})

    def set(self, endpoint: str, what: str, to: str, *, by: str, call_id: str = "") -> None:
        """Forward *what* (all, busy, no-answer) to a number; "" ends it.

        :raises ValueError: for another *what*.
        """
        if what not in WHATS:
            raise ValueError(f"{what} is no kind of forward: {', '.join(WHATS)}")
        before = self._set.get(endpoint, _Set())
        self._keep(endpoint, replace(before, forwards={**before.forwards, what: to}))
        self._emit(ev.EndpointSet(call_id=call_id, endpoint=endpoint, what=f"forward-{what}", value=to, by=by))

    def disturb_not(self, endpoint: str) -> bool:
        """Say whether an endpoint does not want to be rung."""
        found = self._set.get(endpoint)
        return found is not None and found.dnd

    def set_dnd(self, endpoint: str, on: bool, *, by: str, call_id: str = "") -> None:
        self._keep(endpoint, replace(self._set.get(endpoint, _Set()), dnd=on))
        self._emit(ev.EndpointSet(call_id=call_id, endpoint=endpoint, what="dnd", value="on" if on else "off", by=by))

    def filtered(self, endpoint: str, first: bool) -> bool:
        """Say whether an endpoint's calls go to its secretary first; *first* is the file's word."""
        found = self._set.get(endpoint)
        return first if found is None or found.filtered is None else found.filtered

    def set_filter(self, endpoint: str, on: bool, *, by: str, call_id: str = "") -> None:
        self._keep(endpoint, replace(self._set.get(endpoint, _Set()), filtered=on))
        value = "on" if on else "off"
        self._emit(ev.EndpointSet(call_id=call_id, endpoint=endpoint, what="filter", value=value, by=by))

    def changed(self, first: Callable[[str], Forward | None]) -> list[str]:
        """Say what people set that the files do not."""
        told = []
        for endpoint, found in sorted(self._set.items()):
            spec = first(endpoint) or Forward()
            told += [
                f"endpoint {endpoint}: forward {what} {to or 'off'}"
                for what, to in found.forwards.items()
                if to != getattr(spec, what.replace("-", "_"))
            ]
            told += [f"endpoint {endpoint}: do not disturb"] if found.dnd else []
            if found.filtered is not None:
                told.append(f"endpoint {endpoint}: calls go to {'the secretary' if found.filtered else 'them'} first")
        return told

    # ---- minutes outside -------------------------------------------------------------------------------------------

    def left_s(self, endpoint: str, limit_minutes: float) -> float:
        """Return how long an endpoint may yet send calls outside today."""
        found = self._set.get(endpoint, _Set())
        spent_s = found.spent_s if found.day == self._today() else 0.0
        return max(0.0, limit_minutes * 60 - spent_s)

    def spend(self, endpoint: str, seconds: float) -> None:
        """Count what was talked."""
        found, today = self._set.get(endpoint, _Set()), self._today()
        spent_s = (found.spent_s if found.day == today else 0.0) + seconds
        self._keep(endpoint, replace(found, day=today, spent_s=round(spent_s, 1)))

    def _today(self) -> str:
        return f"{datetime.fromtimestamp(self._wall(), UTC):%Y-%m-%d}"

    def _keep(self, endpoint: str, what: _Set) -> None:
        self._set[endpoint] = what
        self._texts.save(endpoint, orjson.dumps(asdict(what)).decode())
