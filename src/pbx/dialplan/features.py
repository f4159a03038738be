"""What people do by code: forward, do-not-disturb, pickup, park, intercom, page, call back; each answered by voice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from pbx.acd.agent import State
from pbx.apps.agent_keys import more_wrap_up, note_disposition, own_figures
from pbx.apps.forwards import WHATS
from pbx.apps.outcome import Unreachable
from pbx.apps.paging import page
from pbx.apps.parking import places
from pbx.apps.seat import at_seat
from pbx.apps.supervision import Mode
from pbx.apps.voicemail import check_mailbox
from pbx.call import audio
from pbx.call.contract import Refusal
from pbx.call.leg import Leg, LegState
from pbx.call.transfer import pick_up
from pbx.config.steps import FeatureStep, PageStep, ParkStep, PickupStep
from pbx.dialplan.dialling import may_forward
from pbx.dialplan.lamp import may_pick_up
from pbx.dialplan.queueing import desk_of, supervise_agent
from pbx.dialplan.script import Finished, Script, runs
from pbx.dialplan.sounding import turn_switch
from pbx.errors import PbxError

Action = Callable[[Script, str], Awaitable[None]]
INTERCOM_RING_S = 10.0
ACTIONS: dict[str, Action] = {}


def action(*names: str) -> Callable[[Action], Action]:
    """Register what an action does."""

    def register(run: Action) -> Action:
        ACTIONS.update(dict.fromkeys(names, run))
        return run

    return register


@runs(FeatureStep)
async def feature(script: Script, step: FeatureStep) -> None:
    name, value = script.fill(step.feature), script.fill(step.value)
    script.tell(f"feature {name} {value}".strip(), step)
    await run_action(script, name, value)


async def run_action(script: Script, name: str, value: str) -> None:
    """Do what a code asks for.

    :raises PbxError: 403 for who is no endpoint, 404 for no such action.
    """
    if not script.values["endpoint"]:
        raise PbxError("codes are for endpoints", status=403)
    run = ACTIONS.get(name)
    if run is None:
        raise PbxError(f"no feature {name}", status=404)
    await run(script, value)


def own(script: Script) -> str:
    """Return the endpoint that dialled."""
    return str(script.values["endpoint"])


async def _asked(script: Script, value: str, prompt: str = "enter-number") -> str:
    """Return the number that came with the code, or is typed now."""
    if value:
        return value
    return (await audio.collect(script.leg, [prompt], most=20)).digits


# ---- forwards, do-not-disturb --------------------------------------------------------------------------------------


async def _forward(script: Script, value: str, what: str) -> None:
    number = await _asked(script, value)
    endpoint = own(script)
    if why := may_forward(script.plan, endpoint, number):
        script.leg.log.info("x %s", why)
        script.tell(f"forward {what} {number} declined")
        await audio.play(script.leg, "not-allowed")
        return
    forwards = script.plan.equipment.forwards
    forwards.set(endpoint, what, number, by=script.values.source, call_id=script.leg.call_id)
    await audio.play(script.leg, f"forward-{what}-on")
    await audio.say(script.leg, number, "digits")


async def _forward_off(script: Script, value: str, what: str) -> None:
    forwards = script.plan.equipment.forwards
    forwards.set(own(script), what, "", by=script.values.source, call_id=script.leg.call_id)
    await audio.play(script.leg, f"forward-{what}-off")


for _what in WHATS:
    ACTIONS[f"forward-{_what}-on"] = partial(_forward, what=_what)
    ACTIONS[f"forward-{_what}-off"] = partial(_forward_off, what=_what)


async def _dnd(script: Script, value: str, on: bool | None) -> None:
    """Set do-not-disturb; None turns it."""
    forwards = script.plan.equipment.forwards
    on = not forwards.disturb_not(own(script)) if on is None else on
    forwards.set_dnd(own(script), on, by=script.values.source, call_id=script.leg.call_id)
    await audio.play(script.leg, "dnd-on" if on else "dnd-off")


ACTIONS |= {f"dnd-{word}": partial(_dnd, on=on) for word, on in (("on", True), ("off", False), ("toggle", None))}


@action("filter")
async def turn_filter(script: Script, value: str) -> None:
    """Let calls go to the secretary first, or no longer: one's own, or as secretary those of who is named or known."""
    endpoints, mine = script.plan.config.endpoints, own(script)
    bosses = [number for number, spec in endpoints.items() if mine in spec.secretary]
    chosen = value or (mine if endpoints[mine].secretary else next(iter(bosses), ""))
    if chosen not in bosses and (chosen != mine or not endpoints[mine].secretary):
        await audio.play(script.leg, "not-allowed")
        return
    forwards = script.plan.equipment.forwards
    on = not forwards.filtered(chosen, endpoints[chosen].filter)
    forwards.set_filter(chosen, on, by=script.values.source, call_id=script.leg.call_id)
    await audio.play(script.leg, "filter-on" if on else "filter-off")


