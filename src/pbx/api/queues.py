"""Routes of queues and agents: see them, and steer them by day."""

from __future__ import annotations

import time
from typing import Annotated

from aiohttp import web
from pydantic import Field
from typing_extensions import NotRequired, TypedDict  # noqa: UP035 — pydantic wants this one before Python 3.12

from pbx import events as ev
from pbx.api import people
from pbx.api.answers import Refused, answer, body, did, known, operator
from pbx.api.contract import State
from pbx.api.shapes import closed


@closed
class Login(TypedDict):
    seat: NotRequired[str]  # an endpoint
    until: NotRequired[float]  # seconds since the epoch


@closed
class Pause(TypedDict):
    reason: NotRequired[str]
    until: NotRequired[float]  # seconds since the epoch


@closed
class Extend(TypedDict):
    by_s: Annotated[float, Field(gt=0, le=300)]


@closed
class Level(TypedDict):
    level: Annotated[int, Field(ge=0, le=9)]
    until: NotRequired[float]  # seconds since the epoch


@closed
class Tier(TypedDict):
    tier: NotRequired[Annotated[int, Field(ge=1)]]
    until: NotRequired[float]  # seconds since the epoch


@closed
class Move(TypedDict):
    to: str


@closed
class Priority(TypedDict):
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)]


@closed
class Disposition(TypedDict):
    code: str
    call_id: NotRequired[str]  # else the agent's last queue call


@closed
class Help(TypedDict):
    on: bool


