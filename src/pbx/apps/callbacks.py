"""Callbacks: a caller hangs up and keeps the place; when the turn comes, an agent first, then the customer.

A promise stands in the line of its queue like a caller. Each attempt is a call of its own: the agent's phone rings
while the customer's does not, so nobody is called back to wait; whoever answers for the customer must press a key,
so that no mailbox is taken for a person.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pbx import events as ev
from pbx.acd import inputs
from pbx.acd import outputs as out
from pbx.acd.skills import Need
from pbx.apps.desk_store import CallbackMemory, DeskStore
from pbx.apps.recording import not_recorded
from pbx.apps.ringing import Ringing
from pbx.call import audio
from pbx.call.calls import Call
from pbx.call.contract import Party, Routed
from pbx.call.leg import Leg
from pbx.call.originate import begin
from pbx.config.queues import Callback
from pbx.errors import CallFailed, PbxError

if TYPE_CHECKING:
    from pbx.apps.desk import Desk

log = logging.getLogger(__name__)

OVER = ("connected", "failed", "expired", "cancelled")
KEY_WAIT_S = 5.0
CUSTOMER_RING_S = 60.0
CONFIRM = "1"
NUMBER_TRIES = 3


async def agree(leg: Leg, number: str, may_call: Callable[[str], str]) -> str:
    """Agree with the caller on a number that *may_call* allows; "" where they do not want one, or say nothing."""
    for _ in range(NUMBER_TRIES):
        if number:
            await audio.play(leg, "callback-number")
            await audio.say(leg, number.removeprefix("+"), "digits")
            key = await audio.ask(leg, ["callback-confirm"], "12", KEY_WAIT_S)
            if key != "2":
                return number if key == "1" else ""
        typed = await audio.collect(leg, ["callback-enter-number"])
        if not typed.digits:
            return ""
        number = may_call(typed.digits)
        if not number:
            await audio.play(leg, "try-again")
    return ""


class Promised:
    """A promise as the desk sees a caller (:class:`pbx.apps.desk.Visit`)."""

    def __init__(self, desk: Desk, memory: CallbackMemory) -> None:
        self._desk = desk
        self.memory = memory
        self.entered = inputs.Joined(entry_id=memory.callback_id, queue=memory.queue, source="callback")
        self.leg = self._stand_in(memory.entry_id.partition(".")[0])
        self.cause = ""  # why the last attempt came to nothing
        self._call: Call | None = None
        self._offers = 0
        self._claimed = False

    @property
    def rule(self) -> Callback:
        queue = self._desk.config.queues.get(self.memory.queue)
        return queue.callback if queue is not None and queue.callback is not None else Callback()

    def _stand_in(self, call_id: str) -> Leg:
        """Return a leg that is never on the wire: the customer, for agents' phones to show."""
        number = self.memory.number
        return Leg(self._desk.calls, f"{call_id}.0", call_id, "in", "queue", Party(number), Party(number))

    # ---- what the desk tells ---------------------------------------------------------------------------------------

    def admitted(self, position: int) -> None: ...
    def refused(self, why: str) -> None: ...
    def left(self, exit: str, key: str) -> None: ...
    def announce(self, position: int | None, wait_s: float | None, turn: int) -> None: ...
    def offer_callback(self) -> None: ...

    def move_to(self, queue: str) -> None:
        raise PbxError("a promised callback stays in its queue; cancel it instead")

    def offered(self) -> None:
        """An agent's phone is about to ring: the attempt begins."""
        self._offers += 1
        if self._call is None:
            calls, memory = self._desk.calls, self.memory
            call_id = calls.new_call_id()
            self._call = begin(
                calls, call_id, f"queue/{memory.queue}", Party(memory.queue), memory.number, direction="outbound"
            )
            self.leg = self._stand_in(call_id)

    def offer_over(self) -> None:
        """An offer joined nobody; with the last one the attempt is over, and counts for nothing."""
        self._offers -= 1
        if not self._offers and not self._claimed and self._call is not None:
            call, self._call = self._call, None
            self._desk.calls.finish(call)

    def claimed(self, ringing: Ringing) -> None:
        """An agent picked up: from here on it is their call."""
        agent, call = ringing.answered, self._call
        assert agent is not None
        assert call is not None
        self._claimed = True
        call.legs = {agent.leg_id: agent, **{k: leg for k, leg in call.legs.items() if leg is not agent}}
        call.owner = agent
        work = self._desk.calls.run_script(call, agent, Routed(partial(self._talk, ringing)))
        call.task = asyncio.get_running_loop().create_task(work, name=f"callback {self.memory.callback_id}")
        call.task.add_done_callback(self._attempt_over)

    def _attempt_over(self, task: asyncio.Task[None]) -> None:
        self._call, self._claimed, self._offers = None, False, 0

    # ---- the attempt -----------------------------------------------------------------------------------------------

    async def _talk(self, ringing: Ringing, agent: Leg) -> None:
        desk, memory = self._desk, self.memory
        desk.joined(ringing, agent.call_id, memory.callback_id)
        began, by = desk.calls.now, "agent"
        self.cause = "agent left"
        connected = False
        try:
            agent.port.tone("ringback")
            async with agent.dial(
                f"trunk/{self.rule.trunk}", ring_s=CUSTOMER_RING_S, number=memory.number, caller=memory.did,
                confirm=CONFIRM, ask=("callback-greeting",),
            ) as customer:  # fmt: skip
                agent.port.stop()
                connected, self.cause = True, ""
                desk.feed(inputs.CallbackTried(callback_id=memory.callback_id, connected=True))
                record = desk.recording_of(memory.queue) if desk.recording_of is not None else not_recorded
                async with record(customer, agent, ringing.agent):
                    by = "caller" if await agent.bridge(customer) == "callee" else "agent"
        except CallFailed as error:
            self.cause = error.reason
            agent.log.info("x callback of %s: %s", memory.number, error)
        finally:
            if not connected and not desk.calls.draining:
                desk.feed(inputs.CallbackTried(callback_id=memory.callback_id, connected=False))
            talk_ms = round((desk.calls.now - began) * 1000)
            desk.emit(
                ev.QueueServed(
                    call_id=agent.call_id, entry_id=memory.callback_id, queue=memory.queue, agent=ringing.agent, by=by,
                    talk_ms=talk_ms,
                )
            )  # fmt: skip
            desk.feed(inputs.CallOver(agent=ringing.agent, entry_id=memory.callback_id))


