"""Which routes, keys and branches the tests of a configuration reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pbx.config.config import Config
from pbx.config.where import Where
from pbx.dialplan.testing import Result
from pbx.dialplan.walk import every_step, lists_of, nested

MOST_SHOWN = 20


@dataclass(slots=True)
class Coverage:
    """Counts, and the places that no test reached."""

    total: dict[str, int] = field(default_factory=dict)
    reached: dict[str, int] = field(default_factory=dict)
    missed: list[tuple[Where, str]] = field(default_factory=list)

    def add(self, kind: str, where: Where, what: str, *, reached: bool) -> None:
        self.total[kind] = self.total.get(kind, 0) + 1
        self.reached[kind] = self.reached.get(kind, 0) + reached
        if not reached:
            self.missed.append((where, what))

    def lines(self) -> Iterator[str]:
        """Yield what people read."""
        counts = ", ".join(f"{self.reached[kind]} of {total} {kind}" for kind, total in self.total.items())
        yield f"reached: {counts}" if counts else "nothing to reach"
        for where, what in self.missed[:MOST_SHOWN]:
            yield f"  {where}: no test reached {what}"
        if len(self.missed) > MOST_SHOWN:
            yield f"  … and {len(self.missed) - MOST_SHOWN} more"

    def as_data(self) -> dict[str, object]:
        return {
            "total": self.total,
            "reached": self.reached,
            "missed": [{"where": str(where), "what": what} for where, what in self.missed],
        }


def coverage(config: Config, results: Iterable[Result]) -> Coverage:
    """Compare what ran with what stands in the files."""
    ran: set[str] = set()
    keys: set[tuple[str, str]] = set()
    for result in results:
        ran |= result.ran
        keys |= result.keys
    report = Coverage()
    for name, context in config.contexts.items():
        for route in context.route:
            what = f"route {' '.join(route.match) or route.match_re or 'default'} of {name}"
            report.add("routes", route.where, what, reached=str(route.where) in ran)
    for name, menu in config.menus.items():
        for key, choice in menu.keys.items():
            where = choice.do[0].where if choice.do else menu.where
            report.add("keys", where, f"key {key} of menu {name}", reached=(name, key) in keys)
    seen: set[Where] = set()
    for _, steps in lists_of(config):
        for step in every_step(steps):
            for word, inner in nested(step):
                if inner and inner[0].where not in seen:
                    seen.add(inner[0].where)
                    report.add("branches", inner[0].where, f"the branch {word}", reached=str(inner[0].where) in ran)
    return report
