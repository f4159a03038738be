"""Every call and leg there is: takes callers in, runs one script a call, sends calls out, tells when they end."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pbx import events as ev
from pbx.call import records, transfer
from pbx.call.contract import Emit, NamesAlone, Party, PromptSource, Refusal, Routed, Router, Targets
from pbx.call.leg import Leg, LegState
from pbx.call.offer import MediaSide, MediaWishes
from pbx.errors import CallEnded, CallFailed, MediaError, NegotiationError, PbxError
from pbx.media.contract import Coding, Media, MediaPort, Room
from pbx.sdp.negotiate import audio_of, codecs_of
from pbx.signaling.contract import Destination, Introduction, LegSignal, Signaling
from pbx.sip.headers import NameAddr
from pbx.sip.message import Flow, Request
from pbx.sip.replaces import Replaces
from pbx.sip.stack import Ids
from pbx.sip.transaction import ServerTransaction
from pbx.sip.uri import Uri
from pbx.whole import whole

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Call:
    """The legs that share a call_id, for whoever looks."""

    call_id: str
    source: str
    caller: Party
    dialled: str
    number: str
    started_wall: float
    legs: dict[str, Leg] = field(default_factory=dict)
    answered_wall: float | None = None
    task: asyncio.Task[None] | None = None
    owner: Leg | None = None  # the leg whose script the task runs


class Calls:
    """The one owner of live calls."""

    def __init__(
        self,
        signaling: Signaling,
        media: Media,
        router: Router,
        targets: Targets,
        emit: Emit,
        ids: Ids,
        wall: Callable[[], float],
        codecs: Sequence[str],
    ) -> None:
        self.targets = targets
        self.router = router
        self.emit = emit
        self.codecs = tuple(codecs)
        self.calls: dict[str, Call] = {}
        self.max_calls = 20_000
        self.is_full: Callable[[str], bool] = lambda party: False  # whether a trunk has all the calls that it may
        self.wishes: Callable[[str], MediaWishes] = lambda party: MediaWishes()  # by party
        self.name_of: Callable[[str], str] = lambda party: ""  # what phones show of a party that says no name
        self.prompts: PromptSource = NamesAlone()
        self.on_ask: Callable[[Leg, str], None] | None = None  # a prompt waits for a key: people in tests press it
        self.language = "en"  # of prompts, where a leg has none of its own
        self.transfer_returns_s = 30.0  # a blind transfer that nobody answered returns to who transferred
        self.recording_coding: Coding = "auto"
        self.draining = False
        self._signaling = signaling
        self._media = media
        self._ids = ids
        self.wall = wall
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()

    @property
    def now(self) -> float:
        return self._loop.time()

    # ---- in --------------------------------------------------------------------------------------------------------

    def invited(self, signal: LegSignal, introduction: Introduction) -> Leg:
        """Take an admitted caller in: find the script and run it."""
        if not introduction.caller_name and (name := self.name_of(introduction.source)):
            introduction = dataclasses.replace(introduction, caller_name=name)
        call_id = self.new_call_id()
        leg = Leg(
            self,
            f"{call_id}.1",
            call_id,
            "in",
            introduction.source,
            Party(introduction.caller, introduction.caller_name),
            Party(introduction.dialled),
        )
        leg.signal = signal
        leg.answer_offer = introduction.sdp
        leg.variables = {"introduction": introduction}
        call = Call(call_id, introduction.source, leg.caller, introduction.dialled, "", self.wall())
        call.legs[leg.leg_id] = leg
        self.calls[call_id] = call
        records.started(call_id, introduction, self.emit)
        records.leg_created(leg, introduction.sip_call_id, introduction.peer, self.emit)
        routed = self._route(introduction, leg)
        if routed is None:
            return leg
        leg.over_limits = routed.over_limits
        full = self.draining or len(self.calls) > self.max_calls or self.is_full(introduction.source)
        if full and not routed.over_limits:
            leg.reject(503, headers=(("Retry-After", "5"),))
            return leg
        call.number = routed.number
        self.emit(
            ev.CallRouted(
                call_id=call_id,
                context=routed.context,
                match=routed.match,
                number=routed.number,
                where=routed.where,
            )
        )
        if isinstance(introduction.replaces, Leg):
            if not transfer.replace(self, introduction.replaces, leg):
                leg.reject(481)
            return leg
        self._start(call, leg, routed)
        return leg

    def _start(self, call: Call, leg: Leg, routed: Routed) -> None:
        call.owner = leg
        call.task = self._loop.create_task(self.run_script(call, leg, routed), name=f"call {call.call_id}")

    def _route(self, introduction: Introduction, leg: Leg) -> Routed | None:
        try:
            verdict = self.router.route(introduction)
        except Exception:
            leg.log.exception("the dialplan failed")
            verdict = Refusal(500)
        if isinstance(verdict, Refusal):
            leg.log.info("x %s dialled %s: %d", introduction.source, introduction.dialled, verdict.status)
            leg.reject(verdict.status, verdict.reason)
            return None
        return verdict

    async def run_script(self, call: Call, leg: Leg, routed: Routed) -> None:
        """Run a call's script to its end; a bug in it harms nobody else."""
        status = 480
        try:
            async with leg.until_hangup():
                await routed.script(leg)
        except CallEnded:
            pass
        except CallFailed as error:
            status = error.handed_on
        except PbxError as error:
            leg.log.warning("x %s", error)
            status = error.status
        except Exception:
            leg.log.exception("the call's script failed")
            status = 500
        finally:
            # A leg that was taken away lives on in another script.
            if not leg.kept and call.owner is leg:
                if leg.state in (LegState.NEW, LegState.RINGING):
                    leg.reject(status)
                else:
                    leg.hangup()
                self.finish(call)

    def adopt(self, call: Call, leg: Leg, routed: Routed) -> None:
        """Give a leg that was taken from its script another one, once the old one has let go."""
        before = call.task

        async def run() -> None:
            if before is not None and not before.done():
                await asyncio.wait({before}, timeout=transfer.PART_S)
            leg.kept = False
            await self.run_script(call, leg, routed)

        call.owner = leg
        call.task = self._loop.create_task(run(), name=f"call {call.call_id}")

    def move(self, leg: Leg, to: Call) -> None:
        """Let a leg belong to another call: its call_id changes, its leg_id stays."""
        self.calls[leg.call_id].legs.pop(leg.leg_id, None)
        leg.call_id = to.call_id
        to.legs[leg.leg_id] = leg

    def refer(self, leg: Leg, request: Request, transaction: ServerTransaction) -> None:
        """Carry out a REFER of a leg's peer."""
        transfer.on_refer(self, leg, request, transaction)

    def leg_of_dialog(self, named: Replaces) -> Leg | None:
        """Return the leg whose dialog a Replaces names."""
        for call in self.calls.values():
            for leg in call.legs.values():
                if leg.signal is not None and leg.signal.is_dialog(named):
                    return leg
        return None

    # ---- out -------------------------------------------------------------------------------------------------------

    def ring_out(self, origin: Leg, destination: Destination, changed: Callable[[Leg], None]) -> Leg:
        """Send an INVITE on behalf of *origin*; *changed* hears of the new leg's every change."""
        call = self.calls[origin.call_id]
        leg = Leg(
            self,
            f"{call.call_id}.{len(call.legs) + 1}",
            call.call_id,
            "out",
            destination.party,
            origin.identity,
            Party(destination.uri.user),
        )
        call.legs[leg.leg_id] = leg
        leg.on_change.append(changed)
        local, advertised = self._signaling.local_for(destination)
        codecs = self._codecs_for(origin, destination)
        try:
            leg.media = self.media_side(leg, local, advertised, codecs, destination.flow)
        except MediaError as error:
            leg.log.error("x %s", error)
            records.leg_created(leg, "", str(destination.flow), self.emit)
            leg.on_failed(error.status, error.reason, ())
            return leg
        if (hops := _hops_left(origin)) != destination.max_forwards:
            destination = dataclasses.replace(destination, max_forwards=hops)
        introduced = NameAddr(Uri("sip", origin.identity.number, "invalid"), origin.identity.name)
        signal = self._signaling.call(destination, introduced, leg.media.offer(), leg)
        leg.signal = signal
        leg.log.info("> %s rings %s (%s)", origin.caller.number, destination.party, destination.flow)
        records.leg_created(leg, signal.sip_call_id, str(destination.flow), self.emit)
        return leg

    def _codecs_for(self, origin: Leg, destination: Destination) -> list[str]:
        """Our codecs, those first that spare a transcoding: what the caller agreed to, or offered."""
        ours = list(destination.codecs or self.codecs)
        if origin.media is not None and origin.media.agreed is not None:
            name = origin.media.agreed.codec.name
            return sorted(ours, key=lambda n: n != name)
        if origin.answer_offer is not None:
            try:
                offered = origin.read_offer()
                assert offered is not None
                _, audio = audio_of(offered)
            except NegotiationError:
                return ours
            named = {codec.name for codec in codecs_of(audio)}
            return sorted(ours, key=lambda n: n not in named)  # the others are transcoded
        return ours

    def room(self) -> Room:
        """Open a conference."""
        return self._media.room()

    def media_side(
        self, leg: Leg, local: str, advertised: str, codecs: Sequence[str], flow: Flow | None = None
    ) -> MediaSide:
        """Open a port for a leg, whose peer is reached by *flow*.

        :raises MediaError: where none is left.
        """
        session_id = self._ids.integer(1, 2**31 - 1)
        return MediaSide(
            self._media.open(leg, local, must=leg.over_limits, beside=self._partner_of(leg)),
            advertised,
            codecs,
            session_id,
            self.wishes(leg.party),
            peer=flow.remote[0] if flow is not None else "",
            hidden=flow is not None and flow.transport == "tls",
        )

    def _partner_of(self, leg: Leg) -> MediaPort | None:
        """Return the media of another leg of the same call, which the new one will have to do with."""
        call = self.calls.get(leg.call_id)
        for other in call.legs.values() if call is not None else ():
            if other.media is not None and other.end is None and other is not leg:
                return other.media.port
        return None

    # ---- ends ------------------------------------------------------------------------------------------------------

    def leg_ended(self, leg: Leg) -> None:
        """Record a leg's end and give its port back."""
        assert leg.end is not None
        end = leg.end
        if leg.media is not None:
            leg.media.port.close()
            records.quality(leg, self.emit)  # from its last counters
        self.emit(ev.LegEnded(call_id=leg.call_id, leg_id=leg.leg_id, cause=end.cause, status=end.status, by=end.by))
        leg.log.info("x %s ended: %s (%d, by %s)", leg.party, end.cause, end.status, end.by)
        call = self.calls.get(leg.call_id)
        if call is not None and call.task is None:
            self.finish(call)

    def finish(self, call: Call) -> None:
        """Tell of a call's end, exactly once."""
        if self.calls.pop(call.call_id, None) is None:
            return
        for leg in call.legs.values():
            leg.hangup()
        first = next(iter(call.legs.values()), None)
        if first is None:  # its legs live on in another call
            self.emit(ev.CallEnded(call_id=call.call_id, cause="answered", status=200, by="system"))
            return
        self.emit(records.end_of(call.call_id, list(call.legs.values())))
        if not self.calls:
            self._idle.set()

    async def drained(self) -> None:
        """Wait until no call is left."""
        while self.calls:
            self._idle.clear()
            await self._idle.wait()

    def end_overdue(self, longest_s: float) -> None:
        """Hang up calls that have lasted longer: a phone that was put down badly must not cost for ever."""
        for call in list(self.calls.values()):
            first = next(iter(call.legs.values()), None)
            if first is not None and self.now - first.created_at > longest_s:
                first.log.warning("x the call has lasted %d s: ended", longest_s)
                for leg in list(call.legs.values()):
                    leg.hangup("limit")

    def end_all(self, cause: str) -> None:
        """Hang up everything."""
        for call in list(self.calls.values()):
            for leg in list(call.legs.values()):
                leg.hangup(cause)
            if call.task is not None:
                call.task.cancel()

    def find(self, some_id: str) -> Call | None:
        """Return a call by call_id, leg_id or SIP Call-ID."""
        if found := self.calls.get(some_id.partition(".")[0]):
            return found
        for call in self.calls.values():
            for leg in call.legs.values():
                if leg.signal is not None and leg.signal.sip_call_id == some_id:
                    return call
        return None

    # ---- records ---------------------------------------------------------------------------------------------------

    def new_call_id(self) -> str:
        return f"{int(self.wall()):08x}-{self._ids.token(40)}"


def _hops_left(origin: Leg) -> int:
    """Max-Forwards for a call on behalf of *origin*: one less than its INVITE had."""
    introduction = origin.variables.get("introduction")
    if not isinstance(introduction, Introduction):
        return 70
    given = whole((introduction.headers.get("Max-Forwards") or ["70"])[0])
    return max(0, given - 1) if given is not None else 70
