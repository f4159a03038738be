"""Keys that go on from one leg to another: beside the sound, in it, or by signalling."""

from __future__ import annotations

from abc import abstractmethod
from enum import Enum, auto
from typing import TYPE_CHECKING

from pbx.call.ears import Ears
from pbx.call.offer import MediaSide
from pbx.media.contract import MediaPort
from pbx.signaling.info import digit_request

if TYPE_CHECKING:
    from pbx.call.leg import Leg
    from pbx.signaling.contract import LegSignal

DIGIT_MS = 100


class LegState(Enum):
    NEW = auto()
    RINGING = auto()
    UP = auto()
    ENDED = auto()


class Keys(Ears):
    """The half of a leg that presses keys, for its script and for the peer that it is bridged with."""

    __slots__ = ()

    state: LegState
    media: MediaSide | None
    signal: LegSignal | None
    peer: Leg | None
    apart_from: Leg | None

    @property
    @abstractmethod
    def port(self) -> MediaPort: ...

    def send_digits(self, digits: str) -> None:
        """Press keys towards the peer, in the way that it understands."""
        if self.media is None or self.media.wishes.dtmf != "info":
            self.port.send_digits(digits)
            return
        assert self.signal is not None
        for digit in digits:
            self.signal.request("INFO", *digit_request(digit, DIGIT_MS))

    def _pass_on(self, digit: str, *, by_signalling: bool) -> None:
        """Tell a bridged peer of a key that the engine could not: it came by signalling, or has to go by it."""
        peer = self.peer
        if peer is None or peer.state is not LegState.UP or peer.media is None or self.apart_from is peer:
            return
        if self.media is not None and self.media.port.consuming:
            return
        if by_signalling or peer.media.wishes.dtmf == "info":
            peer.send_digits(digit)
