"""Who takes part in a test call: phones and trunks by their words, a caller who presses keys, systems that answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import orjson

from pbx.apps.desk_store import AgentMemory, MemoryDeskStore
from pbx.call.leg import Leg
from pbx.config.config import Config
from pbx.config.testfile import TestCase
from pbx.dialplan.equipment import LookupFailed, Request
from pbx.errors import ConfigError, Unreachable
from pbx.media.virtual import VirtualPort
from pbx.signaling.contract import Destination
from pbx.signaling.virtual import Behaviour
from pbx.sip.message import Flow
from pbx.sip.uri import Uri

TALK_S = 60.0
AGENT_ANSWERS_S = 2.0
PRESSES_CONFIRM = "without key"  # "after 3 s without key": answers, but presses nothing
_FLOW = Flow("udp", ("192.0.2.1", 5060), ("192.0.2.10", 5060))
_AFTER = re.compile(r"(?:answers )?after (\d+(?:\.\d+)?) s( without key)?")
_REFUSALS = {"busy": 486, "declines": 603}


def behaviour_of(word: str, where: str) -> Behaviour:
    """Read what a phone or a trunk does.

    :raises ConfigError: for a word that means nothing.
    """
    match = _AFTER.fullmatch(word.strip())
    if match is not None:
        return Behaviour(answer_after_s=float(match[1]), talk_s=TALK_S)
    if word in _REFUSALS:
        return Behaviour(status=_REFUSALS[word])
    if re.fullmatch(r"[3-6]\d\d", word):
        return Behaviour(status=int(word))
    if word == "silent":
        return Behaviour(silent=True)
    raise ConfigError(f'{where}: "{word}" is nothing that a phone does: write "after 5 s", "busy", "declines" or "486"')


AGENT_BEHAVIOURS = {
    "ready": Behaviour(answer_after_s=AGENT_ANSWERS_S, talk_s=TALK_S),
    "ignores": Behaviour(),
    "refuses": Behaviour(status=603),
    "on call": Behaviour(status=486),
    "unreachable": Behaviour(status=503),
}
_WRAP_UP = re.compile(r"wrap-up (\d+) s")


def seat_agents(config: Config, case: TestCase, now: float) -> MemoryDeskStore:
    """Say who is logged in, and how: nobody but those whom the test names.

    :raises ConfigError: for a word that means nothing.
    """
    store = MemoryDeskStore()
    for name in config.agents:
        word = case.agents.get(name, "")
        wrap_up = _WRAP_UP.fullmatch(word)
        paused = word.removeprefix("paused").strip() if word.startswith("paused") else None
        if word and wrap_up is None and paused is None and word not in AGENT_BEHAVIOURS:
            raise ConfigError(f'{case.where_of("agents")}: "{word}" is nothing that agent {name} does')
        until = now + float(wrap_up[1]) if wrap_up is not None else 0.0
        store.save_agent(name, AgentMemory(logged_in=bool(word), paused=paused, wrap_up_until=until))
    return store


class Others:
    """Everybody but the caller: where targets lead, and what happens there."""

    def __init__(self, config: Config, case: TestCase) -> None:
        self._config = config
        self._answers = {name: word for name, word in case.answers.items() if word != "unreachable"}
        self._gone = {name for name, word in case.answers.items() if word == "unreachable"}
        self._trunks = {name.removeprefix("trunk/"): word for name, word in case.trunks.items()}
        self._agents: dict[str, str] = {}
        self._contacts: dict[tuple[str, str], str] = {}
        for name, word in case.agents.items():
            agent = config.agents.get(name)
            if agent is None:
                raise ConfigError(f'{case.where}: no agent "{name}" in test "{case.name}"')
            if agent.contact:
                self._contacts[agent.contact, agent.number or name] = word
            elif agent.endpoint:
                self._agents[agent.endpoint] = word

    def is_reachable(self, endpoint: str) -> bool:
        """Say whether a phone is there at all."""
        return endpoint not in self._gone and self._agents.get(endpoint) != "unreachable"

    def resolve(self, target: str, leg: Leg, *, number: str = "", caller: str = "") -> Sequence[Destination]:
        """Return where to ring, as the live system would.

        :raises Unreachable: where there is nothing to ring.
        """
        room, _, name = target.partition("/")
        known = self._config.endpoints if room == "endpoint" else self._config.trunks if room == "trunk" else {}
        if name not in known or (room == "endpoint" and not self.is_reachable(name)):
            raise Unreachable(f"{target} cannot be reached")
        if room == "trunk" and not self._config.trunks[name].enabled:
            raise Unreachable(f"trunk {name} is disabled", status=503)
        return [Destination(target, Uri("sip", number or name, "192.0.2.10"), _FLOW)]

    def behave(self, destination: Destination) -> Behaviour:
        """Return what a called party does; an agent's word beats the others."""
        room, _, name = destination.party.partition("/")
        if room == "trunk":
            state = self._contacts.get((destination.party, destination.uri.user), "")
            if state in AGENT_BEHAVIOURS:
                return AGENT_BEHAVIOURS[state]
            word = self._trunks.get(name)
            return behaviour_of(word, f"trunks.{name}") if word is not None else Behaviour()
        state = self._agents.get(name, "")
        if state in AGENT_BEHAVIOURS:
            return AGENT_BEHAVIOURS[state]
        word = self._answers.get(name)
        return behaviour_of(word, f"answers.{name}") if word is not None else Behaviour()

    def confirms(self, party: str) -> bool:
        """Say whether who answered presses the key that confirms."""
        room, _, name = party.partition("/")
        word = (self._trunks if room == "trunk" else self._answers).get(name, "")
        return not word.endswith(PRESSES_CONFIRM)


class Keys:
    """The caller's keys: one entry a prompt that waits for one; used up, the rest is silence."""

    def __init__(self, keys: Sequence[str], others: Others) -> None:
        self._keys = list(keys)
        self._others = others

    def asked(self, leg: Leg, expected: str) -> None:
        """Press the next entry, or the key that confirms."""
        if leg.direction == "in":
            entry = self._keys.pop(0) if self._keys else ""
        else:
            entry = expected[:1] if self._others.confirms(leg.party) else ""
        if entry and leg.media is not None:
            port = leg.media.port
            assert isinstance(port, VirtualPort)
            asyncio.get_running_loop().call_soon(port.press, entry)


class Systems:
    """Look-ups that answer what the test says."""

    def __init__(self, case: TestCase) -> None:
        self._answers = case.lookups

    async def ask(self, request: Request) -> bytes:
        """Answer.

        :raises LookupFailed: where the test says so, or says nothing.
        """
        said = self._answers.get(request.lookup)
        if isinstance(said, dict):
            return orjson.dumps(said)
        if said == "timeout":
            await asyncio.sleep(request.timeout_s)
            raise LookupFailed("no answer in time")
        raise LookupFailed(str(said) if said is not None else "the test does not name it")