# ---- mailboxes, echo, agents, switches -----------------------------------------------------------------------------


@action("voicemail")
async def voicemail(script: Script, value: str) -> None:
    boxes = script.plan.equipment.mailboxes
    outcome = await check_mailbox(script.leg, own(script), boxes, script.emit, trusted=True)
    if isinstance(outcome, Unreachable):
        await audio.play(script.leg, "not-allowed")


@action("voicemail-other")
async def voicemail_other(script: Script, value: str) -> None:
    """Hear another mailbox, by its PIN."""
    mailbox = await _asked(script, value, "enter-mailbox")
    boxes = script.plan.equipment.mailboxes
    outcome = await check_mailbox(script.leg, mailbox, boxes, script.emit, trusted=False)
    if isinstance(outcome, Unreachable):
        await audio.play(script.leg, "not-allowed")


@action("echo")
async def echo(script: Script, value: str) -> None:
    await script.leg.echo()


@action("agent-login")
async def agent_login(script: Script, value: str) -> None:
    pins = script.plan.equipment.agent_pin
    await at_seat(script.leg, desk_of(script), "toggle-login", own(script), pins, script.tell)


@action("agent-pause")
async def agent_pause(script: Script, value: str) -> None:
    pins = script.plan.equipment.agent_pin
    await at_seat(script.leg, desk_of(script), "toggle-pause", own(script), pins, script.tell)


async def _agent_here(script: Script) -> str:
    """Return who is logged in at this phone; "" for nobody, who is told so."""
    desk = desk_of(script)
    agent = desk.agent_at(own(script))
    if agent and desk.state(agent) is not State.LOGGED_OUT:
        return agent
    await audio.play(script.leg, "agent-unknown")
    return ""


@action("agent-ready")
async def agent_ready(script: Script, value: str) -> None:
    """End a pause or a wrap-up."""
    pins = script.plan.equipment.agent_pin
    await at_seat(script.leg, desk_of(script), "ready", own(script), pins, script.tell)


@action("wrap-up-more")
async def wrap_up_more(script: Script, value: str) -> None:
    """Give the agent here a minute more after the call, or as many as follow the code."""
    if agent := await _agent_here(script):
        script.tell(f"wrap-up-more {agent}")
        await more_wrap_up(script.leg, desk_of(script), agent, int(value or 1))


@action("disposition")
async def disposition(script: Script, value: str) -> None:
    """Note what the agent's last call was about."""
    agent = await _agent_here(script)
    if agent and await note_disposition(script.leg, desk_of(script), agent, value):
        script.tell(f"disposition {agent}")


@action("my-figures")
async def my_figures(script: Script, value: str) -> None:
    agent = await _agent_here(script)
    day = script.plan.equipment.agent_day(agent) if agent else None
    if day is not None:
        await own_figures(script.leg, day)


@action("supervise")
async def supervise(script: Script, value: str) -> None:
    """Enter the conversation of an agent: the one whose number follows, or whose hand has been up longest."""
    desk, endpoint = desk_of(script), own(script)
    up = (hand.agent for hand in desk.hands.up.values() if desk.may_supervise(endpoint, hand.agent))
    named = value or next(up, "") or await _asked(script, "", "enter-agent-id")
    if not await supervise_agent(script, named, Mode.LISTEN):
        await audio.play(script.leg, "agent-unknown")


@action("queue-count")
async def queue_count(script: Script, value: str) -> None:
    """Say how many callers wait in the queues of the agent who sits here."""
    desk = desk_of(script)
    agent = desk.agent_at(own(script))
    queues = desk.core.agents[agent].members if agent else desk.core.queues
    count = sum(entry.queue.name in queues for entry in desk.core.entries.values())
    await audio.play(script.leg, "callers-waiting")
    await audio.say(script.leg, str(count), "number")


@action("night-switch")
async def night_switch(script: Script, value: str) -> None:
    """Turn the first switch, or the one whose place in the files follows the code."""
    names = list(script.plan.config.switches)
    index = int(value) - 1 if value.isdigit() else 0
    if not 0 <= index < len(names) or not await turn_switch(script, names[index], say=True):
        await audio.play(script.leg, "not-allowed")


# ---- other people's calls ------------------------------------------------------------------------------------------


