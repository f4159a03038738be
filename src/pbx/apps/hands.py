"""Raised hands: agents in a call who ask for a supervisor, until one comes, they withdraw, or the call is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pbx import events as ev
from pbx.call.contract import Emit


@dataclass(frozen=True, slots=True)
class Raised:
    """One raised hand."""

    agent: str
    call_id: str
    since: float  # monotonic seconds


class Hands:
    """Every hand that is up now; the longest up is the first."""

    def __init__(self, emit: Emit, now: Callable[[], float]) -> None:
        self._emit = emit
        self._now = now
        self.up: dict[str, Raised] = {}

    def raise_(self, agent: str, call_id: str, *, by: str = "agent") -> None:
        """Ask for a supervisor; asking twice changes nothing."""
        if agent not in self.up:
            self.up[agent] = Raised(agent, call_id, self._now())
            self._tell(self.up[agent], "raised", by)

    def lower(self, agent: str, state: str, *, by: str = "agent") -> bool:
        """Take a hand down: answered, withdrawn, over. False where it was not up."""
        raised = self.up.pop(agent, None)
        if raised is None:
            return False
        self._tell(raised, state, by)
        return True

    def _tell(self, raised: Raised, state: str, by: str) -> None:
        self._emit(ev.AgentHelp(call_id=raised.call_id, agent=raised.agent, state=state, by=by))