class Callbacks:
    """Every promise there is; they outlive the process."""

    def __init__(self, desk: Desk, store: DeskStore, wall: Callable[[], float]) -> None:
        self._desk = desk
        self._store = store
        self._wall = wall
        self._promised: dict[str, Promised] = {}

    def __iter__(self) -> Iterator[Promised]:
        return iter(self._promised.values())

    def find(self, callback_id: str) -> Promised | None:
        return self._promised.get(callback_id)

    def take(self, asked: inputs.Joined, call_id: str, number: str, did: str, expires_s: float) -> bool:
        """Promise a waiting caller to call *number* back; False where an agent has them by now."""
        entry = self._desk.core.entries.get(asked.entry_id)
        if entry is None or entry.claimed is not None:
            return False
        wall, now = self._wall(), self._desk.calls.now
        memory = CallbackMemory(
            callback_id=f"{asked.entry_id}.cb", entry_id=asked.entry_id, queue=asked.queue, number=number, did=did,
            since=wall - (now - entry.since), expires_at=wall + expires_s, priority=entry.priority,
            needs=tuple((need.skill, need.level, need.relax) for need in asked.needs),
        )  # fmt: skip
        self._promised[memory.callback_id] = promised = Promised(self._desk, memory)
        self._store.save_callback(memory)
        rule = promised.rule
        self._desk.feed(
            inputs.CallbackTaken(
                entry_id=asked.entry_id, callback_id=memory.callback_id, expires_s=expires_s, tries=rule.tries,
                every_s=rule.every_min * 60,
            )
        )  # fmt: skip
        return True

    def restore(self) -> None:
        """Take up the promises of the run before; those that are too old are told as expired."""
        for memory in self._store.load_callbacks():
            left_s = memory.expires_at - self._wall()
            queue = self._desk.config.queues.get(memory.queue)
            if queue is None or queue.callback is None or left_s <= 0:
                self._store.drop_callback(memory.callback_id)
                self._desk.emit(_changed(memory, "expired", memory.attempt, "while the system was down"))
                continue
            self._promised[memory.callback_id] = Promised(self._desk, memory)
            self._desk.feed(
                inputs.CallbackRestored(
                    callback_id=memory.callback_id, queue=memory.queue, waited_s=self._wall() - memory.since,
                    expires_s=left_s, tries=queue.callback.tries, every_s=queue.callback.every_min * 60,
                    attempt=memory.attempt, priority=memory.priority,
                    needs=tuple(Need(*need) for need in memory.needs),
                )
            )  # fmt: skip

    def cancel(self, callback_id: str) -> None:
        """Take a promise back.

        :raises PbxError: where there is none of this name.
        """
        if callback_id not in self._promised:
            raise PbxError(f"no callback {callback_id}")
        self._desk.feed(inputs.CallbackCancelled(callback_id=callback_id))

    def moved(self, output: out.CallbackMoved) -> None:
        """Follow what the core says of a promise."""
        promised = self._promised.get(output.callback_id)
        if promised is None:
            return
        cause = promised.cause if output.state in ("waiting", "failed") else ""
        self._desk.emit(_changed(promised.memory, output.state, output.attempt, cause, promised.leg.call_id))
        if output.state in OVER:
            del self._promised[output.callback_id]
            self._store.drop_callback(output.callback_id)
        elif output.attempt != promised.memory.attempt and output.state == "waiting":
            promised.memory = replace(promised.memory, attempt=output.attempt)
            self._store.save_callback(promised.memory)


def _changed(memory: CallbackMemory, state: str, attempt: int, cause: str, call_id: str = "") -> ev.CallbackChanged:
    return ev.CallbackChanged(
        call_id=call_id, callback_id=memory.callback_id, entry_id=memory.entry_id, queue=memory.queue,
        number=memory.number, state=state, attempt=attempt, cause=cause,
    )  # fmt: skip