@action("call-back")
async def call_back(script: Script, value: str) -> None:
    """Say who called last, and call them if the caller wants."""
    equipment = script.plan.equipment
    last = equipment.last_callers.get(own(script), "")
    if not last and equipment.earlier_caller is not None:
        last = await equipment.earlier_caller(own(script))
    if not last:
        await audio.play(script.leg, "last-caller-none")
        return
    await audio.play(script.leg, "last-caller")
    await audio.say(script.leg, last, "digits")
    if await audio.ask(script.leg, ["press-one-to-call"], "1", 5.0):
        script.tell(f"goto {last}")
        raise script.goto(script.plan.context_of(script.values.source), last)


@action("pickup")
async def pickup(script: Script, value: str) -> None:
    """Take a call that rings at a number."""
    number = await _asked(script, value)
    await _take(script, [leg for leg in ringing(script.leg) if leg.party == f"endpoint/{number}"])


@action("pickup-group")
async def pickup_group(script: Script, value: str) -> None:
    """Take the call that has rung longest at a colleague of one of our pickup groups."""
    endpoints = script.plan.config.endpoints
    groups = set(endpoints[own(script)].groups)
    found = []
    for leg in ringing(script.leg):
        owner = endpoints.get(leg.party.removeprefix("endpoint/"))
        if owner is not None and groups & set(owner.groups):
            found.append(leg)
    await _take(script, found)


def ringing(leg: Leg) -> list[Leg]:
    """Return every phone that rings, the longest first."""
    legs = [other for call in leg.calls.calls.values() for other in call.legs.values()]
    found = [other for other in legs if other.may_be_picked_up and other.state is LegState.RINGING]
    return sorted(found, key=lambda other: other.created_at)


async def _take(script: Script, found: list[Leg]) -> None:
    for leg in found:
        number = leg.party.removeprefix("endpoint/")
        if may_pick_up(script.plan, number, own(script)) and pick_up(leg, script.leg):
            script.tell(f"picked-up {number}")
            raise Finished
    script.tell("picked-up nothing")
    await audio.play(script.leg, "pickup-none")


@runs(PickupStep)
async def pickup_step(script: Script, step: PickupStep) -> None:
    """``pickup = "1002"`` takes a number's call, ``pickup = "group"`` one of our pickup groups."""
    number = script.fill(step.pickup)
    script.tell(f"pickup {number}", step)
    await run_action(script, "pickup-group" if number == "group" else "pickup", "" if number == "group" else number)


# ---- park, intercom, page ------------------------------------------------------------------------------------------


@action("park")
async def park(script: Script, value: str) -> None:
    """Park the call that was transferred here; who only dials hears where the next one goes."""
    spec = script.plan.config.parking
    if spec is None:
        raise PbxError("there is no [parking]", status=404)
    lots = script.plan.equipment.lots
    if script.transferred_by:
        script.tell(f"parked by {script.transferred_by}")
        outcome = await lots.park(script.leg, spec.lots, value, script.transferred_by, spec.recall_s)
        script.parked_in_vain(outcome)
        return
    place = lots.reserve(spec.lots, script.values.source)
    if not place:
        await audio.play(script.leg, "park-full")
        return
    await audio.play(script.leg, "park-next")
    await audio.say(script.leg, place, "digits")


@action("place")
async def at_place(script: Script, place: str) -> None:
    """Somebody dialled the number of a place: fetch what is parked there, or park what is transferred to it."""
    if script.transferred_by:
        await park(script, place)
    else:
        script.tell(f"fetch {place}")
        await script.plan.equipment.lots.fetch(script.leg, place)


@runs(ParkStep)
async def park_step(script: Script, step: ParkStep) -> None:
    """Park the caller; ``park = true`` takes any place."""
    wanted = script.fill(step.park) if isinstance(step.park, str) else ""
    script.tell(f"park {wanted}".strip(), step)
    spec = script.plan.config.parking
    if spec is None:
        raise PbxError("there is no [parking]", status=404)
    if wanted and wanted not in places(spec.lots):
        await script.follow(step, Unreachable())
        return
    by = script.transferred_by
    await script.follow(step, await script.plan.equipment.lots.park(script.leg, spec.lots, wanted, by, spec.recall_s))


@action("intercom")
async def intercom(script: Script, value: str) -> None:
    """Talk to a phone that answers by itself."""
    number = await _asked(script, value)
    barred = isinstance(script.plan.choose_for(own(script), number), Refusal)
    if number not in script.plan.config.endpoints or barred:
        await audio.play(script.leg, "not-allowed")
        return
    script.leg.variables["auto-answer"] = True
    async with script.leg.dial(f"endpoint/{number}", ring_s=INTERCOM_RING_S) as other:
        await script.plan.converse(script.leg, other)


@runs(PageStep)
async def page_step(script: Script, step: PageStep) -> None:
    targets = script.fill_all(step.page)
    script.tell(f"page {' '.join(targets)}", step)
    await script.follow(step, await page(script.leg, script.leg.calls, targets))
