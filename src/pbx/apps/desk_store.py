"""What the desk remembers over a restart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson


@dataclass(frozen=True, slots=True)
class AgentMemory:
    """What people changed by day of one agent."""

    logged_in: bool = False
    paused: str | None = None
    seat: str = ""  # an endpoint other than the configured one
    wrap_up_until: float = 0.0  # wall clock
    tiers: dict[str, int | None] = field(default_factory=dict)  # queue: tier, None taken out
    skills: dict[str, int] = field(default_factory=dict)
    last_call: tuple[str, str] = ("", "")  # call_id and entry_id of the last queue call: what a disposition is about


@dataclass(frozen=True, slots=True)
class CallbackMemory:
    """A promise to call back."""

    callback_id: str
    entry_id: str
    queue: str
    number: str
    since: float  # wall clock: when the caller began to wait
    expires_at: float  # wall clock
    did: str = ""  # what the caller dialled: shown when they are called back
    attempt: int = 0
    priority: int = 0
    needs: tuple[tuple[str, int, bool], ...] = ()


class DeskStore(Protocol):
    """Where it is kept. ``save`` never blocks; what it was given survives a crash within the log's batch."""

    def load_agents(self) -> dict[str, AgentMemory]: ...
    def save_agent(self, name: str, memory: AgentMemory) -> None: ...
    def load_callbacks(self) -> list[CallbackMemory]: ...
    def save_callback(self, memory: CallbackMemory) -> None: ...
    def drop_callback(self, callback_id: str) -> None: ...
    async def saved(self) -> None:
        """Wait until everything given so far is on the disk, or refused by it."""


class MemoryDeskStore:
    """Forgets with the process: for tests and `pbx test`."""

    def __init__(self) -> None:
        self.agents: dict[str, AgentMemory] = {}
        self.callbacks: dict[str, CallbackMemory] = {}

    def load_agents(self) -> dict[str, AgentMemory]:
        return dict(self.agents)

    def save_agent(self, name: str, memory: AgentMemory) -> None:
        self.agents[name] = memory

    def load_callbacks(self) -> list[CallbackMemory]:
        return list(self.callbacks.values())

    def save_callback(self, memory: CallbackMemory) -> None:
        self.callbacks[memory.callback_id] = memory

    def drop_callback(self, callback_id: str) -> None:
        self.callbacks.pop(callback_id, None)

    async def saved(self) -> None:
        return


class Texts(Protocol):
    """Names and texts that outlive a restart, such as :class:`pbx.store.settings.Settings`."""

    def load(self) -> dict[str, str]: ...
    def save(self, name: str, text: str) -> None: ...
    async def saved(self) -> None: ...


def _memory(values: dict[str, Any]) -> AgentMemory:
    call_id, entry_id = values.pop("last_call", ("", ""))
    return AgentMemory(**values, last_call=(call_id, entry_id))


class KeptDesk:
    """Keeps the desk's memory as JSON texts; what is dropped is kept as an empty one."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def load_agents(self) -> dict[str, AgentMemory]:
        found = self._texts.load()
        return {
            name.removeprefix("agent/"): _memory(orjson.loads(text))
            for name, text in found.items()
            if name.startswith("agent/") and text
        }

    def save_agent(self, name: str, memory: AgentMemory) -> None:
        self._texts.save(f"agent/{name}", orjson.dumps(memory).decode())

    def load_callbacks(self) -> list[CallbackMemory]:
        promises = []
        for name, text in sorted(self._texts.load().items()):
            if name.startswith("callback/") and text:
                values = orjson.loads(text)
                needs = tuple((skill, level, relax) for skill, level, relax in values.pop("needs"))
                promises.append(CallbackMemory(**values, needs=needs))
        return promises

    def save_callback(self, memory: CallbackMemory) -> None:
        self._texts.save(f"callback/{memory.callback_id}", orjson.dumps(memory).decode())

    def drop_callback(self, callback_id: str) -> None:
        self._texts.save(f"callback/{callback_id}", "")

    async def saved(self) -> None:
        await self._texts.saved()
