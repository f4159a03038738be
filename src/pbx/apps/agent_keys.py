"""What agents do by key or code beside log-in and pause: the result of a call, more wrap-up, own figures."""

from __future__ import annotations

from typing import Protocol

from pbx.acd.agent import State
from pbx.apps.desk import Desk
from pbx.call import audio
from pbx.call.leg import Leg
from pbx.config.config import Config
from pbx.errors import PbxError

NEXT_DIGIT_S = 2.0
REASON_S = 3.0  # for the reason of a pause
MORE_S = 60.0  # of wrap-up, for each press


class Day(Protocol):
    """An agent's business day so far."""

    answered: int

    @property
    def handling_s(self) -> float | None: ...
    @property
    def on_calls_s(self) -> float: ...
    @property
    def paused_s(self) -> float: ...
    @property
    def logged_in_s(self) -> float: ...


def keys_of(config: Config) -> dict[str, str]:
    """Return what is typed for each disposition, and its code."""
    return {spec.key or code: code for code, spec in config.dispositions.items() if (spec.key or code).isdigit()}


async def note_disposition(leg: Leg, desk: Desk, agent: str, typed: str = "", call_id: str = "") -> bool:
    """Ask for the result of a call, the agent's last one where none is named, and note it; False where there is none.

    Whoever types as many digits as the longest code has need press no hash key.
    """
    codes = keys_of(desk.config)
    if not codes or not (call_id or desk.last_call(agent)[0]):
        await audio.play(leg, "disposition-none")
        return False
    for _ in range(2):
        if not typed:
            most = max(map(len, codes))
            typed = (await audio.collect(leg, ["disposition-enter"], most=most, next_s=NEXT_DIGIT_S)).digits
        if typed in codes:
            desk.dispose(agent, codes[typed], call_id)
            await audio.play(leg, "disposition-kept")
            return True
        if not typed:
            return False
        typed = ""
        await audio.play(leg, "try-again")
    return False


async def pause_next(leg: Leg, desk: Desk, agent: str) -> None:
    """Pause after this call, or no longer; where there are reasons one may be pressed, silence gives none."""
    if desk.agent(agent).pause is not None:
        desk.ready(agent)
        await audio.play(leg, "agent-ready")
        return
    reasons = desk.config.pause_reasons
    keys = "".join(key for key in reasons if len(key) == 1)
    key = await audio.ask(leg, ["agent-pause-reason"], keys, REASON_S) if keys else ""
    desk.pause(agent, reasons[key].name if key else "")
    await audio.play(leg, "agent-paused-next")


async def raise_hand(leg: Leg, desk: Desk, agent: str) -> None:
    """Ask for a supervisor, or no longer."""
    if desk.hands.lower(agent, "withdrawn"):
        await audio.play(leg, "help-over")
        return
    try:
        desk.ask_for_help(agent, leg.call_id)
    except PbxError:
        await audio.play(leg, "not-allowed")
        return
    await audio.play(leg, "help-called")


async def more_wrap_up(leg: Leg, desk: Desk, agent: str, minutes: int) -> None:
    """Give the agent more time after the call."""
    if desk.state(agent) is not State.WRAP_UP:
        await audio.play(leg, "not-allowed")
        return
    desk.extend_wrap_up(agent, MORE_S * max(1, minutes))
    await audio.play(leg, "agent-wrap-up-more")


async def own_figures(leg: Leg, day: Day) -> None:
    """Say an agent's day: calls, handling time, time on calls, in pause, logged in."""
    await audio.play(leg, "figures-calls")
    await audio.say(leg, str(day.answered), "number")
    if day.handling_s is not None:
        await _say_time(leg, "figures-handling", day.handling_s)
    await _say_time(leg, "figures-talk", day.on_calls_s)
    await _say_time(leg, "figures-paused", day.paused_s)
    await _say_time(leg, "figures-logged-in", day.logged_in_s)


async def _say_time(leg: Leg, prompt: str, seconds: float) -> None:
    """Speak whole minutes from ten of them on: nobody listens to seconds of a day."""
    whole = round(seconds / 60) * 60 if seconds >= 600 else round(seconds)
    await audio.play(leg, prompt)
    await audio.say(leg, str(whole), "duration")
