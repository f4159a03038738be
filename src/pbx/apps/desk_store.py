"""What the desk remembers over a restart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AgentMemory:
    """What people changed by day of one agent."""

    logged_in: bool = False
    paused: str | None = None
    seat: str = ""  # an endpoint other than the configured one
    wrap_up_until: float = 0.0  # wall clock
    tiers: dict[str, int | None] = field(default_factory=dict)  # queue: tier, None taken out
    skills: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallbackMemory:
    """A promise to call back."""

    callback_id: str
    entry_id: str
    queue: str
    number: str
    since: float  # wall clock: when the caller began to wait
    expires_at: float  # wall clock
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
