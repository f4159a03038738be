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
        found = self._limits(mailbox) if _SAFE.fullmatch(mailbox) else None
        changed = self._directory / mailbox / "pin"
        if found is None or not changed.is_file():
            return found
        return replace(found, pin=changed.read_text().strip())  # what its owner chose by phone

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

    def greeting(self, mailbox: str, kind: str) -> Path | None:
        path = self._directory / mailbox / "greetings" / f"{kind}.wav"
        return path if path.is_file() else None

    def greeting_path(self, mailbox: str, kind: str) -> Path:
        directory = self._directory / mailbox / "greetings"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return directory / f"{kind}.draft.wav"

    def keep_greeting(self, mailbox: str, kind: str, draft: Path | None) -> None:
        path = self._directory / mailbox / "greetings" / f"{kind}.wav"
        if draft is None:
            path.unlink(missing_ok=True)
        else:
            draft.replace(path)

    def change_pin(self, mailbox: str, pin: str) -> None:
        directory = self._directory / mailbox
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        half = directory / "pin.part"
        half.touch(mode=0o600)
        half.write_text(pin)
        half.replace(directory / "pin")

    def mailboxes(self) -> list[str]:
        """Return every mailbox that holds something."""
        return sorted(path.name for path in self._directory.iterdir()) if self._directory.is_dir() else []


class MemoryMailboxes:
    """Messages without files."""

    def __init__(self, limits: Mapping[str, Limits] | Callable[[str], Limits | None]) -> None:
        self._limits = limits
        self._messages: dict[str, dict[str, Message]] = {}
        self._greetings: dict[tuple[str, str], Path] = {}
        self._pins: dict[str, str] = {}

    def limits(self, mailbox: str) -> Limits | None:
        found = self._limits(mailbox) if callable(self._limits) else self._limits.get(mailbox)
        return replace(found, pin=self._pins[mailbox]) if found is not None and mailbox in self._pins else found

    def messages(self, mailbox: str) -> list[Message]:
        return [replace(message) for message in self._messages.get(mailbox, {}).values()]

    def new_path(self, mailbox: str, message_id: str) -> Path:
        return Path(f"/virtual/{mailbox}/{message_id}.wav")

    def keep(self, message: Message) -> None:
        self._messages.setdefault(message.mailbox, {})[message.message_id] = message

    def discard(self, message: Message) -> None:
        self._messages.get(message.mailbox, {}).pop(message.message_id, None)

    def greeting(self, mailbox: str, kind: str) -> Path | None:
        return self._greetings.get((mailbox, kind))

    def greeting_path(self, mailbox: str, kind: str) -> Path:
        return Path(f"/virtual/{mailbox}/greetings/{kind}.wav")

    def keep_greeting(self, mailbox: str, kind: str, draft: Path | None) -> None:
        if draft is None:
            self._greetings.pop((mailbox, kind), None)
        else:
            self._greetings[mailbox, kind] = draft

    def change_pin(self, mailbox: str, pin: str) -> None:
        self._pins[mailbox] = pin
