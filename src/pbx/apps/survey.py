"""A survey by key press after the conversation: offered, started, scored; it belongs to the last agent."""

from __future__ import annotations

from pbx import events as ev
from pbx.call import audio
from pbx.call.contract import Emit
from pbx.call.leg import Leg
from pbx.config.queues import Survey
from pbx.errors import CallEnded


def keys_of(text: str) -> str:
    """Return the keys that "1-5" or "123*" names."""
    first, dash, last = text.partition("-")
    if dash and len(first) == len(last) == 1 and first.isdigit() and last.isdigit():
        return "".join(str(n) for n in range(int(first), int(last) + 1))
    return text


async def survey(leg: Leg, name: str, spec: Survey, agent: str, emit: Emit) -> str:
    """Ask for a score and return it, "" for silence; a caller who hangs up has said nothing."""

    def tell(state: str, score: str = "") -> None:
        emit(ev.SurveyAnswered(call_id=leg.call_id, survey=name, agent=agent, state=state, score=score))

    tell("offered")
    try:
        score: str = await audio.ask(leg, spec.prompt, keys_of(spec.keys), spec.wait_s)
        if not score:
            return ""
        tell("scored", score)
        if spec.thanks:
            await audio.play(leg, spec.thanks)
    except CallEnded:
        return ""
    return score
