"""What agents, supervisors and the console do to agents; what they changed by day is kept."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from pbx import events as ev
from pbx.acd import inputs
from pbx.acd import outputs as out
from pbx.acd.agent import Agent, State
from pbx.acd.core import Core
from pbx.apps.desk_store import AgentMemory, DeskStore
from pbx.apps.hands import Hands
from pbx.call.contract import Emit
from pbx.config.config import Config
from pbx.errors import PbxError


class AgentVerbs(ABC):
    """The part of the desk that agents use; see :class:`pbx.apps.desk.Desk`."""

    def __init__(
        self,
        config: Config,
        core: Core,
        emit: Emit,
        store: DeskStore,
        wall: Callable[[], float],
        is_reachable: Callable[[str], bool],
    ) -> None:
        self.config = config
        self.core = core
        self._loop = asyncio.get_running_loop()
        self._emit = emit
        self._store = store
        self._wall = wall
        self._is_reachable = is_reachable
        self._memory: dict[str, AgentMemory] = {}
        self._seats: dict[str, str] = {}  # agent: endpoint
        self._at_seat: dict[str, set[str]] = {}  # endpoint: agents
        self._others: Counter[str] = Counter()  # dialogs of an endpoint that no queue gave
        self._last_calls: dict[str, tuple[str, str]] = {}  # agent: call_id and entry_id
        self.hands = Hands(emit, self._loop.time)

    @abstractmethod
    def feed(self, what: inputs.Input) -> None:
        """Tell the core."""

    def _known(self, name: str) -> str:
        if name not in self.config.agents:
            raise PbxError(f"no agent {name}; there are {', '.join(list(self.config.agents)[:10])}")
        return name

    def login(self, name: str, seat: str = "", *, by: str = "agent") -> None:
        """Log in, at another seat where one is named.

        :raises PbxError: for an agent that is not configured.
        """
        spec = self.config.agents[self._known(name)]
        self._sit(name, seat or spec.endpoint)
        self._keep(name, logged_in=True, seat=seat if seat != spec.endpoint else "", paused=None)
        self.feed(inputs.OtherCalls(agent=name, count=self._others[self._seats[name]] if self._seats[name] else 0))
        self.feed(inputs.LoggedIn(agent=name, reachable=self._reaches(name)))

    def logout(self, name: str, *, by: str = "agent") -> None:
        """Log out, at once or when the call is over."""
        self._keep(self._known(name), logged_in=False)
        self.feed(inputs.LoggedOut(agent=name, cause=by))

    def toggle_login(self, name: str, seat: str = "") -> bool:
        """Log in or out, whichever it is not; True: in."""
        if self.state(name) is State.LOGGED_OUT:
            self.login(name, seat)
            return True
        self.logout(name)
        return False

    def pause(self, name: str, reason: str = "", *, by: str = "agent") -> None:
        """Pause, at once or when the call is over."""
        self._keep(self._known(name), paused=reason)
        self.feed(inputs.Paused(agent=name, reason=reason, cause=by))

    def ready(self, name: str, *, by: str = "agent") -> None:
        """End a pause, a rest or a wrap-up."""
        self._keep(self._known(name), paused=None)
        self.feed(inputs.Ready(agent=name, cause=by))

    def toggle_pause(self, name: str, reason: str = "") -> bool:
        """Pause or end the pause; True: paused."""
        if self.core.agents[self._known(name)].pause is None:
            self.pause(name, reason)
            return True
        self.ready(name)
        return False

    def extend_wrap_up(self, name: str, by_s: float) -> None:
        self.feed(inputs.WrapUpExtended(agent=self._known(name), by_s=by_s))

    def set_membership(self, name: str, queue: str, tier: int | None, *, by: str = "operator") -> None:
        """Add an agent to a queue, move to another tier, or take out.

        :raises PbxError: for an unknown agent or queue.
        """
        if queue not in self.core.queues:
            raise PbxError(f"no queue {queue}; there are {', '.join(self.core.queues)}")
        memory = self._memory[self._known(name)]
        self._keep(name, tiers={**memory.tiers, queue: tier})
        self.feed(inputs.MemberSet(agent=name, queue=queue, tier=tier))
        self._emit(ev.AgentMembership(agent=name, queue=queue, tier=tier, by=by))

    def set_skill(self, name: str, skill: str, level: int, *, by: str = "operator") -> None:
        """Set a level 1–9; 0 takes the skill away.

        :raises PbxError: for an unknown agent or a level that is none.
        """
        if not 0 <= level <= 9:
            raise PbxError(f"{level} is no level: 0 to 9")
        memory = self._memory[self._known(name)]
        self._keep(name, skills={**memory.skills, skill: level})
        self.feed(inputs.SkillSet(agent=name, skill=skill, level=level))
        self._emit(ev.AgentSkill(agent=name, skill=skill, level=level, by=by))

    def dispose(self, name: str, code: str, call_id: str = "", *, by: str = "agent") -> None:
        """Note what a call was about, during it or afterwards; without *call_id* the agent's last queue call.

        :raises PbxError: for a code that is not configured, or where there is no call.
        """
        if code not in self.config.dispositions:
            raise PbxError(f"no disposition {code}; there are {', '.join(self.config.dispositions)}")
        last_call, entry_id = self.last_call(self._known(name))
        call_id = call_id or last_call
        if not call_id:
            raise PbxError(f"agent {name} has had no call: name one")
        entry_id = entry_id if call_id == last_call else ""
        self._emit(ev.CallDisposition(call_id=call_id, entry_id=entry_id, agent=name, code=code, by=by))

    def last_call(self, name: str) -> tuple[str, str]:
        """Return call_id and entry_id of the queue call that an agent has, or had last; "" for none."""
        return self._last_calls.get(name) or self._memory.get(name, AgentMemory()).last_call

    def ask_for_help(self, name: str, call_id: str = "", *, by: str = "agent") -> None:
        """Raise an agent's hand for a supervisor.

        :raises PbxError: for an agent who is in no call.
        """
        agent = self.agent(name)
        if agent.state is not State.ON_CALL:
            raise PbxError(f"agent {name} is in no call")
        self.hands.raise_(name, call_id or (self.last_call(name)[0] if agent.talk is not None else ""), by=by)

    def supervised(self, party: str, by: str) -> None:
        """Hear that a supervisor entered the conversation of *party* (endpoint/2001): no hand needs to be up there."""
        if agent := self.agent_at(party.removeprefix("endpoint/")):
            self.hands.lower(agent, "answered", by=by)

    def agent(self, name: str) -> Agent:
        """Return an agent as the core knows them.

        :raises PbxError: for one that is not configured.
        """
        return self.core.agents[self._known(name)]

    def state(self, name: str) -> State:
        return self.core.agents[self._known(name)].state

    def seat_of(self, name: str) -> str:
        """Return the endpoint where an agent sits, "" where none."""
        return self._seats.get(name, "")

    def agent_named(self, text: str) -> str:
        """Return the agent of this name, number, or seat; "" for none."""
        if text in self.config.agents:
            return text
        by_id = next((name for name, agent in self.config.agents.items() if agent.id and agent.id == text), "")
        return by_id or self.agent_at(text)

    def may_supervise(self, endpoint: str, agent: str) -> bool:
        """Say whether who sits at *endpoint* may enter the calls of *agent*: by right, or as the team's supervisor."""
        sitting = self.agent_at(endpoint)
        spec = self.config.agents.get(sitting)
        if spec is not None and "supervise" in spec.rights:
            return True
        watched = self.config.agents.get(agent)
        team = self.config.teams.get(watched.team) if watched is not None else None
        return team is not None and bool({sitting, endpoint, f"endpoint/{endpoint}"} & set(team.supervisors) - {""})

    def agent_at(self, endpoint: str) -> str:
        """Return who sits at an endpoint: who is logged in before who might be; "" for nobody."""
        sitting = sorted(self._at_seat.get(endpoint, ()))
        logged_in = [name for name in sitting if self.core.agents[name].state is not State.LOGGED_OUT]
        return (logged_in or sitting or [""])[0]

    def busy(self, name: str, count: int) -> None:
        """Say how many other dialogs an agent has, where no endpoint tells."""
        self.feed(inputs.OtherCalls(agent=self._known(name), count=count))

    def _sit(self, name: str, endpoint: str) -> None:
        self._at_seat.get(self._seats.get(name, ""), set()).discard(name)
        self._seats[name] = endpoint
        if endpoint:
            self._at_seat.setdefault(endpoint, set()).add(name)

    def _stand_up(self, name: str) -> None:
        """Forget the seat of an agent who is no longer configured."""
        self._at_seat.get(self._seats.pop(name, ""), set()).discard(name)

    def _reaches(self, name: str) -> bool:
        seat = self._seats.get(name, "")
        if seat:
            return self._is_reachable(seat)
        return name in self.config.agents and bool(self.config.agents[name].contact)

    def _probe(self, name: str) -> None:
        """Try a phone again that is registered and did not ring."""
        agent = self.core.agents.get(name)
        if agent is not None and agent.state is State.UNREACHABLE and self._reaches(name):
            self.feed(inputs.Reachable(agent=name, on=True, cause="tried again"))

    def set_by_day(self) -> list[str]:
        """Say what people changed of agents that the files say otherwise."""
        told = []
        for name, spec in self.config.agents.items():
            memory = self._memory.get(name, AgentMemory())
            words = []
            if memory.logged_in != (spec.login == "always"):
                words.append("logged in" if memory.logged_in else "logged out")
            if memory.paused is not None:
                words.append(f"paused {memory.paused}".rstrip())
            if memory.seat:
                words.append(f"sits at {memory.seat}")
            for queue, tier in memory.tiers.items():
                words.append(f"not in {queue}" if tier is None else f"in {queue} at tier {tier}")
            words += [f"{skill} {level}" for skill, level in memory.skills.items()]
            if words:
                told.append(f"agent {name}: {', '.join(words)}")
        return told

    # ---- what is kept ----------------------------------------------------------------------------------------------

    def _keep(self, name: str, **changes: object) -> None:
        memory = replace(self._memory.get(name, AgentMemory()), **changes)  # type: ignore[arg-type]
        if memory != self._memory.get(name):
            self._memory[name] = memory
            self._store.save_agent(name, memory)

    def _remember_state(self, output: out.AgentMoved) -> None:
        """Keep what came by itself: an automatic pause, the end of a wrap-up, a log-out after half an hour."""
        agent = self.core.agents.get(output.agent)
        if agent is None:
            return  # no longer configured
        until = self._wall() + agent.wrap.until - self._loop.time() if agent.wrap is not None else 0.0
        self._keep(
            output.agent,
            logged_in=not agent.leaving,
            paused=agent.pause,
            wrap_up_until=until,
            last_call=self.last_call(output.agent),
        )
