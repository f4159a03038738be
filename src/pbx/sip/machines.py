"""The four transaction machines as tables (RFC 3261 §17, with RFC 6026's Accepted states).

Each table maps (state, event) to (next state, actions). A cell that the RFC leaves out is written down as "stay, do
nothing": nothing can reach an undefined cell.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    __hash__ = object.__hash__  # the members are single, and Enum's own hash is a Python function: every step asks
    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ACCEPTED = auto()
    TERMINATED = auto()


class On(Enum):
    """What may happen to a transaction."""

    __hash__ = object.__hash__
    R1XX = auto()  # a provisional response: received by a client, sent by a server
    R2XX = auto()
    R3_6XX = auto()
    REQUEST = auto()  # the request came again (server)
    ACK = auto()
    RETRANSMIT = auto()  # timers A, E, G
    TIMEOUT = auto()  # timers B, F, H
    LINGER = auto()  # timers D, I, J, K, L, M
    ERROR = auto()  # the transport gave up


class Do(Enum):
    """What a transaction does in a step."""

    PASS = auto()  # give the response to the user
    SEND = auto()  # send the response at hand and remember it
    AGAIN = auto()  # send the last message again: a timer says so
    REPLAY = auto()  # send the last response again: the peer repeated its request
    ACK = auto()  # acknowledge a final response (17.1.1.3)
    BACK_OFF = auto()  # re-arm the retransmission timer, doubled
    GIVE_UP = auto()  # arm the time-out
    LINGER = auto()  # arm the timer that ends the transaction
    TELL_TIMEOUT = auto()
    TELL_ERROR = auto()
    STOP = auto()  # no retransmission, no time-out any more


S, D = State, Do
Table = dict[tuple[State, On], tuple[State, tuple[Do, ...]]]


def _table(states: tuple[State, ...], cells: Table) -> Table:
    """Fill every cell that is not named with "stay, do nothing"."""
    return {(s, e): cells.get((s, e), (s, ())) for s in (*states, S.TERMINATED) for e in On}


CLIENT_INVITE = _table(
    (S.CALLING, S.PROCEEDING, S.COMPLETED, S.ACCEPTED),
    {
        (S.CALLING, On.R1XX): (S.PROCEEDING, (D.STOP, D.PASS)),
        (S.CALLING, On.R2XX): (S.ACCEPTED, (D.LINGER, D.PASS)),
        (S.CALLING, On.R3_6XX): (S.COMPLETED, (D.ACK, D.LINGER, D.PASS)),
        (S.CALLING, On.RETRANSMIT): (S.CALLING, (D.AGAIN, D.BACK_OFF)),
        (S.CALLING, On.TIMEOUT): (S.TERMINATED, (D.TELL_TIMEOUT,)),
        (S.CALLING, On.ERROR): (S.TERMINATED, (D.TELL_ERROR,)),
        (S.PROCEEDING, On.R1XX): (S.PROCEEDING, (D.PASS,)),
        (S.PROCEEDING, On.R2XX): (S.ACCEPTED, (D.LINGER, D.PASS)),
        (S.PROCEEDING, On.R3_6XX): (S.COMPLETED, (D.ACK, D.LINGER, D.PASS)),
        (S.PROCEEDING, On.TIMEOUT): (S.TERMINATED, (D.TELL_TIMEOUT,)),  # after CANCEL, 9.1
        (S.PROCEEDING, On.ERROR): (S.TERMINATED, (D.TELL_ERROR,)),
        (S.COMPLETED, On.R3_6XX): (S.COMPLETED, (D.ACK,)),
        (S.COMPLETED, On.LINGER): (S.TERMINATED, ()),
        (S.COMPLETED, On.ERROR): (S.TERMINATED, ()),
        (S.ACCEPTED, On.R2XX): (S.ACCEPTED, (D.PASS,)),  # RFC 6026 7.2: each retransmission wants its ACK
        (S.ACCEPTED, On.LINGER): (S.TERMINATED, ()),
    },
)

CLIENT_OTHER = _table(
    (S.TRYING, S.PROCEEDING, S.COMPLETED),
    {
        (S.TRYING, On.R1XX): (S.PROCEEDING, (D.PASS,)),
        (S.TRYING, On.R2XX): (S.COMPLETED, (D.LINGER, D.PASS)),
        (S.TRYING, On.R3_6XX): (S.COMPLETED, (D.LINGER, D.PASS)),
        (S.TRYING, On.RETRANSMIT): (S.TRYING, (D.AGAIN, D.BACK_OFF)),
        (S.TRYING, On.TIMEOUT): (S.TERMINATED, (D.TELL_TIMEOUT,)),
        (S.TRYING, On.ERROR): (S.TERMINATED, (D.TELL_ERROR,)),
        (S.PROCEEDING, On.R1XX): (S.PROCEEDING, (D.PASS,)),
        (S.PROCEEDING, On.R2XX): (S.COMPLETED, (D.LINGER, D.PASS)),
        (S.PROCEEDING, On.R3_6XX): (S.COMPLETED, (D.LINGER, D.PASS)),
        (S.PROCEEDING, On.RETRANSMIT): (S.PROCEEDING, (D.AGAIN, D.BACK_OFF)),  # 17.1.2.2: every T2
        (S.PROCEEDING, On.TIMEOUT): (S.TERMINATED, (D.TELL_TIMEOUT,)),
        (S.PROCEEDING, On.ERROR): (S.TERMINATED, (D.TELL_ERROR,)),
        (S.COMPLETED, On.LINGER): (S.TERMINATED, ()),
    },
)

SERVER_INVITE = _table(
    (S.PROCEEDING, S.COMPLETED, S.CONFIRMED, S.ACCEPTED),
    {
        (S.PROCEEDING, On.REQUEST): (S.PROCEEDING, (D.REPLAY,)),
        (S.PROCEEDING, On.R1XX): (S.PROCEEDING, (D.SEND,)),
        (S.PROCEEDING, On.R2XX): (S.ACCEPTED, (D.SEND, D.LINGER)),
        (S.PROCEEDING, On.R3_6XX): (S.COMPLETED, (D.SEND, D.BACK_OFF, D.GIVE_UP)),
        (S.PROCEEDING, On.ERROR): (S.TERMINATED, (D.TELL_ERROR,)),
        (S.COMPLETED, On.REQUEST): (S.COMPLETED, (D.REPLAY,)),
        (S.COMPLETED, On.RETRANSMIT): (S.COMPLETED, (D.AGAIN, D.BACK_OFF)),
        (S.COMPLETED, On.ACK): (S.CONFIRMED, (D.STOP, D.LINGER)),
        (S.COMPLETED, On.TIMEOUT): (S.TERMINATED, (D.TELL_TIMEOUT,)),
        (S.COMPLETED, On.ERROR): (S.TERMINATED, (D.TELL_ERROR,)),
        (S.CONFIRMED, On.LINGER): (S.TERMINATED, ()),
        (S.ACCEPTED, On.R2XX): (S.ACCEPTED, (D.SEND,)),  # the user retransmits its 2xx (13.3.1.4)
        (S.ACCEPTED, On.LINGER): (S.TERMINATED, ()),
    },
)

SERVER_OTHER = _table(
    (S.TRYING, S.PROCEEDING, S.COMPLETED),
    {
        (S.TRYING, On.R1XX): (S.PROCEEDING, (D.SEND,)),
        (S.TRYING, On.R2XX): (S.COMPLETED, (D.SEND, D.LINGER)),
        (S.TRYING, On.R3_6XX): (S.COMPLETED, (D.SEND, D.LINGER)),
        (S.PROCEEDING, On.REQUEST): (S.PROCEEDING, (D.REPLAY,)),
        (S.PROCEEDING, On.R1XX): (S.PROCEEDING, (D.SEND,)),
        (S.PROCEEDING, On.R2XX): (S.COMPLETED, (D.SEND, D.LINGER)),
        (S.PROCEEDING, On.R3_6XX): (S.COMPLETED, (D.SEND, D.LINGER)),
        (S.PROCEEDING, On.ERROR): (S.TERMINATED, (D.TELL_ERROR,)),
        (S.COMPLETED, On.REQUEST): (S.COMPLETED, (D.REPLAY,)),
        (S.COMPLETED, On.LINGER): (S.TERMINATED, ()),
    },
)


def class_of(status: int) -> On:
    if status < 200:
        return On.R1XX
    return On.R2XX if status < 300 else On.R3_6XX
