"""Alerts over live figures, and how their news leave the house."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from pbx import events as ev
from pbx.alerts import Alerts, Figures, holds
from pbx.config.condition import compile_condition
from pbx.config.config import Config
from pbx.config.general import Mail
from pbx.dialplan.check import check
from pbx.post import Post

RULES = {
    "queues": {"sales": {"on": {}}, "support": {"on": {}}},
    "mail": {"smtp": "127.0.0.1:25"},
    "alerts": {
        "long-wait": {"when": "queue.longest-wait-s > 120", "for-s": 10, "webhook": "http://h/"},
        "nobody": {"when": "queue.sales.ready == 0 and queue.sales.waiting > 0", "mail": "boss@x.example"},
    },
}
IDLE = {"longest-wait-s": 0.0, "waiting": 0, "ready": 1}


class Bench:
    def __init__(self, rules: dict[str, Any] | None = None) -> None:
        self.config = Config.model_validate(rules or RULES)
        self.queues: dict[str, dict[str, Any]] = {"sales": dict(IDLE), "support": dict(IDLE)}
        self.sent: list[tuple[str, str, str]] = []
        self.events: list[ev.Event] = []
        self.alerts = Alerts(lambda: self.config, self._figures, self, self.events.append, lambda: 1000.0)

    def _figures(self) -> Figures:
        return {"": {"calls": 3}, **self.queues}

    def webhook(self, url: str, data: dict[str, object]) -> None:
        self.sent.append((str(data["alert"]), str(data["state"]), str(data["queue"])))

    def mail(self, to: str, subject: str, text: str) -> None:
        self.sent.append((to, subject, text.splitlines()[0]))


def test_an_alert_is_told_once_when_it_has_held_long_enough_and_once_when_it_ends() -> None:
    bench = Bench()
    bench.queues["support"]["longest-wait-s"] = 121.0
    for now in range(30):
        bench.alerts.look(float(now))
    assert bench.sent == [("long-wait", "raised", "support")]
    assert bench.alerts.raised == ["long-wait"]
    bench.queues["support"]["longest-wait-s"] = 0.0
    bench.alerts.look(31.0)
    bench.alerts.look(32.0)
    assert bench.sent[1:] == [("long-wait", "cleared", "")]
    assert [(e.state, e.queue) for e in bench.events if isinstance(e, ev.AlertChanged)] == [
        ("raised", "support"), ("cleared", ""),
    ]  # fmt: skip


def test_what_passes_before_its_time_is_not_told() -> None:
    bench = Bench()
    for now in range(0, 40, 5):
        bench.queues["sales"]["longest-wait-s"] = 200.0 if now % 10 == 0 else 0.0
        bench.alerts.look(float(now))
    assert bench.sent == []


def test_a_named_queue_and_mail() -> None:
    bench = Bench()
    bench.queues["support"].update(ready=0, waiting=4)
    bench.alerts.look(0.0)
    bench.queues["sales"].update(ready=0, waiting=4)
    bench.alerts.look(1.0)
    assert bench.sent == [
        ("boss@x.example", "pbx: nobody raised", "queue.sales.ready == 0 and queue.sales.waiting > 0")
    ]


def test_all_of_a_condition_must_hold_for_the_same_queue() -> None:
    figures = {"": {}, "a": {"x": 1, "y": 0}, "b": {"x": 0, "y": 1}}
    assert holds(compile_condition("queue.x > 0 and queue.y > 0"), figures) is None
    assert holds(compile_condition("queue.x > 0 and queue.b.y > 0"), figures) == "a"
    assert holds(compile_condition("calls > 2"), {"": {"calls": 3}}) == ""


def test_a_removed_alert_is_forgotten() -> None:
    bench = Bench()
    bench.queues["support"]["longest-wait-s"] = 500.0
    bench.alerts.look(0.0)
    bench.alerts.look(10.0)
    bench.config = Config.model_validate({**RULES, "alerts": {}})
    bench.alerts.look(11.0)
    assert bench.alerts.raised == []


@pytest.mark.parametrize(
    ("alert", "words"),
    [
        ({"when": "queue.longst-wait-s > 1", "webhook": "http://h/"}, "longst-wait-s"),
        ({"when": "queue.nowhere.waiting > 1", "webhook": "http://h/"}, "nowhere"),
        ({"when": "calls > 'many'", "webhook": "http://h/"}, "many"),
        ({"when": "calls > 1"}, "tells nobody"),
        ({"when": "calls > 1", "mail": "a@b.example"}, "no [mail]"),
    ],
)
def test_check_names_a_mistake(alert: dict[str, str], words: str) -> None:
    rules = {**RULES, "alerts": {"x": alert}}
    del rules["mail"]
    assert any(words in str(finding) for finding in check(Config.model_validate(rules)))


# ---- the post ------------------------------------------------------------------------------------------------------


class Inbox:
    """An HTTP and an SMTP server that keep what they get, and refuse as often as they are told to."""

    def __init__(self) -> None:
        self.posts: list[Any] = []
        self.mails: list[bytes] = []
        self.refuse = 0
        self.slept: list[float] = []

    async def hook(self, request: web.Request) -> web.Response:
        if self.refuse:
            self.refuse -= 1
            return web.Response(status=503)
        if request.content_type == "application/json":
            self.posts.append(await request.json())
        else:
            form = await request.post()
            file = form["file"]
            assert isinstance(file, web.FileField)
            data = form["data"]
            told = data if isinstance(data, str) else bytes(data).decode()
            self.posts.append((told, file.filename, file.file.read()))
        return web.Response()

    async def smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        data: list[bytes] | None = None
        while line := await reader.readline():
            if data is not None:
                if line == b".\r\n":
                    self.mails.append(b"".join(data))
                    data = None
                    writer.write(b"250 taken\r\n")
                else:
                    data.append(line)
            elif line.upper().startswith(b"DATA"):
                data = []
                writer.write(b"354 go on\r\n")
            elif line.upper().startswith(b"QUIT"):
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 yes\r\n")
        writer.close()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest_asyncio.fixture
async def inbox() -> AsyncIterator[tuple[Inbox, str, Post]]:
    made = Inbox()
    application = web.Application()
    application.router.add_post("/hook", made.hook)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    smtp = await asyncio.start_server(made.smtp, "127.0.0.1", 0)
    mail = Mail(smtp=f"127.0.0.1:{smtp.sockets[0].getsockname()[1]}", **{"from": "pbx@x.example"})
    post = Post(lambda: mail, made.sleep)
    yield made, f"http://127.0.0.1:{port}/hook", post
    await post.close()
    smtp.close()
    await runner.cleanup()


async def settled(post: Post) -> None:
    while post.waiting:
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_a_webhook_insists(inbox: tuple[Inbox, str, Post]) -> None:
    made, url, post = inbox
    made.refuse = 2
    post.webhook(url, {"alert": "x"})
    await settled(post)
    assert made.posts == [{"alert": "x"}]
    assert made.slept == [0.0, 5.0, 60.0]


@pytest.mark.asyncio
async def test_a_webhook_that_never_answers_is_given_up(
    inbox: tuple[Inbox, str, Post], caplog: pytest.LogCaptureFixture
) -> None:
    made, url, post = inbox
    made.refuse = 100
    post.webhook(url, {})
    await settled(post)
    assert made.posts == []
    assert "is given up after 4 tries" in caplog.text


@pytest.mark.asyncio
async def test_a_file_goes_with_it(inbox: tuple[Inbox, str, Post], tmp_path: Path) -> None:
    made, url, post = inbox
    (tmp_path / "m.wav").write_bytes(b"RIFF")
    post.webhook(url, {"mailbox": "1001"}, tmp_path / "m.wav")
    await settled(post)
    assert made.posts == [('{"mailbox": "1001"}', "m.wav", b"RIFF")]


@pytest.mark.asyncio
async def test_a_mail_with_a_subject_that_would_be_a_header(inbox: tuple[Inbox, str, Post], tmp_path: Path) -> None:
    made, _, post = inbox
    (tmp_path / "m.wav").write_bytes(b"RIFF")
    post.mail("chen@x.example", "from 张\r\nBcc: all@x.example", "hello", tmp_path / "m.wav")
    await settled(post)
    message = message_from_bytes(made.mails[0])
    assert message["Bcc"] is None
    assert message["To"] == "chen@x.example"
    assert [part.get_filename() for part in message.walk()][-1] == "m.wav"
