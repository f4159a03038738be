"""The variables of one call: what it brought, what its script set, and what is asked of the house at that moment."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pbx.config.condition import Value
from pbx.dialplan.routes import Match

if TYPE_CHECKING:
    from pbx.dialplan.router import Dialplan


class Variables(Mapping[str, Value]):
    """Values by name; ``open.NAME``, ``switch.NAME`` and ``TABLE.FIELD`` are looked up when they are asked for."""

    def __init__(self, plan: Dialplan, source: str, values: Mapping[str, Value]) -> None:
        self.source = source  # endpoint/1001, trunk/carrier
        self._plan = plan
        self._values = dict(values)

    def __getitem__(self, name: str) -> Value:
        found = self._values.get(name)
        if found is not None:
            return found
        room, _, rest = name.partition(".")
        if room == "open" and rest in self._plan.calendars.hours:
            return self._plan.calendars.open(rest, self._plan.now)
        if room == "switch":
            return self._plan.switch(rest)
        if rest and room in self._plan.config.tables:
            return self._row(room)[rest]
        raise KeyError(name)

    def _row(self, table: str) -> Mapping[str, Value]:
        """The row of a table keyed by number: as matched, as dialled, then the number that was called first."""
        rows = self._plan.config.tables[table]
        for key in ("number", "dialled", "did"):
            row = rows.get(str(self._values.get(key, "")))
            if row is not None:
                return row  # type: ignore[no-any-return]
        return rows.get("default", {})  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def set(self, name: str, value: Value) -> None:
        self._values[name] = value

    def take_match(self, match: Match) -> None:
        """Take what the chosen route gives: the form that matched, and named groups."""
        self._values["number"] = match.number
        self._values.update(match.groups)

    @contextlib.contextmanager
    def trying(self, match: Match) -> Iterator[None]:
        """Let a route's condition see the route's own number and groups."""
        before = self._values
        self._values = {**before, "number": match.number, **match.groups}
        try:
            yield
        finally:
            self._values = before
