"""Messages leave with their file, are tried again, and are thrown away when their days are over."""

from __future__ import annotations

import asyncio
from email import message_from_bytes
from pathlib import Path

import pytest
from aiohttp import web

from pbx import events as ev
from pbx.apps.mailboxes import FileMailboxes
from pbx.apps.voicemail import Limits, Message
from pbx.config.config import Config
from pbx.post import Post
from pbx.postroom import Postroom

WALL = 1_795_572_000.0


class Letterbox:
    """A mail server that takes one letter at a time; *refuse* makes it busy that often."""

    def __init__(self, refuse: int = 0) -> None:
        self.letters: list[bytes] = []
        self.refuse = refuse

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(text: str) -> None:
            writer.write(text.encode() + b"\r\n")

        if self.refuse:
            self.refuse -= 1
            say("421 busy")
        else:
            say("220 ready")
            while line := await reader.readline():
                word = line.split()[0].upper()
                if word == b"DATA":
                    say("354 go on")
                    self.letters.append(await reader.readuntil(b"\r\n.\r\n"))
                say("221 bye" if word == b"QUIT" else "250 ok")
                if word == b"QUIT":
                    break
        await writer.drain()
        writer.close()


def left(boxes: FileMailboxes, mailbox: str, at_utc: float = WALL) -> ev.Logged:
    """Leave a message; return the event that tells of it."""
    path = boxes.new_path(mailbox, "m1")
    path.write_bytes(b"RIFF-a-sound")
    boxes.keep(Message("m1", mailbox, "+8613800138000", at_utc, 4.2, path))
    return ev.Logged(1, at_utc, 0.0, ev.VoicemailChanged(mailbox=mailbox, message_id="m1", state="left"))


def outcomes(events: list[ev.Event]) -> list[tuple[str, str]]:
    return [(e.to, e.outcome) for e in events if isinstance(e, ev.VoicemailSent)]


async def until(events: list[ev.Event], count: int) -> None:
    async with asyncio.timeout(10):
        while len(outcomes(events)) < count:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("refuse", "outcome"), [(0, "sent"), (2, "sent"), (99, "failed")])
def test_a_message_is_mailed_with_its_file(tmp_path: Path, refuse: int, outcome: str) -> None:
    async def body() -> None:
        server = Letterbox(refuse)
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        config = Config.model_validate(
            {"mailboxes": {"box": {"mail": "me@example.com"}}, "mail": {"smtp": f"127.0.0.1:{port}", "from": "a@b.c"}}
        )
        boxes, events = FileMailboxes(tmp_path, lambda name: Limits()), list[ev.Event]()
        post = Post(lambda: config.mail, lambda wait_s: asyncio.sleep(wait_s / 1000))
        postroom = Postroom(lambda: config, boxes, post, events.append, lambda: WALL)
        postroom.take(left(boxes, "box"))
        await until(events, 1)
        assert outcomes(events) == [("me@example.com", outcome)]
        if outcome == "sent":
            letter = message_from_bytes(server.letters[0])
            assert letter["Subject"] == "Voice message from +8613800138000 for box"
            attached = [part for part in letter.walk() if part.get_content_type() == "audio/wav"]
            assert attached[0].get_payload(decode=True) == b"RIFF-a-sound"
        await post.close()
        listening.close()
        await listening.wait_closed()

    asyncio.run(body())


def test_a_message_goes_to_a_webhook_with_its_file(tmp_path: Path) -> None:
    async def body() -> None:
        got: dict[str, bytes] = {}

        async def take(request: web.Request) -> web.Response:
            reader = await request.multipart()
            while (part := await reader.next()) is not None:
                assert part.name is not None  # type: ignore[union-attr]
                got[part.name] = await part.read()  # type: ignore[union-attr]
            return web.Response()

        app = web.Application()
        app.router.add_post("/hook", take)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        config = Config.model_validate({"mailboxes": {"box": {"webhook": f"http://127.0.0.1:{port}/hook"}}})
        boxes, events = FileMailboxes(tmp_path, lambda name: Limits()), list[ev.Event]()
        post = Post(lambda: config.mail)
        postroom = Postroom(lambda: config, boxes, post, events.append, lambda: WALL)
        postroom.take(left(boxes, "box"))
        await until(events, 1)
        assert outcomes(events) == [(f"127.0.0.1:{port}", "sent")]
        assert got["file"] == b"RIFF-a-sound"
        assert b'"caller": "+8613800138000"' in got["data"]
        await post.close()
        await runner.cleanup()

    asyncio.run(body())


def test_what_is_older_than_its_days_is_thrown_away(tmp_path: Path) -> None:
    async def body() -> None:
        config = Config.model_validate({"mailboxes": {"box": {"retain_days": 30}, "other": {}}})
        boxes, events = FileMailboxes(tmp_path, lambda name: Limits()), list[ev.Event]()
        post = Post(lambda: config.mail)
        postroom = Postroom(lambda: config, boxes, post, events.append, lambda: WALL)
        left(boxes, "box", WALL - 31 * 86_400)
        left(boxes, "other", WALL - 31 * 86_400)
        assert [postroom.clean(name) for name in boxes.mailboxes()] == [1, 0]
        assert boxes.messages("box") == []
        assert [e.state for e in events if isinstance(e, ev.VoicemailChanged)] == ["expired"]

    asyncio.run(body())


def test_greetings_and_a_pin_survive_a_restart(tmp_path: Path) -> None:
    boxes = FileMailboxes(tmp_path, lambda name: Limits(pin="1111"))
    draft = boxes.greeting_path("box", "busy")
    draft.write_bytes(b"hello")
    assert boxes.greeting("box", "busy") is None  # not until its owner likes it
    boxes.keep_greeting("box", "busy", draft)
    boxes.change_pin("box", "2222")
    again = FileMailboxes(tmp_path, lambda name: Limits(pin="1111"))
    found = again.greeting("box", "busy")
    assert found is not None
    assert found.read_bytes() == b"hello"
    limits = again.limits("box")
    assert limits is not None
    assert limits.pin == "2222"
    assert (tmp_path / "box" / "pin").stat().st_mode & 0o777 == 0o600
    again.keep_greeting("box", "busy", None)
    assert again.greeting("box", "busy") is None
