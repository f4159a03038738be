"""Lamps: what phones watch, from the log's events and the state behind them (RFC 4235, RFC 3842)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pbx import events as ev
from pbx.acd.agent import State
from pbx.apps.desk import Desk
from pbx.call.calls import Calls
from pbx.call.leg import Leg, LegState
from pbx.config.config import Config
from pbx.dialplan.equipment import Equipment
from pbx.dialplan.lamp import may_pick_up, shown_by
from pbx.dialplan.router import Dialplan
from pbx.signaling.agent import UserAgent
from pbx.signaling.messages import Endpoints
from pbx.signaling.notices import Notices
from pbx.signaling.subscriptions import DialogState, MessageCount, Subscriptions
from pbx.store.database import Log

STATES = {LegState.NEW: "trying", LegState.RINGING: "early", LegState.UP: "confirmed"}
HEARD = (
    ev.LegCreated,
    ev.LegRinging,
    ev.LegAnswered,
    ev.LegEnded,
    ev.SwitchTurned,
    ev.AgentState,
    ev.AgentHelp,
    ev.ConferenceJoined,
    ev.ConferenceLeft,
    ev.QueueEntered,
    ev.QueueLeft,
    ev.CallParked,
    ev.EndpointSet,
    ev.VoicemailChanged,
    ev.RegistrationAdded,
    ev.RegistrationRemoved,
    ev.RegistrationAnswers,
)
LIT, BLINKS = "confirmed", "early"


class Lamps:
    """What is watched (:class:`pbx.signaling.subscriptions.Watched`), and who tells the watchers that it changed."""

    def __init__(
        self,
        config: Callable[[], Config],
        calls: Calls,
        equipment: Equipment,
        notices: Notices,
        reachable: Callable[[str], bool] = lambda endpoint: True,
    ) -> None:
        self._config = config
        self._calls = calls
        self._equipment = equipment
        self._notices = notices
        self._reachable = reachable
        self._legs: dict[str, dict[str, Leg]] = {}  # by endpoint
        self._endpoint_of: dict[str, str] = {}  # leg_id: endpoint
        self._numbers: dict[str, set[str]] = {}  # thing: the numbers under which it is watched
        self._changed: set[str] = set()
        self._shown: dict[str, str] = {}  # thing that is no phone: the state that its watchers were told
        self._mail: set[str] = set()  # mailboxes to tell of
        self.subscriptions: Subscriptions | None = None
        self.pump: Callable[[], None] = lambda: None

    # ---- what is watched -------------------------------------------------------------------------------------------

    def dialogs(self, number: str, watcher: str) -> Sequence[DialogState] | None:
        """Return what the lamp of *number* shows to *watcher*; None where it may not know."""
        room, _, phone = watcher.partition("/")
        plan = self._calls.router
        if room != "endpoint" or not isinstance(plan, Dialplan):
            return None
        thing = shown_by(plan, number, phone)
        if not thing:
            return None
        self._numbers.setdefault(thing, set()).add(number)
        room, _, name = thing.partition("/")
        if room == "endpoint":
            return self._calls_of(name, phone, plan)
        state = self._state(room, name, plan)
        self._shown.setdefault(thing, state)
        return [DialogState(thing, state, "recipient")] if state else []

    def _calls_of(self, number: str, phone: str, plan: Dialplan) -> list[DialogState]:
        """Return an endpoint's calls; who they are with is told to those who may take them."""
        trusted = may_pick_up(plan, number, phone)
        found = []
        for leg in self._legs.get(number, {}).values():
            if leg.state not in STATES or (leg.state is LegState.NEW and leg.direction == "out"):
                continue
            direction = "initiator" if leg.direction == "in" else "recipient"
            rings = leg.may_be_picked_up and leg.state is LegState.RINGING  # a conversation is nobody's to take
            named = leg.signal.dialog_id if trusted and rings and leg.signal is not None else None
            remote = (leg.callee if leg.direction == "in" else leg.caller).number if trusted else ""
            call_id, ours, theirs = named if named is not None else ("", "", "")
            found.append(DialogState(leg.leg_id, STATES[leg.state], direction, remote, call_id, ours, theirs))
        return found

    def _state(self, room: str, name: str, plan: Dialplan) -> str:
        """Return "" for a lamp that is dark."""
        desk = self._equipment.desk
        if room == "switch":
            return {"closed": LIT, "open": BLINKS}.get(plan.switch(name), "")
        if room == "conference":
            return LIT if self._equipment.rooms.members(name) else ""
        if room == "place":
            return LIT if self._equipment.lots.parked(name) is not None else ""
        if room == "dnd":
            return LIT if self._equipment.forwards.disturb_not(name) else ""
        if room == "filter":
            return LIT if self._equipment.forwards.filtered(name, plan.config.endpoints[name].filter) else ""
        if room.startswith("forward-"):
            forward = self._equipment.forwards.of(name, plan.config.endpoints[name].forward)
            return LIT if getattr(forward, room.removeprefix("forward-").replace("-", "_")) else ""
        if desk is None:
            return ""
        if room == "queue":
            waiting = any(entry.queue.name == name for entry in desk.core.entries.values())
            return BLINKS if waiting else ""
        if room == "hand":
            return BLINKS if name in desk.hands.up else ""
        if room == "hands":
            return BLINKS if any(desk.may_supervise(name, agent) for agent in desk.hands.up) else ""
        return _of_agent(room, name, desk)

    def reachable(self, number: str) -> bool:
        """Say whether a phone is registered; what is no phone is always there."""
        return number not in self._config().endpoints or self._reachable(number)

    def messages(self, number: str, watcher: str) -> MessageCount | None:
        """Return the counts of a phone's own lamp, or of a shared mailbox that lights it."""
        room, _, phone = watcher.partition("/")
        if room != "endpoint":
            return None
        boxes = self._boxes_of(phone) if number == phone else [number] if number in self._boxes_of(phone) else []
        if not boxes:
            return None
        kept = [message for box in boxes for message in self._equipment.mailboxes.messages(box)]
        new = sum(not message.heard for message in kept)
        return MessageCount(new, len(kept) - new)

    def _boxes_of(self, phone: str) -> list[str]:
        """Return the mailboxes that light a phone's lamp: its own, and shared ones that name it."""
        config = self._config()
        endpoint = config.endpoints.get(phone)
        own = [phone] if endpoint is not None and (endpoint.voicemail is not None or phone in config.mailboxes) else []
        shared = [n for n, box in config.mailboxes.items() if phone in map(_bare, box.lamps) and n != phone]
        return own + shared

    # ---- what changes ----------------------------------------------------------------------------------------------

    def take(self, logged: ev.Logged) -> None:
        """Hear an event; watchers are told once for all that happened in one turn of the loop."""
        event = logged.event
        match event:
            case ev.LegCreated() if event.party.startswith("endpoint/"):
                self._leg_created(event)
            case ev.LegRinging() | ev.LegAnswered() | ev.LegEnded():
                self._leg_changed(event)
            case ev.SwitchTurned():
                self._note(f"switch/{event.switch}")
            case ev.AgentState():
                self._note(*(f"{room}/{event.endpoint}" for room in ("login", "pause", "ready", "wrap-up")))
            case ev.AgentHelp():
                self._note(f"hand/{event.agent}", *(name for name in self._numbers if name.startswith("hands/")))
            case ev.ConferenceJoined() | ev.ConferenceLeft():
                self._note(f"conference/{event.conference}")
            case ev.QueueEntered() | ev.QueueLeft():
                self._note(f"queue/{event.queue}")
            case ev.CallParked():
                self._note(f"place/{event.place}")
            case ev.EndpointSet():
                self._note(f"{event.what}/{event.endpoint}")
            case ev.VoicemailChanged():
                self._mail.add(event.mailbox)
                self._soon()
            case ev.RegistrationAdded() | ev.RegistrationRemoved() | ev.RegistrationAnswers():
                self._note(f"endpoint/{event.endpoint}")
                if isinstance(event, ev.RegistrationAdded):
                    self._registered(event.endpoint)

    def _leg_created(self, event: ev.LegCreated) -> None:
        call = self._calls.calls.get(event.call_id)
        leg = call.legs.get(event.leg_id) if call is not None else None
        if leg is not None and leg.state is not LegState.ENDED:
            endpoint = event.party.partition("/")[2]
            if event.direction == "out" and event.caller not in ("", endpoint):
                self._equipment.last_callers[endpoint] = event.caller
            self._legs.setdefault(endpoint, {})[event.leg_id] = leg
            self._endpoint_of[event.leg_id] = endpoint
            if event.direction == "in":  # a phone that is called is shown once it rings
                self._note(event.party)

    def _leg_changed(self, event: ev.Event) -> None:
        endpoint = self._endpoint_of.get(event.leg_id)
        if endpoint is None:
            return
        if isinstance(event, ev.LegEnded):
            del self._endpoint_of[event.leg_id]
            self._legs[endpoint].pop(event.leg_id, None)
            if not self._legs[endpoint]:
                del self._legs[endpoint]
        self._note(f"endpoint/{endpoint}")

    def _note(self, *things: str) -> None:
        watched = [thing for thing in things if thing in self._numbers]
        if watched:
            self._changed.update(watched)
            self._soon()

    def _soon(self) -> None:
        if len(self._changed) + len(self._mail) == 1:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        changed, self._changed = self._changed, set()
        mail, self._mail = self._mail, set()
        if self.subscriptions is None:
            return
        for number in {number for thing in changed if self._differs(thing) for number in self._numbers[thing]}:
            self.subscriptions.changed("dialog", number)
            self.subscriptions.changed("presence", number)
        for mailbox in mail:
            self._tell_of_mail(mailbox)
        self.pump()

    def _differs(self, thing: str) -> bool:
        """Say whether a lamp has another state than its watchers were told; a phone's calls always may have."""
        room, _, name = thing.partition("/")
        plan = self._calls.router
        if room == "endpoint" or not isinstance(plan, Dialplan):
            return True
        before, self._shown[thing] = self._shown.get(thing), self._state(room, name, plan)
        return before != self._shown[thing]

    def _tell_of_mail(self, mailbox: str) -> None:
        assert self.subscriptions is not None
        box = self._config().mailboxes.get(mailbox)
        phones = {mailbox, *(map(_bare, box.lamps) if box is not None else ())}
        for number in phones:
            self.subscriptions.changed("message-summary", number)
            self._tell_unasked(number)

    def _registered(self, phone: str) -> None:
        """Tell a phone that comes back of what waits, where it does not ask by itself."""
        count = self.messages(phone, f"endpoint/{phone}")
        if count is not None and count.new:
            self._tell_unasked(phone)
            self.pump()

    def _tell_unasked(self, phone: str) -> None:
        count = self.messages(phone, f"endpoint/{phone}")
        asked = self.subscriptions is not None and self.subscriptions.watches("message-summary", f"endpoint/{phone}")
        if count is not None and not asked:
            self._notices.messages_waiting(phone, count)


