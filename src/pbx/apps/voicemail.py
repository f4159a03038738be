"""Voicemail: a greeting, the beep, a message; a mailbox checked by keys behind its PIN, with greetings of its own."""

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
SHORTEST_PIN = 4
OWNER_KEY, SETTINGS_KEY = "*", "0"
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

    def greeting(self, mailbox: str, kind: str) -> Path | None:
        """Return the owner's own greeting of a kind (unavailable, busy, temporary)."""

    def greeting_path(self, mailbox: str, kind: str) -> Path:
        """Return where a greeting may be recorded; it counts once :meth:`keep_greeting` is told."""

    def keep_greeting(self, mailbox: str, kind: str, draft: Path | None) -> None:
        """Take a recording as a greeting; None brings the usual one back."""

    def change_pin(self, mailbox: str, pin: str) -> None: ...


async def leave_message(
    leg: Leg, mailbox: str, greeting: str, boxes: Mailboxes, emit: Emit, wall: Callable[[], float]
) -> Outcome:
    """Greet, beep, and record until ``#``, silence, the limit or the hang-up; ``*`` in the greeting is the owner."""
    limits = boxes.limits(mailbox)
    if limits is None:
        return Unreachable()
    if len(boxes.messages(mailbox)) >= limits.max_messages:
        await audio.play(leg, "voicemail-full")
        return Full()
    if greeting != "none" and await _greet(leg, mailbox, greeting, boxes) == OWNER_KEY and limits.pin:
        return await check_mailbox(leg, mailbox, boxes, emit, trusted=False)
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


async def _greet(leg: Leg, mailbox: str, greeting: str, boxes: Mailboxes) -> str:
    """Play the owner's temporary greeting, else the one of this kind, else the usual one; return a key."""
    own = (boxes.greeting(mailbox, "temporary") or boxes.greeting(mailbox, greeting)) if greeting in GREETINGS else None
    if own is not None:
        return await audio.play_clip(leg, Clip(f"greeting {mailbox}", own), keys="#" + OWNER_KEY)
    return await audio.play(leg, GREETINGS.get(greeting, greeting), keys="#" + OWNER_KEY)


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
    if await audio.ask(leg, ["voicemail-no-more", "voicemail-options"], SETTINGS_KEY, 3.0):
        await change_settings(leg, mailbox, boxes)
    await audio.play(leg, "goodbye")
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


async def change_settings(leg: Leg, mailbox: str, boxes: Mailboxes) -> None:
    """Let the owner record greetings (1–3) and change the PIN (4); ``*`` and silence leave."""
    kinds = dict(zip("123", GREETINGS, strict=True))
    for _ in range(10):
        key = await audio.ask(leg, ["voicemail-settings"], "1234*", 5.0)
        if key in kinds:
            await _record_greeting(leg, mailbox, kinds[key], boxes)
        elif key == "4":
            await _change_pin(leg, mailbox, boxes)
        else:
            return


async def _record_greeting(leg: Leg, mailbox: str, kind: str, boxes: Mailboxes) -> None:
    draft = boxes.greeting_path(mailbox, kind)
    limits = boxes.limits(mailbox)
    assert limits is not None
    key = "3"
    for _ in range(10):
        if key == "3":
            await audio.play(leg, "voicemail-greet")
            await audio.beep(leg)
            await audio.take_message(leg, draft, silence_s=SILENCE_S, limit_s=limits.max_message_s, keys="#")
        elif key == "2":
            await audio.play_clip(leg, Clip("recording", draft), keys="1234")
        else:
            break
        key = await audio.ask(leg, ["voicemail-greet-choice"], "1234", 5.0)
    if key in ("1", "4"):
        boxes.keep_greeting(mailbox, kind, draft if key == "1" else None)
        await audio.play(leg, "voicemail-greet-kept" if key == "1" else "voicemail-greet-gone")


async def _change_pin(leg: Leg, mailbox: str, boxes: Mailboxes) -> None:
    first = await audio.collect(leg, ["new-pin"], most=16, secret=True)
    again = await audio.collect(leg, ["new-pin-again"], most=16, secret=True)
    if len(first.digits) < SHORTEST_PIN or not hmac.compare_digest(first.digits, again.digits):
        await audio.play(leg, "new-pin-wrong")
        return
    boxes.change_pin(mailbox, first.digits)
    await audio.play(leg, "new-pin-kept")
