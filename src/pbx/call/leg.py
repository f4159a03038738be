"""A leg: one dialog with its media, and the verbs that scripts use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pbx import events as ev
from pbx.call.contract import End, Party
from pbx.call.keys import Keys, LegState
from pbx.call.offer import MediaSide
from pbx.call.scope import HangupScope
from pbx.errors import CallEnded, NegotiationError, PbxError, failure_of
from pbx.media.contract import MediaPort, Room
from pbx.sdp.description import Description, parse_description
from pbx.signaling.info import digit_of
from pbx.sip.headers import NameAddr, user_in
from pbx.sip.message import Request
from pbx.sip.transaction import ServerTransaction
from pbx.sip.uri import Uri

if TYPE_CHECKING:
    from pbx.call.calls import Calls
    from pbx.call.dial import Dial
    from pbx.call.tape import Tape
    from pbx.signaling.contract import LegSignal

log = logging.getLogger(__name__)

_TAKEN = frozenset({"INFO", "NOTIFY", "MESSAGE", "OPTIONS"})  # carriers ask by OPTIONS whether the call still lives
ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'  # RFC 3326, to the losers of a race


class Leg(Keys):
    """One dialog with its media. Verbs raise :class:`pbx.errors.CallEnded` once the leg is gone."""

    __slots__ = ("_acked", "_read_offer", "_reoffered", "_scopes", "_sent_offer", "answer_offer", "answered_at",
                 "apart_from", "callee", "caller", "created_at", "direction", "end", "introduce", "kept",
                 "may_be_picked_up", "media", "moved_to", "on_bridged", "on_change", "over_limits", "party", "peer",
                 "rang", "signal", "state", "tape", "variables")  # fmt: skip

    def __init__(
        self, calls: Calls, leg_id: str, call_id: str, direction: str, party: str, caller: Party, callee: Party
    ) -> None:
        super().__init__(calls, leg_id, call_id, logging.LoggerAdapter(log, {"call": call_id, "leg": leg_id}))
        self.direction = direction  # in: they called us; out: we call them
        self.party = party  # endpoint/1001, trunk/carrier
        self.caller = caller
        self.callee = callee
        self.state = LegState.NEW
        self.end: End | None = None
        self.signal: LegSignal | None = None
        self.media: MediaSide | None = None
        self.created_at = calls.now
        self.answered_at: float | None = None
        self.rang = False
        self.over_limits = False  # an emergency: trunks and servers that are full take it all the same
        self.peer: Leg | None = None  # whom it is bridged with
        self.kept = False  # taken from its script: who adopts it decides when it ends
        self.variables: dict[str, object] = {}  # what the script knows of the call
        self.answer_offer: bytes | None = None  # the offer of an INVITE that we have not answered
        self._read_offer: Description | None = None
        self.on_change: list[Callable[[Leg], None]] = []  # answered, ended, held: told after the state changed
        self.on_bridged: list[Callable[[Leg], None]] = []  # joined with a peer, or parted from one
        self.may_be_picked_up = False  # rings for a caller whom a colleague may take
        self.introduce = False  # moved to another partner: its phone is told who that is
        self.apart_from: Leg | None = None  # bridged, but for a while they do not hear each other
        self.tape: Tape | None = None  # what records this conversation now
        self.moved_to = ""  # where a phone that answered 302 wants its calls
        self._scopes: list[HangupScope] = []
        self._sent_offer = False
        self._acked: asyncio.Future[None] | None = None
        self._reoffered: asyncio.Future[int] | None = None

    # ---- verbs -----------------------------------------------------------------------------------------------------

    def ring(self, early: bool = False) -> None:
        """Tell the caller that it rings (180), or open early media (183 with an answer)."""
        if self.state is LegState.UP:
            return
        self._must_live()
        assert self.signal is not None
        if early:
            self.signal.ring(183, self._answer_sdp())
        else:
            self.signal.ring(180)
        if self.state is LegState.NEW:
            self.state = LegState.RINGING
            self.calls.emit(ev.LegRinging(call_id=self.call_id, leg_id=self.leg_id, status=183 if early else 180))

    async def answer(self) -> None:
        """Answer the caller, once; returns when the media can flow."""
        if self.state is LegState.UP:
            return
        self._must_live()
        assert self.signal is not None
        sdp = self._answer_sdp()
        if self._sent_offer:
            self._acked = asyncio.get_running_loop().create_future()  # the answer comes with the ACK
        self._up()
        self.signal.accept(sdp)
        if self._acked is not None:
            await self._acked

    def reject(self, status: int, reason: str = "", headers: Sequence[tuple[str, str]] = ()) -> None:
        """Refuse a call that is not answered."""
        if self.signal is not None and self.state in (LegState.NEW, LegState.RINGING):
            self.signal.reject(status, reason, headers)
            cause = "busy" if status in (486, 600) else "refused"
            self._ended(End(cause, status, "us", reason))

    def hangup(self, cause: str = "answered", reason: str = "") -> None:
        """End the leg; never waits for the peer."""
        if self.state is LegState.ENDED or self.signal is None:
            return
        answered = self.state is LegState.UP
        self.signal.hangup(reason)
        self._ended(End(cause, 200 if answered else 487, "us", reason))

    @property
    def identity(self) -> Party:
        """Who is at the other end of this leg, as others should see them."""
        if self.direction == "in":
            return self.caller
        room, _, name = self.party.partition("/")
        return Party(name) if room == "endpoint" else self.callee

    def show(self, who: Party) -> None:
        """Tell an answered phone with whom it talks now (RFC 3325 in an UPDATE, RFC 3311)."""
        if self.signal is not None and self.state is LegState.UP and self.party.startswith("endpoint/") and who.number:
            uri = Uri("sip", who.number, self.signal.advertised_address)
            self.signal.request("UPDATE", (("P-Asserted-Identity", str(NameAddr(uri, who.name))),))

    def until_hangup(self) -> HangupScope:
        """Return a scope that ends quietly when this leg does."""
        return HangupScope(self._scopes, ended=self.state is LegState.ENDED)

    def dial(
        self,
        targets: str | Sequence[str],
        *,
        ring_s: float = 25.0,
        order: str = "all",
        number: str = "",
        caller: str = "",
        confirm: str = "",
        whisper: Sequence[str] = (),
        ask: Sequence[str] = ("press-to-accept",),
    ) -> Dial:
        """Ring *targets*; ``async with`` yields the leg that answered first and hangs it up at the end.

        With *confirm* the call counts as answered once that key is pressed, as *ask* tells.

        :raises NoAnswer, Busy, Declined, Unreachable: from ``async with``, when nobody answered.
        """
        from pbx.call.dial import Dial

        chosen = [targets] if isinstance(targets, str) else list(targets)
        return Dial(
            self.calls,
            self,
            chosen,
            order=order,
            ring_s=ring_s,
            number=number,
            caller=caller,
            confirm=confirm,
            whisper=whisper,
            ask=ask,
        )

    async def bridge(self, other: Leg) -> str:
        """Let both hear each other until one hangs up; return who did: "caller" (this leg) or "callee"."""
        from pbx.call.bridge import bridge

        return await bridge(self.calls, self, other)

    async def echo(self) -> None:
        """Send the caller's own sound back until they hang up."""
        await self.answer()
        port = self.port
        port.hear(port)
        await asyncio.get_running_loop().create_future()

    async def collect_digit(self) -> str:
        """Wait for the next key."""
        self._must_live()
        return await self.digits.get()

    @property
    def default_language(self) -> str:
        return self.calls.language

    def new_room(self) -> Room:
        """Open a conference."""
        return self.calls.room()

    async def hold(self) -> int:
        """Put the peer on hold; return the SIP status of its answer."""
        return await self._change(holding=True)

    async def resume(self) -> int:
        return await self._change(holding=False)

    async def _change(self, *, holding: bool) -> int:
        self._must_live()
        if self.media is None or self.signal is None:
            raise CallEnded("no session to change")
        self.media.holding = holding
        self._reoffered = asyncio.get_running_loop().create_future()
        if not self.signal.reoffer(self.media.offer()):
            return 491
        return await self._reoffered

    def _must_live(self) -> None:
        if self.state is LegState.ENDED:
            raise CallEnded(self.end.cause if self.end else "ended")

    # ---- media -----------------------------------------------------------------------------------------------------

    def open_media(self, codecs: Sequence[str]) -> MediaSide:
        """Open a port on the address that this peer reaches.

        :raises MediaError: where none is left.
        """
        if self.media is None:
            assert self.signal is not None
            signal = self.signal
            self.media = self.calls.media_side(
                self, signal.local_address, signal.advertised_address, codecs, signal.flow
            )
        return self.media

    @property
    def port(self) -> MediaPort:
        """This leg's media.

        :raises CallEnded: where it has none (any more).
        """
        self._must_live()
        if self.media is None:
            raise CallEnded("no media")
        return self.media.port

    def read_offer(self) -> Description | None:
        """Return the caller's offer, parsed once for all who look at it; None where there is none.

        :raises NegotiationError: for what is no session description.
        """
        if self._read_offer is None and self.answer_offer is not None:
            self._read_offer = parse_description(self.answer_offer)
        return self._read_offer

    def _answer_sdp(self) -> bytes:
        """Answer the caller's offer, or make one where the INVITE had none."""
        media = self.open_media(self.calls.codecs)
        if self.answer_offer is not None:
            return media.answer(self.read_offer() or self.answer_offer)
        self._sent_offer = True
        return media.offer()

    # ---- what signalling tells -------------------------------------------------------------------------------------

    def on_progress(self, status: int, sdp: bytes | None) -> None:
        """Our INVITE rings."""
        if self.state is LegState.NEW:
            self.state = LegState.RINGING
        if not self.rang:
            self.rang = True
            self.calls.emit(ev.LegRinging(call_id=self.call_id, leg_id=self.leg_id, status=status))
        if sdp is not None and self.media is not None:
            try:
                self.media.take(sdp)
            except NegotiationError as error:
                self.log.info("x early media: %s", error)
                sdp = None
        self._tell()

    def on_answered(self, sdp: bytes | None, *, is_offer: bool) -> None:
        """Our INVITE was accepted."""
        assert self.signal is not None
        try:
            if is_offer and sdp is not None:
                media = self.open_media(self.calls.codecs)
                self.signal.acknowledge(media.answer(sdp))
            elif sdp is not None and self.media is not None:
                self.media.take(sdp)
            elif self.media is None or self.media.agreed is None:
                raise NegotiationError("an answer without a session description")
        except PbxError as error:
            self.log.warning("x %s: %s", self.party, error)
            self.signal.hangup()
            self._ended(End("failed", error.status, "us", str(error)))
            return
        self._up()

    def another_offer(self) -> bytes | None:
        """Our offer was refused (488): what else there is to say."""
        return self.media.insist() if self.media is not None else None

    def on_failed(self, status: int, reason: str, contacts: Sequence[str]) -> None:
        if 300 <= status < 400 and contacts:
            self.moved_to = user_in(contacts[0])
        self._ended(End(failure_of(status, rang=self.rang).reason, status, "peer", reason))

    def on_acked(self, sdp: bytes | None) -> None:
        if self._acked is None or self._acked.done():
            return
        try:
            if sdp is None:
                raise NegotiationError("the ACK has no answer to our offer")
            assert self.media is not None
            self.media.take(sdp)
        except PbxError as error:
            self.log.warning("x %s", error)
            assert self.signal is not None
            self.signal.hangup()
            self._ended(End("failed", error.status, "us", str(error)))
            return
        self._acked.set_result(None)

    def on_reoffer(self, sdp: bytes | None) -> None:
        """The peer changes the session: hold, resume, another address or codec."""
        assert self.signal is not None
        was_held = self.media.held if self.media is not None else False
        try:
            media = self.open_media(self.calls.codecs)
            self.signal.answer_reoffer(media.offer() if sdp is None else media.answer(sdp))
        except PbxError as error:
            self.signal.refuse_reoffer(error.status)
            return
        if media.held != was_held:
            kind = ev.LegHeld if media.held else ev.LegResumed
            self.log.info("< %s %s", self.party, "holds" if media.held else "resumes")
            self.calls.emit(kind(call_id=self.call_id, leg_id=self.leg_id, by="peer"))
            self._tell()

    def on_reoffer_done(self, status: int, sdp: bytes | None) -> None:
        if sdp is not None and self.media is not None:
            try:
                self.media.take(sdp)
            except NegotiationError as error:
                self.log.info("x re-INVITE: %s", error)
        if self._reoffered is not None and not self._reoffered.done():
            self._reoffered.set_result(status)

    def on_request(self, request: Request, transaction: ServerTransaction) -> None:
        assert self.signal is not None
        if request.method == "REFER":
            self.calls.refer(self, request, transaction)
            return
        if request.method == "INFO" and (found := digit_of(request)) is not None:
            self.on_digit(*found, by_signalling=True)
        self.signal.respond(transaction, request, 200 if request.method in _TAKEN else 501)

    def on_ended(self, by: str, status: int, reason: str) -> None:
        if by == "us":
            cause = "lost"
        elif self.state is LegState.UP:
            cause = "answered"
        else:
            cause = "cancelled"
        self._ended(End(cause, status, by, reason))

    # ---- state -----------------------------------------------------------------------------------------------------

    def _up(self) -> None:
        self.state = LegState.UP
        self._read_offer = None  # of no use to an answered call
        self.answered_at = self.calls.now
        codec = self.media.agreed.codec.name if self.media is not None and self.media.agreed is not None else ""
        self.calls.emit(ev.LegAnswered(call_id=self.call_id, leg_id=self.leg_id, codec=codec))
        self._tell()

    def _ended(self, end: End) -> None:
        if self.state is LegState.ENDED:
            return
        self.state = LegState.ENDED
        self.end = end
        for future in (self._acked, self._reoffered):
            if future is not None and not future.done():
                future.set_exception(CallEnded(end.cause))
                future.exception()  # nobody may wait for it any more
        self.calls.leg_ended(self)
        self._tell()
        if self._scopes:
            self._scopes[-1].hang_up()

    def _tell(self) -> None:
        for tell in list(self.on_change):
            tell(self)

    def __repr__(self) -> str:
        return f"<Leg {self.leg_id} {self.party} {self.state.name}>"


__all__ = ["ELSEWHERE", "Leg", "LegState"]