def _of_agent(room: str, seat: str, desk: Desk) -> str:
    """Return the lamp of a state of the agent who sits at a phone."""
    agent = desk.agent_at(seat)
    state = desk.state(agent) if agent else State.LOGGED_OUT
    if state is State.LOGGED_OUT:
        return ""
    if room == "pause":  # asked for, or taken already
        return LIT if desk.core.agents[agent].pause is not None else ""
    wanted = {"ready": State.READY, "wrap-up": State.WRAP_UP}.get(room, state)
    return LIT if state is wanted else ""


def _bare(target: str) -> str:
    return target.removeprefix("endpoint/")


def light(
    config: Callable[[], Config],
    agent: UserAgent,
    calls: Calls,
    equipment: Equipment,
    log: Log,
    endpoints: Endpoints,
    reachable: Callable[[str], bool],
) -> Notices:
    """Let phones subscribe; return who sends the NOTIFYs that nobody subscribed to."""
    domain = config().sip.domain
    notices = Notices(agent.stack, endpoints, domain, lambda: agent.now)
    lamps = Lamps(config, calls, equipment, notices, reachable)
    agent.subscriptions = lamps.subscriptions = Subscriptions(agent.stack, lamps, domain, lambda: agent.now)
    lamps.pump = agent.pump
    log.hear(lamps.take, HEARD)
    return notices
