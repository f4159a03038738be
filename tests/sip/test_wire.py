"""Two stacks on a lossy wire: calls complete, nothing is left behind."""

from __future__ import annotations

import pytest

from pbx.sip.invite import Session
from pbx.sip.message import Request
from pbx.sip.outputs import Acked, Answered, Cancelled, Ended, Failed, Invited, Output, Progress
from tests.fakes.wire import Peer, Wire


def invite_from(peer: Peer, other: Peer, now: float, call: int = 1) -> Session:
    request = Request("INVITE", f"sip:1002@{other.address[0]}")
    request.headers = {
        "Via": [],
        "Max-Forwards": ["70"],
        "From": [f"<sip:1001@{peer.address[0]}>;tag=t{call}"],
        "To": ["<sip:1002@example.com>"],
        "Call-ID": [f"call-{call}"],
        "CSeq": ["1 INVITE"],
        "Content-Type": ["application/sdp"],
    }
    request.body = b"v=0\r\n"
    return peer.stack.invite(request, peer.flow_to(other), now)


def answering(wire: Wire, after_s: float = 0.0) -> None:
    """Let b ring and answer."""

    def on_output(output: Output, now: float) -> None:
        if isinstance(output, Invited):
            output.session.ring(now)
            output.session.accept(now, b"v=0\r\n")

    wire.b.on_output = on_output


def kinds(peer: Peer) -> list[type]:
    return [type(output) for output in peer.outputs]


def test_a_call_is_set_up_and_torn_down() -> None:
    wire = Wire()
    answering(wire)
    session = invite_from(wire.a, wire.b, 0.0)
    wire.run(1.0)
    assert kinds(wire.a) == [Progress, Answered]
    assert kinds(wire.b) == [Invited, Acked]
    session.bye(wire.now)
    wire.run(2.0)
    assert kinds(wire.b) == [Invited, Acked, Ended]
    wire.run(100.0)
    for peer in (wire.a, wire.b):
        assert peer.stack.sizes == {"clients": 0, "servers": 0, "dialogs": 0, "timers": 0, "merged": 0}
    assert wire.a.stack.counters.retransmitted == 0
    assert len(wire.messages("b", b"SIP/2.0 200")) == 2


@pytest.mark.parametrize(("loss", "least"), [(0.01, 1.0), (0.05, 1.0), (0.10, 0.995), (0.30, 0.90)])
def test_calls_complete_over_a_lossy_wire(loss: float, least: float) -> None:
    count, completed = 200, 0
    for seed in range(count):
        wire = Wire(loss=loss, seed=seed)
        answering(wire)
        session = invite_from(wire.a, wire.b, 0.0)
        wire.run(40.0)
        completed += Answered in kinds(wire.a) and Acked in kinds(wire.b)
        session.bye(wire.now) if session.dialog is not None and Answered in kinds(wire.a) else None
        wire.run(200.0)
        for peer in (wire.a, wire.b):
            assert peer.stack.sizes == {"clients": 0, "servers": 0, "dialogs": 0, "timers": 0, "merged": 0}, seed
    assert completed >= least * count


def test_cancel_waits_for_a_provisional_response() -> None:
    wire = Wire()
    wire.drop_next(lambda data: data.startswith(b"SIP/2.0 100"), times=1)
    session = invite_from(wire.a, wire.b, 0.0)
    session.cancel(0.0)
    wire.pump()
    assert wire.messages("a", b"CANCEL") == []
    wire.run(5.0)
    assert len(wire.messages("a", b"CANCEL")) == 1
    assert kinds(wire.b) == [Invited, Cancelled]
    assert kinds(wire.a) == [Failed]


def test_an_answer_that_crosses_a_cancel_is_acknowledged_and_ended() -> None:
    wire = Wire()

    def on_output(output: Output, now: float) -> None:
        if isinstance(output, Invited):
            output.session.ring(now)
            output.session.accept(now, b"v=0\r\n")
            wire.a_session.cancel(now)  # type: ignore[attr-defined]

    wire.b.on_output = on_output
    wire.a_session = invite_from(wire.a, wire.b, 0.0)  # type: ignore[attr-defined]
    wire.run(10.0)
    assert kinds(wire.a)[-1] is Failed
    assert kinds(wire.b)[-1] is Ended
    assert len(wire.messages("a", b"BYE")) == 1


def test_a_2xx_is_repeated_until_the_ack_comes_and_given_up_with_a_bye() -> None:
    wire = Wire()
    answering(wire)
    wire.drop_next(lambda data: data.startswith(b"ACK"), times=100)
    invite_from(wire.a, wire.b, 0.0)
    wire.run(40.0)
    assert len(wire.messages("b", b"SIP/2.0 200")) > 8
    assert len(wire.messages("b", b"BYE")) == 1
    assert kinds(wire.b)[-1] is Ended


def test_nobody_there_is_a_408_after_64_t1() -> None:
    wire = Wire(loss=1.0)
    invite_from(wire.a, wire.b, 0.0)
    wire.run(31.9)
    assert wire.a.outputs == []
    wire.run(32.1)
    (failed,) = wire.a.outputs
    assert isinstance(failed, Failed)
    assert failed.status == 408
    assert len(wire.messages("a", b"INVITE")) == 7
