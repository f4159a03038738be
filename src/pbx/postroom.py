"""Voice messages that leave the house, by mail or to a webhook with the file; and those that are kept no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from pbx import events as ev
from pbx.apps.mailboxes import FileMailboxes
from pbx.apps.voicemail import Message
from pbx.call.contract import Emit
from pbx.config.config import Config
from pbx.config.endpoints import VoicemailSpec
from pbx.post import Over, Post

CLEAN_EVERY_S = 3600.0
DAY_S = 86_400.0
HEARD = (ev.VoicemailChanged,)


class Postroom:
    """Hears of new messages in the log, sends them where their mailbox says, and throws old ones away."""

    def __init__(
        self, config: Callable[[], Config], boxes: FileMailboxes, post: Post, emit: Emit, wall: Callable[[], float]
    ) -> None:
        self._config = config
        self._boxes = boxes
        self._post = post
        self._emit = emit
        self._wall = wall
        self._cleaning: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._cleaning = asyncio.get_running_loop().create_task(self._clean())

    def stop(self) -> None:
        if self._cleaning is not None:
            self._cleaning.cancel()

    def take(self, logged: ev.Logged) -> None:
        """Hear an event."""
        event = logged.event
        if not isinstance(event, ev.VoicemailChanged) or event.state != "left":
            return
        spec = self._spec(event.mailbox)
        if spec is None or not (spec.mail or spec.webhook):
            return
        message = next((m for m in self._boxes.messages(event.mailbox) if m.message_id == event.message_id), None)
        if message is not None:
            self._send(event.call_id, message, spec)

    def _send(self, call_id: str, message: Message, spec: VoicemailSpec) -> None:
        caller = "".join(c for c in message.caller if c.isprintable()) or "an unknown caller"
        about: dict[str, object] = {
            "mailbox": message.mailbox,
            "message_id": message.message_id,
            "caller": message.caller,
            "at_utc": message.at_utc,
            "duration_s": message.duration_s,
        }
        if spec.mail:
            subject = f"Voice message from {caller} for {message.mailbox}"
            text = f"{caller} left a message of {round(message.duration_s)} s in mailbox {message.mailbox}.\n"
            self._post.mail(spec.mail, subject, text, message.path, self._over(call_id, message, spec.mail))
        if spec.webhook:
            host = urlsplit(spec.webhook).netloc.rpartition("@")[2]  # a password in the address stays out of the log
            self._post.webhook(spec.webhook, about, message.path, self._over(call_id, message, host))

    def _over(self, call_id: str, message: Message, to: str) -> Over:
        def over(why: str) -> None:
            self._emit(
                ev.VoicemailSent(
                    call_id=call_id, mailbox=message.mailbox, message_id=message.message_id, to=to,
                    outcome="failed" if why else "sent", cause=why[:200],
                )
            )  # fmt: skip

        return over

    def _spec(self, mailbox: str) -> VoicemailSpec | None:
        config = self._config()
        endpoint = config.endpoints.get(mailbox)
        return config.mailboxes.get(mailbox) or (endpoint.voicemail if endpoint is not None else None)

    # ---- retention -------------------------------------------------------------------------------------------------

    async def _clean(self) -> None:
        while True:
            for mailbox in self._boxes.mailboxes():
                self.clean(mailbox)
                await asyncio.sleep(0)
            await asyncio.sleep(CLEAN_EVERY_S)

    def clean(self, mailbox: str) -> int:
        """Throw away what a mailbox holds longer than its days; return how many."""
        spec = self._spec(mailbox)
        if spec is None:
            return 0
        oldest = self._wall() - spec.retain_days * DAY_S
        over = [message for message in self._boxes.messages(mailbox) if message.at_utc < oldest]
        for message in over:
            self._boxes.discard(message)
            self._emit(ev.VoicemailChanged(mailbox=mailbox, message_id=message.message_id, state="expired"))
        return len(over)
