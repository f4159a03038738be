"""What leaves the house beside calls: webhooks and mail, tried again for a while, never waited for by a call."""

from __future__ import annotations

import asyncio
import json
import logging
import smtplib
from collections.abc import Callable, Coroutine
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any

import aiohttp

from pbx.config.general import Mail

log = logging.getLogger(__name__)

Over = Callable[[str], None]

TRIES_S = (0.0, 5.0, 60.0, 600.0)  # before each try
TIMEOUT_S = 10.0


class Post:
    """Deliveries under way; they end with the process, what could not be delivered is told in the log."""

    def __init__(
        self, mail: Callable[[], Mail | None], sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep
    ) -> None:
        self._mail = mail
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def webhook(self, url: str, data: dict[str, object], file: Path | None = None, over: Over | None = None) -> None:
        """POST JSON to *url*; with a *file* as multipart/form-data with the fields ``data`` and ``file``.

        *over* hears how it ended: "" for delivered, or why not.
        """
        self._start(self._insist(f"webhook {url}", lambda: self._post(url, data, file), over))

    def mail(self, to: str, subject: str, text: str, file: Path | None = None, over: Over | None = None) -> None:
        """Send a mail by ``[mail] smtp``, with *file* attached; *over* as for a webhook."""
        self._start(self._insist(f"mail to {to}", lambda: self._send(to, subject, text, file), over))

    @property
    def waiting(self) -> int:
        """Deliveries that are not over."""
        return len(self._tasks)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._session is not None:
            await self._session.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _insist(
        self, what: str, deliver: Callable[[], Coroutine[Any, Any, None]], over: Over | None = None
    ) -> None:
        why = ""
        for wait_s in TRIES_S:
            await self._sleep(wait_s)
            try:
                await deliver()
                why = ""
                break
            except (aiohttp.ClientError, TimeoutError, OSError, smtplib.SMTPException, ValueError) as error:
                why = str(error) or type(error).__name__
                log.warning("x %s: %s", what, why)
        else:
            log.error("x %s is given up after %d tries", what, len(TRIES_S))
        if over is not None:
            over(why)

    async def _post(self, url: str, data: dict[str, object], file: Path | None) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        if file is None:
            sent = self._session.post(url, json=data, allow_redirects=False)
        else:
            form = aiohttp.FormData()
            form.add_field("data", json.dumps(data), content_type="application/json")
            form.add_field("file", await asyncio.to_thread(file.read_bytes), filename=file.name)
            sent = self._session.post(url, data=form, allow_redirects=False)
        async with sent as response:
            if not 200 <= response.status < 300:
                raise ValueError(f"status {response.status}")

    async def _send(self, to: str, subject: str, text: str, file: Path | None) -> None:
        spec = self._mail()
        if spec is None:
            raise ValueError("there is no [mail] to send by")
        await asyncio.to_thread(_deliver, spec, to, subject, text, file)


def _deliver(spec: Mail, to: str, subject: str, text: str, file: Path | None) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = spec.from_, to, " ".join(subject.split())
    message["Date"], message["Message-ID"] = formatdate(localtime=True), make_msgid(domain="pbx.invalid")
    message.set_content(text)
    if file is not None:
        message.add_attachment(file.read_bytes(), maintype="audio", subtype="wav", filename=file.name)
    host, _, port = spec.smtp.rpartition(":")
    with smtplib.SMTP(host.strip("[]"), int(port), timeout=TIMEOUT_S) as server:
        server.send_message(message)
