"""What the dialplan's scripts use, on a live system: files, HTTP, the store."""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections.abc import Callable
from pathlib import Path

from pbx.apps.conference import Rooms
from pbx.apps.forwards import Forwards
from pbx.apps.mailboxes import FileMailboxes
from pbx.apps.parking import Lots
from pbx.apps.voicemail import Limits
from pbx.call.offer import MediaWishes
from pbx.config.config import Config
from pbx.config.secrets import read_secret
from pbx.dialplan.equipment import Equipment, Switches
from pbx.dialplan.http import HttpLookups
from pbx.media.prompt_files import import_prompt, prompt_path
from pbx.store.database import Log
from pbx.store.settings import Settings

VOICEMAIL = Path("var/voicemail")


def furnish(config: Callable[[], Config], base: Path, log: Log) -> Equipment:
    """Make the equipment of a live system; *config* is asked anew, so that a reload counts."""

    def recording(name: str) -> Path:
        path = base / config().recordings.path / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    switches = Settings(log, "switch:")
    return Equipment(
        emit=log.append,
        wall=time.time,
        recordings=recording,
        lookups=HttpLookups(),
        switches=Switches(switches.load(), switches.save, log.append),
        mailboxes=FileMailboxes(base / VOICEMAIL, lambda name: mailbox_limits(config(), base, name)),
        rooms=Rooms(log.append),
        forwards=Forwards(Settings(log, "phone:"), log.append, time.time),
        lots=Lots(log.append),
        prompts=Shelf(base / "var"),
        agent_pin=lambda name: _agent_pin(config(), base, name),
    )


def media_wishes(config: Config, party: str) -> MediaWishes:
    """Say how a party's sound travels: its own settings before those of all."""
    own = config.party(party)
    if own is None:
        return _wishes(config.media.srtp)
    return _wishes(own.srtp or config.media.srtp, own.dtmf)


_wishes = functools.lru_cache(maxsize=64)(MediaWishes)  # a few, shared by all calls


class Shelf:
    """Prompts recorded by phone: drafts beside them, then FLAC files that every call finds from then on."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def draft(self, call_id: str) -> Path:
        folder = self._directory / "drafts"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / f"{call_id}.wav"

    async def keep(self, draft: Path, name: str, language: str) -> None:
        await asyncio.to_thread(import_prompt, draft, prompt_path(self._directory / "prompts", name, language))

    def discard(self, draft: Path) -> None:
        draft.unlink(missing_ok=True)


def mailbox_limits(config: Config, base: Path, name: str) -> Limits | None:
    """Return what a mailbox holds and its PIN: its own table, or its endpoint's ``voicemail``."""
    spec = config.mailboxes.get(name)
    if spec is None:
        endpoint = config.endpoints.get(name)
        if endpoint is None or endpoint.voicemail is None:
            return None
        found = endpoint.voicemail
    else:
        found = spec
    pin = read_secret(found.pin, base, os.environ) if found.pin is not None else None
    return Limits(found.max_messages, found.max_message_s, pin or "")


def _agent_pin(config: Config, base: Path, name: str) -> str:
    spec = config.agents[name].pin
    return (read_secret(spec, base, os.environ) or "") if spec is not None else ""
