"""Reports by interval: agents, groups of queues, dispositions, surveys, callbacks; docs/records.md defines each figure.

A call belongs to the interval in which it entered the queue; agents' seconds are cut at the boundaries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from pbx import events as ev
from pbx.events import Logged
from pbx.store.agent_time import occupancy, spells, utilisation
from pbx.store.entries import Entry
from pbx.store.queue_figures import share

FCR_DAYS = 7
DROP_S = 60.0  # a call back so soon after one that we dropped is the same matter
WITHHELD = frozenset(("", "anonymous", "unavailable", "restricted", "unknown"))
KINDS = (
    "queue.entered", "queue.left", "queue.served", "offer.made", "offer.ended", "agent.state", "server.started",
    "leg.transferred", "call.disposition", "survey.answered", "callback.changed",
)  # fmt: skip

Bounds = Callable[[float], float]  # an instant to the begin of its interval
Row = dict[str, object]


@dataclass(slots=True)
class AgentSums:
    """What an agent did in an interval."""

    offers: dict[str, int] = field(default_factory=dict)  # by outcome
    seconds: dict[str, float] = field(default_factory=dict)  # by state
    transferred: int = 0  # queue calls sent on; one that came back is none

    def row(self) -> Row:
        answered = self.offers.get("answered", 0)
        counted = sum(count for outcome, count in self.offers.items() if outcome not in ("cancelled", "failed"))
        work_s = self.seconds.get("on-call", 0.0) + self.seconds.get("wrap-up", 0.0)
        return {
            "answered": answered,
            **{outcome: self.offers.get(outcome, 0) for outcome in ("missed", "declined", "failed", "cancelled")},
            "transferred": self.transferred,
            "answer_rate": share(answered / counted if counted else None),
            "transfer_rate": share(self.transferred / answered if answered else None),
            "aht_s": round(work_s / answered, 1) if answered else None,
            "occupancy": share(occupancy(self.seconds)),
            "utilisation": share(utilisation(self.seconds)),
            "logged_in_s": round(sum(self.seconds.values()), 1),
            "seconds": {state: round(spent, 1) for state, spent in sorted(self.seconds.items())},
        }


def agents(log: Iterable[Logged], until_utc: float, begin_of: Bounds) -> list[Row]:
    """Return a row an interval and agent."""
    entries = list(log)
    found: dict[tuple[float, str], AgentSums] = {}
    sent: dict[str, AgentSums] = {}  # by call: whose transfer may yet come back
    for entry in entries:
        event = entry.event
        if isinstance(event, ev.OfferEnded):
            offers = found.setdefault((begin_of(entry.at_utc), event.agent), AgentSums()).offers
            offers[event.outcome] = offers.get(event.outcome, 0) + 1
        elif isinstance(event, ev.QueueServed) and event.by == "transfer":
            sent[event.call_id] = sums = found.setdefault((begin_of(entry.at_utc), event.agent), AgentSums())
            sums.transferred += 1
        elif isinstance(event, ev.LegTransferred) and event.outcome == "returned" and event.call_id in sent:
            sent.pop(event.call_id).transferred -= 1
    for spell in spells(entries, until_utc):
        for began, seconds in _cut(spell.began_utc, spell.ended_utc, begin_of):
            spent = found.setdefault((began, spell.agent), AgentSums()).seconds
            spent[spell.state] = spent.get(spell.state, 0.0) + seconds
    return [{"began_utc": began, "agent": agent, **sums.row()} for (began, agent), sums in sorted(found.items())]


def _cut(began: float, ended: float, begin_of: Bounds) -> Iterable[tuple[float, float]]:
    """Cut a time at the boundaries: halve it until both ends lie in one interval."""
    if begin_of(began) == begin_of(ended) or ended - began < 0.001:
        return [(begin_of(began), ended - began)]
    low, high = began, ended  # the boundary after *began* lies between
    while high - low > 0.0005:
        middle = (low + high) / 2
        if begin_of(middle) == begin_of(began):
            low = middle
        else:
            high = middle
    return [(begin_of(began), high - began), *_cut(high, ended, begin_of)]


def dispositions(entries: Iterable[Entry], begin_of: Bounds) -> list[Row]:
    """Count what answered calls were about; "" is what no agent said anything of."""
    found: dict[tuple[float, str, str], int] = {}
    for entry in entries:
        if entry.exit == "answered":
            key = (begin_of(entry.entered_utc), entry.queue, entry.disposition)
            found[key] = found.get(key, 0) + 1
    return [
        {"began_utc": began, "queue": queue, "disposition": code, "calls": calls}
        for (began, queue, code), calls in sorted(found.items())
    ]


def surveys(log: Iterable[Logged], begin_of: Bounds) -> list[Row]:
    """Return a row an interval, survey and agent: participation stands beside the score."""
    counts: dict[tuple[float, str, str], dict[str, int]] = {}
    scores: dict[tuple[float, str, str], list[float]] = {}
    for entry in log:
        if isinstance(event := entry.event, ev.SurveyAnswered):
            key = (begin_of(entry.at_utc), event.survey, event.agent)
            states = counts.setdefault(key, {})
            states[event.state] = states.get(event.state, 0) + 1
            if event.state == "scored" and event.score.isdigit():
                scores.setdefault(key, []).append(float(event.score))
    rows: list[Row] = []
    for key, states in sorted(counts.items()):
        offered, scored, found = states.get("offered", 0), states.get("scored", 0), scores.get(key, [])
        rows.append(
            {
                "began_utc": key[0], "survey": key[1], "agent": key[2], "offered": offered, "scored": scored,
                "participation": share(scored / offered if offered else None),
                "score": round(sum(found) / len(found), 2) if found else None,
            }
        )  # fmt: skip
    return rows


def callbacks(log: Iterable[Logged], begin_of: Bounds) -> list[Row]:
    """Return a row an interval and queue, by when a callback was promised; one that is still to come is open."""
    promised: dict[str, tuple[float, str]] = {}  # callback_id: when, queue
    ended: dict[str, tuple[str, float]] = {}  # callback_id: how, when
    for entry in log:
        if isinstance(event := entry.event, ev.CallbackChanged):
            if event.state == "promised":
                promised.setdefault(event.callback_id, (entry.at_utc, event.queue))
            elif event.state in ("connected", "failed", "expired", "cancelled"):
                ended[event.callback_id] = (event.state, entry.at_utc)
    counts: dict[tuple[float, str], Counter[str]] = {}
    waits: dict[tuple[float, str], list[float]] = {}
    for callback_id, (at, queue) in promised.items():
        key = (begin_of(at), queue)
        how, when = ended.get(callback_id, ("open", at))
        counts.setdefault(key, Counter()).update(("accepted", how))
        if how == "connected":
            waits.setdefault(key, []).append(when - at)
    rows: list[Row] = []
    for key, found in sorted(counts.items()):
        mine = waits.get(key, [])
        states = ("accepted", "connected", "failed", "expired", "cancelled", "open")
        rows.append(
            {
                "began_utc": key[0], "queue": key[1], **{state: found[state] for state in states},
                "kept_rate": share(len(mine) / found["accepted"]),
                "time_to_callback_s": round(sum(mine) / len(mine), 1) if mine else None,
            }
        )  # fmt: skip
    return rows


# ---- first-call resolution -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Resolution:
    """Contacts of a group in an interval, by what followed."""

    resolved: int = 0
    repeated: int = 0
    open: int = 0  # seven days are not over

    @property
    def fcr(self) -> float | None:
        judged = self.resolved + self.repeated
        return self.resolved / judged if judged else None


def first_call_resolution(
    entries: Iterable[Entry],
    group_of: Callable[[str], str],
    short_s: Callable[[str], float],
    now_utc: float,
    begin_of: Bounds,
    switchboards: Collection[str] = (),
) -> dict[tuple[float, str], Resolution]:
    """Judge each contact by whether the same number came to the same group again within seven days.

    Left out: withheld numbers, *switchboards*, short abandons, and calls back within a minute of one that was dropped.
    """
    contacts: dict[tuple[str, str], list[Entry]] = {}
    for entry in sorted(entries, key=lambda one: one.entered_utc):
        group = group_of(entry.queue)
        short = entry.exit == "abandoned" and entry.wait_ms < short_s(entry.queue) * 1000
        if not group or entry.source != "new" or short or entry.caller.lower() in WITHHELD:
            continue
        if entry.caller in switchboards:
            continue
        line = contacts.setdefault((group, entry.caller), [])
        if line and line[-1].dropped_utc is not None and entry.entered_utc - line[-1].dropped_utc <= DROP_S:
            continue
        line.append(entry)
    found: dict[tuple[float, str], Resolution] = {}
    for (group, _), line in contacts.items():
        for entry, after in zip(line, [*line[1:], None], strict=True):
            resolution = found.setdefault((begin_of(entry.entered_utc), group), Resolution())
            limit = entry.entered_utc + FCR_DAYS * 86_400
            if after is not None and after.entered_utc <= limit:
                resolution.repeated += 1
            elif now_utc < limit:
                resolution.open += 1
            else:
                resolution.resolved += 1
    return found


def groups(queue_rows: Iterable[Row], resolutions: Mapping[tuple[float, str], Resolution]) -> list[Row]:
    """Lay first-call resolution beside the sums of each group."""
    rows: list[Row] = []
    for row in queue_rows:
        began, group = row["began_utc"], row["queue"]
        assert isinstance(began, float | int)
        found = resolutions.get((began, str(group)), Resolution())
        rest = {key: value for key, value in row.items() if key not in ("began_utc", "queue")}
        judged = {"resolved": found.resolved, "repeated": found.repeated, "open": found.open, "fcr": share(found.fcr)}
        rows.append({"began_utc": began, "group": group, **rest, **judged})
    return rows
