"""What ``pbx show`` shows: where it comes from and its columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pbx.cli.tables import Column, Row, clock, column, lasted, percent, seconds


@dataclass(frozen=True, slots=True)
class View:
    """A list of the API as a table."""

    help: str
    url: str
    columns: Sequence[Column]


def _parties(row: Row) -> str:
    return " ↔ ".join(f"{leg['party']} ({leg['state']})" for leg in row["legs"])


def _waits(row: Row) -> str:
    waiting = row["waiting"]
    return f"{waiting['queue']} #{waiting['position']}" if waiting else "–"


def _agents(row: Row) -> str:
    """Free, busy and away, as who runs a floor counts."""
    states = row["agents"]
    on = sum(count for state, count in states.items() if state != "logged-out")
    return f"{states['ready']} free / {on} in"


def _skills(row: Row) -> str:
    return " ".join(f"{skill}={level}" for skill, level in sorted(row["skills"].items())) or "–"


def _doing(row: Row) -> str:
    words = [row["state"]]
    if row["state"] == "paused":
        words.append(row["reason"])
    if row["call"]:
        words.append(row["call"]["queue"])
    if row["next"]:
        words.append(f"then {row['next']}")
    if row["help_s"] is not None:
        words.append(f"calls for help {lasted(row['help_s'])}")
    return " ".join(word for word in words if word)


def _quality(row: Row) -> str:
    return "–" if row["jitter_ms"] is None else f"{row['jitter_ms']:.1f}"


def _loss(row: Row) -> str:
    expected = row["packets_in"] + row["lost"]
    return f"{row['lost'] / expected * 100:.2f} %" if expected else "–"


VIEWS: dict[str, View] = {
    "calls": View(
        "Calls in progress.",
        "/v1/calls",
        [
            column("call", "call_id"), column("state", "state", state=True), column("from", "caller"),
            column("dialled", "dialled"), Column("waits", _waits), seconds("for", "duration_s"),
            Column("legs", _parties),
        ],
    ),
    "channels": View(
        "Every leg with its media: one line a dialog.",
        "/v1/channels",
        [
            column("leg", "leg_id"), column("party", "party"), column("state", "state", state=True),
            column("codec", "codec"), Column("held", lambda r: "held" if r["held"] else "–"),
            seconds("age", "age_s"), column("in", "packets_in", right=True), column("out", "packets_out", right=True),
            Column("loss", _loss, right=True), Column("jitter ms", _quality, right=True),
            column("MOS", "mos", right=True), column("sound from", "remote"),
        ],
    ),
    "endpoints": View(
        "Configured endpoints and their state.",
        "/v1/endpoints",
        [
            column("endpoint", "endpoint"), column("name", "name"), column("state", "state", state=True),
            column("contacts", "contacts", right=True), column("legs", "legs", right=True),
            column("agent", "agent"), column("context", "context"),
        ],
    ),
    "registrations": View(
        "Where endpoints are registered.",
        "/v1/registrations",
        [
            column("endpoint", "endpoint"), column("contact", "contact"), column("source", "source"),
            column("phone", "user_agent"), column("expires s", "expires_s", right=True),
        ],
    ),
    "trunks": View(
        "Configured trunks, their state and load.",
        "/v1/trunks",
        [
            column("trunk", "trunk"), column("state", "state", state=True), column("cause", "cause"),
            Column("proxy", lambda r: ", ".join(r["proxy"]) or "–"),
            Column("legs", lambda r: f"{r['legs']}/{r['max_calls']}", right=True), column("context", "context"),
        ],
    ),
    "queues": View(
        "Queues: who waits, who serves, how the day goes.",
        "/v1/queues",
        [
            column("queue", "queue"), column("strategy", "strategy"), column("waiting", "waiting", right=True),
            seconds("longest", "longest_wait_s"), Column("agents", _agents),
            Column("entered", lambda r: str(r["today"]["entered"]), right=True),
            Column("answered", lambda r: str(r["today"]["answered"]), right=True),
            Column("abandoned", lambda r: str(r["today"]["abandoned"]), right=True),
            Column("SL", lambda r: percent(r["today"]["service_level"]), right=True),
            Column("ASA", lambda r: lasted(r["today"]["asa_s"]), right=True),
        ],
    ),
    "agents": View(
        "Agents and what they do.",
        "/v1/agents",
        [
            column("agent", "agent"), column("name", "name"), column("seat", "seat"),
            Column("state", _doing, state=True), seconds("for", "since_s"),
            Column("queues", lambda r: " ".join(f"{q}:{t}" for q, t in r["queues"].items()) or "–"),
            Column("skills", _skills), column("calls", "answered_today", right=True),
            column("missed", "missed_today", right=True), seconds("talk", "talk_today_s"),
        ],
    ),
    "conferences": View(
        "Conference rooms that somebody is in.",
        "/v1/conferences",
        [
            column("conference", "conference"), Column("members", lambda r: str(len(r["members"])), right=True),
            Column("parties", lambda r: ", ".join(m["party"] for m in r["members"])),
        ],
    ),
    "parking": View(
        "Parked calls.",
        "/v1/parking",
        [
            column("place", "place"), column("caller", "caller"), column("parked by", "by"),
            seconds("for", "parked_s"), column("call", "call_id"),
        ],
    ),
    "mailboxes": View(
        "Mailboxes and their messages.",
        "/v1/mailboxes",
        [column("mailbox", "mailbox"), column("new", "new", right=True), column("old", "old", right=True)],
    ),
    "codecs": View(
        "Codecs, in the order in which they are offered.",
        "/v1/codecs",
        [
            column("codec", "codec"), column("preference", "preference", right=True),
            column("rate Hz", "rate_hz", right=True), column("payload type", "payload_type", right=True),
            column("legs", "legs", right=True),
        ],
    ),
    "limits": View(
        "What is full at which figure, and how full it is.",
        "/v1/limits",
        [
            column("limit", "limit"), column("used", "used", right=True), column("most", "most", right=True),
            Column("full", lambda r: percent(r["used"] / r["most"] if r["used"] is not None and r["most"] else None),
                   right=True),
        ],
    ),
    "threads": View(
        "Threads and the CPU time that they took.",
        "/v1/threads",
        [column("thread", "thread"), column("tid", "tid", right=True), column("CPU s", "cpu_s", right=True),
         column("scheduling", "scheduling"), column("processors", "processors")],
    ),
    "loggers": View(
        "Log levels, by room.",
        "/v1/log",
        [Column("room", lambda r: r["room"] or "(all)"), column("level", "level")],
    ),
    "recordings": View(
        "The newest recordings; `pbx recording find` chooses.",
        "/v1/recordings",
        [
            Column("started", lambda r: clock(r["started_utc"])), column("caller", "caller"), column("queue", "queue"),
            column("agent", "agent"), Column("lasts", lambda r: lasted(r["duration_ms"] / 1000), right=True),
            Column("held", lambda r: "held" if r["held"] else "–"), column("recording", "recording_id"),
        ],
    ),
    "cdr": View(
        "The newest call records.",
        "/v1/cdr",
        [
            Column("started", lambda r: clock(r["started_utc"])), column("from", "caller"),
            column("dialled", "dialled"), column("answered by", "answered_by"),
            Column("talk s", lambda r: f"{r['talk_ms'] / 1000:.1f}", right=True), column("cause", "cause", state=True),
            column("ended by", "ended_by"), column("call", "call_id"),
        ],
    ),
}  # fmt: skip

MEMBERS: Sequence[Column] = [
    column("agent", "agent"), column("name", "name"), column("tier", "tier", right=True),
    Column("state", lambda r: f"{r['state']} {r['reason']}".strip(), state=True), seconds("for", "since_s"),
    column("calls", "calls", right=True), seconds("last call", "last_call_s"),
]  # fmt: skip
CALLERS: Sequence[Column] = [
    column("position", "position", right=True), column("caller", "caller"), seconds("waited", "waited_s"),
    column("priority", "priority", right=True), Column("needs", lambda r: " ".join(r["needs"]) or "–"),
    Column("rings", lambda r: ", ".join(r["offered_to"]) or "–"),
    Column("entry", lambda r: r["entry_id"] + (" (callback)" if r["callback"] else "")),
]  # fmt: skip
LEGS: Sequence[Column] = [
    column("leg", "leg_id"), column("party", "party"), column("direction", "direction"),
    column("state", "state", state=True), column("codec", "codec"),
    Column("held", lambda r: "held" if r["held"] else "–"), column("talks with", "peer_leg"),
    column("SIP Call-ID", "sip_call_id"),
]  # fmt: skip
