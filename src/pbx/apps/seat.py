"""Agents at their phones: log in or out, pause or resume, by dialling a code; the state is spoken."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from pbx.acd.agent import State
from pbx.apps.desk import Desk
from pbx.apps.outcome import Ended, Outcome, TimedOut, Unreachable
from pbx.call import audio
from pbx.call.leg import Leg

ID_TRIES = 3
ACTIONS = ("toggle-login", "login", "logout", "toggle-pause", "pause", "ready")

PinOf = Callable[[str], str]
Tell = Callable[[str], None]


async def at_seat(leg: Leg, desk: Desk, action: str, endpoint: str, pin_of: PinOf, tell: Tell) -> Outcome:
    """Do what an agent's code asks for; *pin_of* knows their PINs, *tell* hears what was done."""
    name = await _who(leg, desk, endpoint, pin_of)
    if name is None:
        await audio.play(leg, "agent-unknown")
        return Unreachable()
    if action == "toggle-login":
        action = "login" if desk.state(name) is State.LOGGED_OUT else "logout"
    if action == "toggle-pause":
        action = "pause" if desk.core.agents[name].pause is None else "ready"
    if action == "pause" and not await _pause(leg, desk, name, tell):
        return TimedOut()
    if action == "login":
        desk.login(name, endpoint)
    elif action == "logout":
        desk.logout(name)
    elif action == "ready":
        desk.ready(name)
    if action != "pause":
        tell(f"{action} {name}")
    said = {"login": "logged-in", "logout": "logged-out", "ready": "ready", "pause": "paused"}[action]
    await audio.play(leg, f"agent-{said}")
    return Ended()


async def _who(leg: Leg, desk: Desk, endpoint: str, pin_of: PinOf) -> str | None:
    """Return the agent: who sits here, the only one of this seat, or by number and PIN."""
    sitting = desk.agent_at(endpoint)
    if sitting and desk.state(sitting) is not State.LOGGED_OUT:
        return sitting
    own = [name for name, agent in desk.config.agents.items() if agent.endpoint == endpoint]
    if len(own) == 1:
        return own[0]
    for _ in range(ID_TRIES):
        typed = await audio.collect(leg, ["enter-agent-id"], most=16)
        name = next((n for n, agent in desk.config.agents.items() if typed.digits and agent.id == typed.digits), None)
        if name is not None and await _proves(leg, pin_of(name)):
            return name
        await audio.play(leg, "try-again")
    return None


async def _proves(leg: Leg, pin: str) -> bool:
    if not pin:
        return True
    typed = await audio.collect(leg, ["enter-pin"], most=16, secret=True)
    return hmac.compare_digest(typed.digits, pin)


async def _pause(leg: Leg, desk: Desk, name: str, tell: Tell) -> bool:
    """Ask for the reason where there are several; False where none was given."""
    reasons = desk.config.pause_reasons
    if not reasons:
        desk.pause(name)
        tell(f"pause {name}")
        return True
    key = await audio.ask(leg, ["agent-pause-reason"], "".join(k for k in reasons if len(k) == 1), 5.0)
    if not key:
        return False
    desk.pause(name, reasons[key].name)
    tell(f"pause {name} {reasons[key].name}")
    return True
