"""What the core says, as the events that the log keeps."""

from __future__ import annotations

from collections.abc import Collection

from pbx import events as ev
from pbx.acd import outputs as out
from pbx.acd.explain import compact


def event_of(output: out.Output, call_id: str, endpoint: str, productive: Collection[str] = ()) -> ev.Event | None:
    """Return the event of an output; entering is told by who knows the caller.

    *productive* are the reasons of pauses that count as work.
    """
    match output:
        case out.Refused():
            return ev.QueueRefused(call_id=call_id, queue=output.queue, why=output.why)
        case out.MakeOffer():
            return ev.OfferMade(
                call_id=call_id, offer_id=output.offer_id, entry_id=output.entry_id, queue=output.queue,
                agent=output.agent, tier=output.tier,
            )  # fmt: skip
        case out.OfferOver():
            return ev.OfferEnded(
                call_id=call_id, offer_id=output.offer_id, entry_id=output.entry_id, queue=output.queue,
                agent=output.agent, outcome=output.outcome, status=output.status, ring_ms=output.ring_ms,
            )  # fmt: skip
        case out.Exited():
            return ev.QueueLeft(
                call_id=call_id, entry_id=output.entry_id, queue=output.queue, exit=output.exit, agent=output.agent,
                key=output.key, wait_ms=output.wait_ms, position=output.position,
                entered_position=output.entered_position,
            )  # fmt: skip
        case out.AgentMoved():
            return ev.AgentState(
                agent=output.agent, was=output.was, now=output.now, cause=output.cause, reason=output.reason,
                endpoint=endpoint, doing=_doing(output, productive),
            )  # fmt: skip
        case out.Decided():
            return ev.AcdDecided(
                call_id=call_id, entry_id=output.entry_id, queue=output.queue, chosen=output.chosen,
                reasons=compact(output),
            )  # fmt: skip
        case out.Promised():
            return ev.QueuePromised(
                call_id=call_id, entry_id=output.entry_id, queue=output.queue, position=output.position,
                wait_ms=output.wait_ms,
            )  # fmt: skip
        case out.PromiseKept():
            return ev.QueueJudged(
                call_id=call_id, entry_id=output.entry_id, queue=output.queue, error_ms=output.error_ms
            )
        case _:
            return None


def _doing(output: out.AgentMoved, productive: Collection[str]) -> str:
    """Say what kind of call or pause it is, where that counts."""
    if output.now == "paused":
        return "productive" if output.reason in productive else ""
    return "direct" if output.direct else ""