class QueueRoutes:
    """``/v1/queues``."""

    def __init__(self, state: State) -> None:
        self._state = state

    def table(self) -> list[web.RouteDef]:
        one = "/v1/queues/{queue}"
        return [
            web.get("/v1/queues", self._list),
            web.get(one, self._one),
            web.put(one + "/members/{agent}", self._put),
            web.delete(one + "/members/{agent}", self._take_out),
            web.post(one + "/callers/{entry}/move", self._move),
            web.post(one + "/callers/{entry}/priority", self._prioritise),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        state = self._state
        return answer([people.queue_view(q, state.desk, state.today) for q in state.desk.core.queues.values()])

    async def _one(self, request: web.Request) -> web.Response:
        queue = known(self._state.desk.core.queues, request.match_info["queue"], "queue")
        return answer(people.queue_detail(queue, self._state.desk, self._state.today))

    async def _put(self, request: web.Request) -> web.Response:
        queue, agent = self._named(request)
        asked = await body(request, Tier)
        tier = asked.get("tier", 1)
        who, until = operator(request), asked.get("until")
        if until is not None:
            self._state.timed.member(agent, queue, tier, until, by=who)
        else:
            self._state.desk.set_membership(agent, queue, tier, by=who)
            self._state.timed.settled("member", agent, queue)
        note(self._state, request, f"tier {tier} in {queue}", agent)
        return did(f"{agent} is in tier {tier} of {queue}{_ends(until)}")

    async def _take_out(self, request: web.Request) -> web.Response:
        queue, agent = self._named(request)
        if agent not in {member.name for member in self._state.desk.core.queues[queue].members}:
            raise Refused(f"{agent} is no member of {queue}", 409)
        self._state.desk.set_membership(agent, queue, None, by=operator(request))
        self._state.timed.settled("member", agent, queue)
        note(self._state, request, f"take out of {queue}", agent)
        return did(f"{agent} is no longer in {queue}")

    async def _move(self, request: web.Request) -> web.Response:
        entry_id = self._caller(request)
        asked = await body(request, Move)
        known(self._state.desk.core.queues, asked["to"], "queue")
        note(self._state, request, f"move to {asked['to']}", entry_id)
        self._state.desk.move_caller(entry_id, asked["to"])
        return did(f"{entry_id} waits in {asked['to']} now")

    async def _prioritise(self, request: web.Request) -> web.Response:
        entry_id = self._caller(request)
        asked = await body(request, Priority)
        note(self._state, request, f"priority {asked['priority']}", entry_id)
        self._state.desk.prioritise(entry_id, asked["priority"])
        return did(f"{entry_id} has priority {asked['priority']}: position {self._state.desk.core.position(entry_id)}")

    def _named(self, request: web.Request) -> tuple[str, str]:
        queue, agent = request.match_info["queue"], request.match_info["agent"]
        known(self._state.desk.core.queues, queue, "queue")
        known(self._state.desk.core.agents, agent, "agent")
        return queue, agent

    def _caller(self, request: web.Request) -> str:
        """Return the entry that is named by itself or by its call."""
        queue = known(self._state.desk.core.queues, request.match_info["queue"], "queue")
        named = request.match_info["entry"]
        entry_id = named if named in queue.entries else self._state.desk.entry_of(named)
        known(queue.entries, entry_id or named, f"caller in {queue.name} named")
        return entry_id


class AgentRoutes:
    """``/v1/agents``."""

    def __init__(self, state: State) -> None:
        self._state = state

    def table(self) -> list[web.RouteDef]:
        one = "/v1/agents/{agent}"
        return [
            web.get("/v1/agents", self._list),
            web.get(one, self._one),
            web.post(one + "/login", self._login),
            web.post(one + "/logout", self._logout),
            web.post(one + "/pause", self._pause),
            web.post(one + "/ready", self._ready),
            web.post(one + "/wrap-up", self._extend),
            web.post(one + "/disposition", self._dispose),
            web.post(one + "/help", self._help),
            web.put(one + "/skills/{skill}", self._skill),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        s = self._state
        return answer([people.agent_view(a, s.desk, s.today, s.timed) for a in s.desk.core.agents.values()])

    async def _one(self, request: web.Request) -> web.Response:
        s = self._state
        return answer(people.agent_view(s.desk.core.agents[self._agent(request)], s.desk, s.today, s.timed))

    async def _login(self, request: web.Request) -> web.Response:
        name = self._agent(request)
        asked = await body(request, Login)
        seat, until = asked.get("seat", ""), asked.get("until")
        if seat:
            known(self._state.config.endpoints, seat, "endpoint")
        if until is not None:
            self._state.timed.login(name, seat, until, by=operator(request))
        else:
            self._state.desk.login(name, seat, by=operator(request))
            self._state.timed.settled("login", name)
        return self._told(request, "login", name, until)

    async def _logout(self, request: web.Request) -> web.Response:
        name = self._agent(request)
        self._state.desk.logout(name, by=operator(request))
        self._state.timed.settled("login", name)
        self._state.timed.settled("pause", name)
        return self._told(request, "logout", name)

    async def _pause(self, request: web.Request) -> web.Response:
        name = self._agent(request)
        asked = await body(request, Pause)
        reason, until = self._reason(asked.get("reason", "")), asked.get("until")
        if self._state.desk.state(name).value == "logged-out":
            raise Refused(f"{name} is logged out: log in first", 409)
        if until is not None:
            self._state.timed.pause(name, reason, until, by=operator(request))
        else:
            self._state.desk.pause(name, reason, by=operator(request))
            self._state.timed.settled("pause", name)
        return self._told(request, f"pause {reason}".rstrip(), name, until)

    async def _ready(self, request: web.Request) -> web.Response:
        name = self._agent(request)
        if self._state.desk.state(name).value == "logged-out":
            raise Refused(f"{name} is logged out: log in first", 409)
        self._state.desk.ready(name, by=operator(request))
        self._state.timed.settled("pause", name)
        return self._told(request, "ready", name)

    async def _extend(self, request: web.Request) -> web.Response:
        name = self._agent(request)
        asked = await body(request, Extend)
        if self._state.desk.agent(name).wrap is None:
            raise Refused(f"{name} is not in wrap-up", 409)
        self._state.desk.extend_wrap_up(name, asked["by_s"])
        return self._told(request, f"wrap-up +{asked['by_s']:g} s", name)

    async def _dispose(self, request: web.Request) -> web.Response:
        name = self._agent(request)
        asked = await body(request, Disposition)
        self._state.desk.dispose(name, asked["code"], asked.get("call_id", ""), by=operator(request))
        return self._told(request, f"disposition {asked['code']}", name)

    async def _help(self, request: web.Request) -> web.Response:
        name = self._agent(request)
        if (await body(request, Help))["on"]:
            self._state.desk.ask_for_help(name, by=operator(request))
            return self._told(request, "call for help", name)
        if not self._state.desk.hands.lower(name, "withdrawn", by=operator(request)):
            raise Refused(f"{name} calls for nobody", 409)
        return self._told(request, "call for help withdrawn", name)

    async def _skill(self, request: web.Request) -> web.Response:
        name, skill = self._agent(request), request.match_info["skill"]
        asked = await body(request, Level)
        level, until = asked["level"], asked.get("until")
        if until is not None:
            self._state.timed.skill(name, skill, level, until, by=operator(request))
        else:
            self._state.desk.set_skill(name, skill, level, by=operator(request))
            self._state.timed.settled("skill", name, skill)
        return self._told(request, f"{skill} {level}", name, until)

    def _agent(self, request: web.Request) -> str:
        name = request.match_info["agent"]
        known(self._state.desk.core.agents, name, "agent")
        return name

    def _reason(self, reason: str) -> str:
        """Return a reason by its key or its name; where reasons are configured, it is one of them."""
        reasons = self._state.config.pause_reasons
        if reason in reasons:
            return reasons[reason].name
        names = [spec.name for spec in reasons.values()]
        if reason and names and reason not in names:
            raise Refused(f"no reason {reason} for a pause; there are {', '.join(names)}")
        return reason

    def _told(self, request: web.Request, what: str, name: str, until: float | None = None) -> web.Response:
        note(self._state, request, what, name)
        agent = self._state.desk.core.agents[name]
        later = people.agent_view(agent, self._state.desk, self._state.today, self._state.timed)["next"]
        after = f", then {later}" if later else ""
        return did(f"{name} is {agent.state.value}{after}{_ends(until)}", state=agent.state.value)


def _ends(until: float | None) -> str:
    return "" if until is None else time.strftime(", until %Y-%m-%d %H:%M", time.localtime(until))


def note(state: State, request: web.Request, what: str, target: str) -> None:
    """Write down who did what."""
    state.log.append(ev.OperatorDid(who=operator(request), what=what, target=target))
