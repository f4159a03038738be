"""Where messages are kept: WAV files with a JSON beside each, or in memory for tests in virtual time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import orjson

from pbx.apps.voicemail import Limits, Message

_SAFE = re.compile(r"[\w.+\-]{1,64}")


class FileMailboxes:
    """Messages under ``var/voicemail/MAILBOX``; the JSON is written last, so a message without it never was."""

    def __init__(self, directory: Path, limits: Callable[[str], Limits | None]) -> None:
        self._directory = directory
        self._limits = limits

    def limits(self, mailbox: str) -> Limits | None:
        return self._limits(mailbox) if _SAFE.fullmatch(mailbox) else None

    def messages(self, mailbox: str) -> list[Message]:
        found = []
        for note in sorted((self._directory / mailbox).glob("*.json")):
            data = orjson.loads(note.read_bytes())
            found.append(Message(mailbox=mailbox, path=note.with_suffix(".wav"), **data))
        return found

    def new_path(self, mailbox: str, message_id: str) -> Path:
        directory = self._directory / mailbox
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return directory / f"{message_id}.wav"

    def keep(self, message: Message) -> None:
        note = message.path.with_suffix(".json")
        fields = ("message_id", "caller", "at_utc", "duration_s", "heard")
        half = note.with_suffix(".part")
        half.write_bytes(orjson.dumps({name: getattr(message, name) for name in fields}))
        half.replace(note)

    def discard(self, message: Message) -> None:
        message.path.with_suffix(".json").unlink(missing_ok=True)
        message.path.unlink(missing_ok=True)


class MemoryMailboxes:
    """Messages without files."""

    def __init__(self, limits: Mapping[str, Limits] | Callable[[str], Limits | None]) -> None:
        self._limits = limits
        self._messages: dict[str, dict[str, Message]] = {}

    def limits(self, mailbox: str) -> Limits | None:
        return self._limits(mailbox) if callable(self._limits) else self._limits.get(mailbox)

    def messages(self, mailbox: str) -> list[Message]:
        return [replace(message) for message in self._messages.get(mailbox, {}).values()]

    def new_path(self, mailbox: str, message_id: str) -> Path:
        return Path(f"/virtual/{mailbox}/{message_id}.wav")

    def keep(self, message: Message) -> None:
        self._messages.setdefault(message.mailbox, {})[message.message_id] = message

    def discard(self, message: Message) -> None:
        self._messages.get(message.mailbox, {}).pop(message.message_id, None)
