"""What every kind of event shares, and how one is rebuilt from the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple, dataclass_transform

KINDS: dict[str, type[Event]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened, in the words of the room that saw it."""

    KIND: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1
    DETAIL: ClassVar[bool] = False  # may be dropped when the disk stalls; calls, queues and agents never are

    call_id: str = ""
    leg_id: str = ""

    OWN: ClassVar[tuple[str, ...]] = ()  # the fields that have no column of their own

    def payload(self) -> dict[str, Any]:
        """Return the fields that are neither empty nor kept in columns of their own."""
        return {name: value for name in self.OWN if (value := getattr(self, name)) not in ("", None, (), {})}


class Logged(NamedTuple):
    """An event with its place in the log."""

    seq: int
    at_utc: float  # seconds since the epoch
    at_mono: float  # monotonic seconds, comparable within one run of the server
    event: Event


Listener = Callable[[Logged], None]


def listen(by_kind: dict[type[Event], tuple[Listener, ...]], listener: Listener, kinds: Iterable[type[Event]]) -> None:
    """Add *listener* to those of some kinds; one that would never hear of any is a mistake of ours, told at once.

    :raises ValueError: where none is named, one twice, or something that is no kind of its own, as a base class.
    """
    wanted = tuple(kinds)
    if not wanted:
        raise ValueError(f"{listener} listens to nothing")
    for kind in wanted:
        if KINDS.get(getattr(kind, "KIND", "")) is not kind:
            raise ValueError(f"{listener} listens to {kind.__name__}, which is no kind of event")
        if listener in by_kind.get(kind, ()):
            raise ValueError(f"{listener} would hear of {kind.KIND} twice")
        by_kind[kind] = (*by_kind.get(kind, ()), listener)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def kind(name: str, *, detail: bool = False) -> Any:
    """Register a dataclass under its *name*, room first."""

    def register(cls: type[Event]) -> type[Event]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        made.KIND = name
        made.DETAIL = detail
        made.OWN = tuple(f.name for f in fields(made) if f.name not in ("call_id", "leg_id"))
        KINDS[name] = made
        return made

    return register


def event_from(name: str, call_id: str, leg_id: str, payload: dict[str, Any]) -> Event:
    """Rebuild an event read from the log, ignoring fields that this version no longer has.

    :raises KeyError: for an unknown kind.
    """
    cls = KINDS[name]
    known = cls.OWN
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in payload.items() if k in known}
    return cls(call_id=call_id, leg_id=leg_id, **values)
