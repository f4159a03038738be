"""Messages that leave the house: by mail or to a webhook, with the file; and those that are kept no longer."""

from __future__ import annotations

import asyncio
import logging
import smtplib
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import orjson

from pbx import events as ev
from pbx.apps.mailboxes import FileMailboxes
from pbx.apps.voicemail import Message
from pbx.call.contract import Emit
from pbx.config.config import Config
from pbx.config.endpoints import VoicemailSpec
from pbx.config.general import Mail

log = logging.getLogger(__name__)

Send = Callable[[str, Message], Awaitable[None]]

TRIES, PAUSE_S = 4, 30.0  # doubled each time
TIMEOUT_S = 20.0
CLEAN_EVERY_S = 3600.0
DAY_S = 86_400.0


class Postroom:
    """Hears of new messages in the log, sends them where their mailbox says, and throws old ones away."""

    def __init__(
        self,
        config: Callable[[], Config],
        boxes: FileMailboxes,
        emit: Emit,
        wall: Callable[[], float],
        pause_s: float = PAUSE_S,
    ) -> None:
        self._config = config
        self._boxes = boxes
        self._emit = emit
        self._wall = wall
        self._pause_s = pause_s
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._spawn(self._clean())

    async def stop(self) -> None:
        """Let go of what is not sent yet; it stays in its mailbox."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def take(self, logged: ev.Logged) -> None:
        """Hear an event."""
        event = logged.event
        if isinstance(event, ev.VoicemailChanged) and event.state == "left":
            spec = self._spec(event.mailbox)
            if spec is None:
                return
            if spec.mail:
                self._spawn(self._deliver(event, spec.mail, self._mail))
            if spec.webhook:
                self._spawn(self._deliver(event, spec.webhook, self._webhook))

    def _spec(self, mailbox: str) -> VoicemailSpec | None:
        config = self._config()
        endpoint = config.endpoints.get(mailbox)
        return config.mailboxes.get(mailbox) or (endpoint.voicemail if endpoint is not None else None)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, event: ev.VoicemailChanged, to: str, send: Send) -> None:
        """Send one message; tried again a few times."""
        message = next((m for m in self._boxes.messages(event.mailbox) if m.message_id == event.message_id), None)
        if message is None:
            return
        shown = urlsplit(to).netloc.rpartition("@")[2] if "://" in to else to
        cause = ""
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(self._pause_s * 2 ** (attempt - 1))
            try:
                await send(to, message)
            except (OSError, smtplib.SMTPException, aiohttp.ClientError, TimeoutError) as error:
                cause = f"{type(error).__name__}: {error}"[:200]
                log.warning("x message %s of %s to %s: %s", event.message_id, event.mailbox, shown, cause)
                continue
            except Exception as error:  # a bug of ours: told, and not tried again
                log.exception("the message %s cannot be sent", event.message_id)
                cause = f"{type(error).__name__}: {error}"[:200]
                break
            self._tell(event, shown, "sent", "")
            return
        self._tell(event, shown, "failed", cause)

    def _tell(self, event: ev.VoicemailChanged, to: str, outcome: str, cause: str) -> None:
        self._emit(
            ev.VoicemailSent(
                call_id=event.call_id, mailbox=event.mailbox, message_id=event.message_id, to=to, outcome=outcome,
                cause=cause,
            )
        )  # fmt: skip

    async def _mail(self, to: str, message: Message) -> None:
        await asyncio.to_thread(send_mail, self._config().mail or Mail(), to, message)

    async def _webhook(self, url: str, message: Message) -> None:
        about = {
            "mailbox": message.mailbox,
            "message_id": message.message_id,
            "caller": message.caller,
            "at_utc": message.at_utc,
            "duration_s": message.duration_s,
        }
        form = aiohttp.FormData()
        form.add_field("message", orjson.dumps(about).decode(), content_type="application/json")
        data = await asyncio.to_thread(message.path.read_bytes)
        form.add_field("file", data, filename=message.path.name, content_type="audio/wav")
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        session = aiohttp.ClientSession(timeout=timeout, raise_for_status=True)
        async with session, session.post(url, data=form):
            return

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


def send_mail(spec: Mail, to: str, message: Message) -> None:
    """Send a message as an attachment; blocks.

    :raises OSError, smtplib.SMTPException: where the mail server does not take it.
    """
    mail = EmailMessage()
    at = datetime.fromtimestamp(message.at_utc, UTC)
    caller = "".join(c for c in message.caller if c.isprintable()) or "an unknown caller"
    mail["From"], mail["To"], mail["Date"] = spec.from_, to, format_datetime(at)
    mail["Subject"] = f"Voice message from {caller} for {message.mailbox}"
    mail["Message-ID"] = f"<{message.message_id}@{spec.from_.rpartition('@')[2] or 'localhost'}>"
    mail.set_content(f"{caller} left a message of {round(message.duration_s)} s in mailbox {message.mailbox}.\n")
    data = Path(message.path).read_bytes()
    mail.add_attachment(data, maintype="audio", subtype="wav", filename=f"{message.message_id}.wav")
    host, _, port = spec.smtp.rpartition(":")
    with smtplib.SMTP(host.strip("[]"), int(port), timeout=TIMEOUT_S) as server:
        server.send_message(mail)
