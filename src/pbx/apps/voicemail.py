"""Voicemail: a greeting, the beep, a message; and a mailbox checked by keys behind its PIN."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pbx import events as ev
from pbx.apps.outcome import Ended, Full, LeftMessage, Outcome, TimedOut, Unreachable
from pbx.call import audio
from pbx.call.contract import Emit
from pbx.call.leg import Leg
from pbx.media.contract import Clip

SHORTEST_S = 1.0  # what is shorter is a hang-up, not a message
SILENCE_S = 5.0
PIN_TRIES = 3
GREETINGS = {"unavailable": "voicemail-unavailable", "busy": "voicemail-busy", "temporary": "voicemail-temporary"}


@dataclass(frozen=True, slots=True)
class Message:
    """One message in a mailbox."""

    message_id: str
    mailbox: str
    caller: str
    at_utc: float
    duration_s: float
    path: Path
    heard: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What a mailbox holds."""

    max_messages: int = 100
    max_message_s: float = 180
    pin: str = ""


class Mailboxes(Protocol):
    """Where messages are kept, and what is known of each mailbox."""

    def limits(self, mailbox: str) -> Limits | None:
        """Return a mailbox's limits, None where there is no such mailbox."""

    def messages(self, mailbox: str) -> list[Message]:
        """Return the messages of a mailbox, the oldest first."""

    def new_path(self, mailbox: str, message_id: str) -> Path: ...
    def keep(self, message: Message) -> None:
        """Keep a message that was recorded, or what changed about it."""

    def discard(self, message: Message) -> None: ...


async def leave_message(
    leg: Leg, mailbox: str, greeting: str, boxes: Mailboxes, emit: Emit, wall: Callable[[], float]
) -> Outcome:
    """Greet, beep, and record until ``#``, silence, the limit or the hang-up."""
    limits = boxes.limits(mailbox)
    if limits is None:
        return Unreachable()
    if len(boxes.messages(mailbox)) >= limits.max_messages:
        await audio.play(leg, "voicemail-full")
        return Full()
    if greeting != "none":
        await audio.play(leg, GREETINGS.get(greeting, greeting), keys="#")
    await leg.answer()
    await audio.beep(leg)
    message_id = f"{int(wall())}-{leg.call_id[-10:]}"
    path = boxes.new_path(mailbox, message_id)
    message = Message(message_id, mailbox, leg.caller.number, wall(), 0.0, path)
    try:
        await audio.take_message(leg, path, silence_s=SILENCE_S, limit_s=limits.max_message_s, keys="#")
    finally:  # a caller who hangs up has left a message too
        _file(replace(message, duration_s=wall() - message.at_utc), boxes, emit, leg)
    await audio.play(leg, "voicemail-saved")
    return LeftMessage(mailbox)


def _file(message: Message, boxes: Mailboxes, emit: Emit, leg: Leg) -> None:
    if message.duration_s < SHORTEST_S:
        boxes.discard(message)
        return
    boxes.keep(message)
    _tell(message, "left", emit, leg)


def _tell(message: Message, state: str, emit: Emit, leg: Leg) -> None:
    emit(
        ev.VoicemailChanged(
            call_id=leg.call_id,
            leg_id=leg.leg_id,
            mailbox=message.mailbox,
            message_id=message.message_id,
            state=state,
            caller=message.caller,
            duration_ms=round(message.duration_s * 1000),
        )
    )


async def check_mailbox(leg: Leg, mailbox: str, boxes: Mailboxes, emit: Emit, *, trusted: bool) -> Outcome:
    """Let the owner hear the messages. *trusted*: the phone is the mailbox's own; others need the PIN anyway."""
    limits = boxes.limits(mailbox)
    if limits is None:
        return Unreachable()
    await leg.answer()
    if not await _opened(leg, limits.pin, trusted=trusted):
        await audio.play(leg, "goodbye")
        return TimedOut()
    messages = boxes.messages(mailbox)
    new = [m for m in messages if not m.heard]
    await _count(leg, len(new))
    for message in [*new, *(m for m in messages if m.heard)]:
        if not await _hear(leg, message, boxes, emit):
            break
    await audio.play(leg, ["voicemail-no-more", "goodbye"])
    return Ended()


async def _opened(leg: Leg, pin: str, *, trusted: bool) -> bool:
    if not pin:
        return trusted
    prompts = ["enter-pin"]
    for _ in range(PIN_TRIES):
        typed = await audio.collect(leg, prompts, most=16, secret=True)
        if hmac.compare_digest(typed.digits, pin):
            return True
        prompts = ["wrong-pin", "enter-pin"]
    return False


async def _count(leg: Leg, new: int) -> None:
    if not new:
        await audio.play(leg, "voicemail-none")
        return
    await audio.play(leg, "voicemail-you-have")
    await audio.say(leg, str(new), "number", "message")


async def _hear(leg: Leg, message: Message, boxes: Mailboxes, emit: Emit) -> bool:
    """Play one message and its menu: 1 again, 2 keep, 3 delete, * leave; False where the caller has enough."""
    for _ in range(10):  # as often as 1 is pressed, but not for ever
        key = await audio.play(leg, "voicemail-from", keys="123*")
        if not key and message.caller:
            await audio.say(leg, message.caller, "digits")
        key = key or await audio.play_clip(leg, Clip(message.message_id, message.path), keys="123*")
        key = key or await audio.ask(leg, ["voicemail-menu"], "123*", 5.0)
        if not message.heard:
            message = replace(message, heard=True)
            boxes.keep(message)
            _tell(message, "heard", emit, leg)
        if key == "3":
            boxes.discard(message)
            _tell(message, "deleted", emit, leg)
            await audio.play(leg, "voicemail-deleted")
            return True
        if key == "2":
            _tell(message, "saved", emit, leg)
            await audio.play(leg, "voicemail-kept")
            return True
        if key != "1":
            return key != "*"
    return True
