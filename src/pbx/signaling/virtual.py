"""Phones and trunks that follow a script in virtual time, for `pbx test` and the suite: no bytes, no sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pbx.sdp.codec import PCMA
from pbx.sdp.negotiate import make_answer, make_offer
from pbx.signaling.contract import Destination, Introduction, SignalEvents
from pbx.sip.headers import NameAddr
from pbx.sip.message import Flow, Request
from pbx.sip.replaces import Replaces
from pbx.sip.transaction import ServerTransaction

ADDRESS = "192.0.2.10"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a called party does. With neither status nor answer it rings for ever."""

    answer_after_s: float | None = None
    status: int = 0  # refuse with this at once
    silent: bool = False  # nothing comes at all, not even a 100
    talk_s: float | None = None  # hang up this long after answering
    ring_after_s: float = 0.0


@dataclass(slots=True)
class Placed:
    """An INVITE that went out."""

    at: float
    destination: Destination
    caller: NameAddr
    signal: VirtualSignal


class VirtualPhones:
    """Where calls go out (:class:`pbx.signaling.contract.Signaling`), and where callers come from."""

    def __init__(self, behaviour: Mapping[str, Behaviour] | Callable[[Destination], Behaviour]) -> None:
        self._behaviour = behaviour
        self.placed: list[Placed] = []

    def call(
        self, destination: Destination, caller: NameAddr, sdp: bytes | None, events: SignalEvents
    ) -> VirtualSignal:
        """Ring a party and let it do what its behaviour says."""
        loop = asyncio.get_running_loop()
        behaviour = (
            self._behaviour.get(destination.party, Behaviour())
            if isinstance(self._behaviour, Mapping)
            else self._behaviour(destination)
        )
        signal = VirtualSignal(events, incoming=False)
        signal.offer = sdp
        self.placed.append(Placed(loop.time(), destination, caller, signal))
        if behaviour.silent:
            return signal
        if behaviour.status:
            loop.call_soon(signal.fail, behaviour.status)
            return signal
        loop.call_later(behaviour.ring_after_s, signal.progress)
        if behaviour.answer_after_s is not None:
            loop.call_later(behaviour.answer_after_s, signal.answer, behaviour.talk_s)
        return signal

    def local_for(self, destination: Destination) -> tuple[str, str]:
        return ADDRESS, ADDRESS


@dataclass(slots=True, eq=False)
class VirtualSignal:
    """One dialog (:class:`pbx.signaling.contract.LegSignal`); ``history`` keeps what we did with it."""

    events: SignalEvents
    incoming: bool
    offer: bytes | None = None
    state: str = "early"  # early, up, ended
    history: list[str] = field(default_factory=list)
    sip_call_id: str = "virtual"

    @property
    def flow(self) -> Flow | None:
        return None

    @property
    def local_address(self) -> str:
        return ADDRESS

    @property
    def advertised_address(self) -> str:
        return ADDRESS

    @property
    def dialog_id(self) -> tuple[str, str, str] | None:
        return None

    def is_dialog(self, named: Replaces) -> bool:
        return named.call_id == self.sip_call_id

    # ---- what the party does ---------------------------------------------------------------------------------------

    def progress(self, status: int = 180) -> None:
        if self.state == "early":
            self.events.on_progress(status, None)

    def answer(self, talk_s: float | None = None) -> None:
        if self.state != "early":
            return
        self.state = "up"
        assert self.offer is not None
        sdp, _ = make_answer(self.offer, ADDRESS, 4000, [PCMA], session_id=1, version=1)
        self.events.on_answered(sdp, is_offer=False)
        if talk_s is not None:
            asyncio.get_running_loop().call_later(talk_s, self.leave)

    def fail(self, status: int) -> None:
        if self.state == "early":
            self.state = "ended"
            self.events.on_failed(status, "", ())

    def leave(self, reason: str = "") -> None:
        """The party hangs up, or gives up before an answer."""
        if self.state != "ended":
            early, self.state = self.state == "early", "ended"
            self.events.on_ended("peer", 487 if early else 200, reason)

    def ask_hold(self, on: bool) -> None:
        """The party puts us on hold, or takes us back."""
        direction = "sendonly" if on else "sendrecv"
        self.events.on_reoffer(make_offer(ADDRESS, 4000, [PCMA], session_id=1, version=2 + on, direction=direction))

    # ---- what we do ------------------------------------------------------------------------------------------------

    def ring(self, status: int = 180, sdp: bytes | None = None) -> None:
        self.history.append(f"ring {status}")

    def accept(self, sdp: bytes) -> None:
        self.history.append("accept")
        self.state = "up"

    def reject(self, status: int, reason: str = "", headers: Sequence[tuple[str, str]] = ()) -> None:
        self.history.append(f"reject {status}")
        self.state = "ended"

    def acknowledge(self, sdp: bytes) -> None:
        self.history.append("acknowledge")

    def hangup(self, reason: str = "") -> None:
        if self.state != "ended":
            self.history.append(f"hangup {reason}".strip())
            self.state = "ended"

    def reoffer(self, sdp: bytes | None) -> bool:
        self.history.append("reoffer")
        asyncio.get_running_loop().call_soon(self.events.on_reoffer_done, 200, None)
        return True

    def answer_reoffer(self, sdp: bytes) -> None:
        self.history.append("answer reoffer")

    def refuse_reoffer(self, status: int) -> None:
        self.history.append(f"refuse reoffer {status}")

    def request(self, method: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> None:
        shown = [f"{name}: {value}" for name, value in headers if name == "P-Asserted-Identity"]
        self.history.append(" ".join([f"request {method}", *shown]))

    def respond(self, transaction: ServerTransaction, request: Request, status: int) -> None:
        self.history.append(f"respond {request.method} {status}")


def introduction(source: str, caller: str, dialled: str, *, name: str = "") -> Introduction:
    """Make what an INVITE from a virtual caller says, with an offer of G.711 A-law."""
    offer = make_offer(ADDRESS, 4002, [PCMA], session_id=9, version=1)
    return Introduction(source, caller, name, dialled, dialled, f"virtual-{caller}", "udp:192.0.2.10:5060", offer)
