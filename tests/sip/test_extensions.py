"""UPDATE, PRACK, session timers, Replaces: what comes after RFC 3261."""

from __future__ import annotations

import pytest

from pbx.errors import ParseError
from pbx.sip.invite import Session
from pbx.sip.outputs import Answered, Ended, Invited, Output, Progress, Reoffer, ReofferDone
from pbx.sip.replaces import Replaces, parse_replaces, parse_target_dialog, replaces_in_uri
from tests.fakes.wire import Wire
from tests.sip.calls import EMPTY, SDP, answering, established, hand, invite, last_request, last_response


def ringing(wire: Wire, *, sdp: bytes | None = SDP, accept: bool = True) -> list[Session]:
    """Let b ring with early media, and answer in the same breath."""
    found: list[Session] = []

    def on_output(output: Output, now: float) -> None:
        if isinstance(output, Invited):
            found.append(output.session)
            output.session.ring(now, status=183, sdp=sdp)
            if accept:
                output.session.accept(now, SDP)

    wire.b.on_output = on_output
    return found


def test_an_answer_in_a_provisional_response_is_sent_reliably_and_acknowledged() -> None:
    wire = Wire()
    ringing(wire, accept=False)
    invite(wire)
    wire.run(10.0)
    assert len(wire.messages("b", b"SIP/2.0 183")) == 1
    assert last_response(wire, "b", 183).tokens("Require") == {"100rel"}
    prack = last_request(wire, "a", "PRACK")
    assert prack.get("RAck") == f"{last_response(wire, 'b', 183).get('RSeq')} 1 INVITE"
    assert len(wire.messages("b", b"SIP/2.0 200")) == 1


def test_a_2xx_waits_until_the_early_answer_is_acknowledged() -> None:
    wire = Wire()
    ringing(wire)
    wire.drop_next(lambda data: data.startswith(b"PRACK"), times=2)
    session = invite(wire)
    wire.run(10.0)
    assert session.is_up
    order = [d.split(b"\r\n")[0] for _, who, d in wire.sent if who == "b" and b" 100 " not in d[:16]]
    assert order[0].startswith(b"SIP/2.0 183")
    answers = [d for _, who, d in wire.sent if who == "b" and d.startswith(b"SIP/2.0 200")]
    assert b"PRACK" in answers[0]
    assert [type(o) for o in wire.a.outputs] == [Progress, Answered]


def test_a_reliable_response_is_repeated_and_given_up_with_504() -> None:
    wire = Wire()
    ringing(wire, accept=False)
    wire.drop_next(lambda data: data.startswith(b"PRACK"), times=1000)
    invite(wire)
    wire.run(40.0)
    assert len(wire.messages("b", b"SIP/2.0 183")) == 7
    assert len(wire.messages("b", b"SIP/2.0 504")) == 1
    ended = wire.b.outputs[-1]
    assert isinstance(ended, Ended)
    assert ended.status == 504


def test_a_prack_that_fits_nothing_is_481() -> None:
    wire = Wire()
    ringing(wire, accept=False)
    session = invite(wire)
    wire.run(0.5)
    assert session.dialog is not None
    wrong = session.dialog.request("PRACK")
    wrong.headers["RAck"] = ["1 1 INVITE"]
    wire.a.stack.request(wrong, session.flow, wire.now, None)
    wire.run(1.0)
    assert b"PRACK" in wire.messages("b", b"SIP/2.0 481")[0]


def test_a_caller_that_requires_100rel_gets_every_ringing_reliably() -> None:
    wire = Wire()
    ringing(wire, sdp=None, accept=False)
    invite(wire, Require="100rel")
    wire.run(1.0)
    assert "RSeq" in last_response(wire, "b", 183).headers


def test_update_changes_an_established_session() -> None:
    wire = Wire()
    one, _ = established(wire)

    def accept(output: Output, now: float) -> None:
        if isinstance(output, Reoffer):
            output.session.change.answer(now, SDP)

    wire.b.on_output = accept
    one.change.offer(wire.now, SDP, method="UPDATE")
    wire.run(wire.now + 1)
    assert wire.a.outputs[-1] == ReofferDone(one, 200, SDP)
    assert len(wire.messages("a", b"ACK")) == 1  # none for the UPDATE


def test_an_update_that_meets_ours_is_491() -> None:
    wire = Wire()
    one, other = established(wire)
    one.change.offer(wire.now, SDP, method="UPDATE")
    other.change.offer(wire.now, SDP, method="UPDATE")
    wire.run(wire.now + 0.1)
    assert len(wire.messages("a", b"SIP/2.0 491")) == 1
    assert len(wire.messages("b", b"SIP/2.0 491")) == 1


def test_an_update_without_a_description_is_answered_at_once() -> None:
    wire = Wire()
    one, _ = established(wire)
    one.change.offer(wire.now, None, method="UPDATE")
    wire.run(wire.now + 1)
    assert not any(isinstance(o, Reoffer) for o in wire.b.outputs)
    assert wire.a.outputs[-1] == ReofferDone(one, 200, None)


def accept_changes(wire: Wire) -> None:
    def accept(output: Output, now: float) -> None:
        if isinstance(output, Reoffer):
            output.session.change.answer(now, SDP)

    wire.a.on_output = wire.b.on_output = accept


@pytest.mark.parametrize(("refresher", "who"), [("uac", "a"), ("uas", "b")])
def test_the_refresher_refreshes_at_half_the_interval(refresher: str, who: str) -> None:
    wire = Wire()
    one, other = established(wire, Session_Expires=f"200;refresher={refresher}")
    accept_changes(wire)
    wire.run(wire.now + 1000)
    assert one.is_up
    assert other.is_up
    refreshes = len(wire.messages(who, b"INVITE")) - (who == "a")
    assert 9 <= refreshes <= 10
    assert not any(isinstance(o, ReofferDone) for o in wire.a.outputs + wire.b.outputs)


def test_a_session_that_nobody_refreshes_is_ended_near_the_end_of_its_interval() -> None:
    wire = Wire()
    one, other = established(wire, Session_Expires="200;refresher=uac")
    assert one.clock is not None
    one.clock.stop()
    wire.run(wire.now + 200)
    assert not other.is_up
    ended = wire.b.outputs[-1]
    assert isinstance(ended, Ended)
    assert (ended.by, ended.status) == ("us", 408)


def test_422_is_answered_by_a_longer_interval() -> None:
    wire = Wire()
    answering(wire)
    session = invite(wire, Session_Expires="60", Supported="timer")
    wire.run(2.0)
    assert last_response(wire, "b", 422).get("Min-SE") == "90"
    again = last_request(wire, "a", "INVITE")
    assert (again.get("Session-Expires"), again.get("Min-SE"), again.cseq.number) == ("90", "90", 2)
    assert session.is_up


def test_a_peer_without_the_extension_has_no_session_timer() -> None:
    wire = Wire()
    one, other = established(wire, Supported="replaces")
    assert one.clock is None
    assert other.clock is None


def test_a_day_of_refreshes_leaves_nothing_behind_and_does_not_drift() -> None:
    wire = Wire(delay_s=0.001)
    one, other = established(wire, Session_Expires="1800;refresher=uac")
    accept_changes(wire)
    wire.run(86_400)
    assert one.is_up
    assert 95 <= len(wire.messages("a", b"INVITE")) - 1 <= 96
    assert wire.a.stack.sizes["clients"] == wire.b.stack.sizes["servers"] == 0
    other.bye(wire.now)
    wire.run(wire.now + 40)
    assert wire.a.stack.sizes == wire.b.stack.sizes == EMPTY


def test_an_invite_that_replaces_a_session_names_it() -> None:
    wire = Wire()
    one, other = established(wire)
    assert one.dialog is not None
    named = Replaces(one.dialog.call_id, one.dialog.remote.tag, one.dialog.local.tag)
    found: list[Session] = []
    wire.b.on_output = lambda o, now: found.append(o.session) if isinstance(o, Invited) else None
    invite(wire, Call_ID="call-2", Replaces=str(named), Require="replaces")
    wire.run(wire.now + 0.5)
    assert found[0].replaces is other


@pytest.mark.parametrize(
    ("value", "status"),
    [("nobody;to-tag=1;from-tag=2", 481), ("broken", 400)],
)
def test_an_invite_that_replaces_nothing_is_refused(value: str, status: int) -> None:
    wire = Wire()
    invite(wire, Replaces=value)
    wire.run(0.5)
    assert len(wire.messages("b", f"SIP/2.0 {status}".encode())) == 1


def test_early_only_does_not_take_an_answered_call() -> None:
    wire = Wire()
    one, _ = established(wire)
    assert one.dialog is not None
    named = Replaces(one.dialog.call_id, one.dialog.remote.tag, one.dialog.local.tag, early_only=True)
    invite(wire, Call_ID="call-2", Replaces=str(named))
    wire.run(wire.now + 0.5)
    assert len(wire.messages("b", b"SIP/2.0 486")) == 1


def test_an_early_dialog_that_we_opened_can_be_taken_over() -> None:
    wire = Wire()
    ringing(wire, sdp=None, accept=False)
    one = invite(wire)
    wire.run(0.5)
    assert one.dialog is not None
    named = Replaces(one.dialog.call_id, one.dialog.local.tag, one.dialog.remote.tag)
    from pbx.sip.message import Request

    request = Request("INVITE", "sip:1001@192.0.2.1")
    request.headers = {
        "From": ["<sip:1003@192.0.2.2>;tag=p"],
        "To": ["<sip:1001@example.com>"],
        "Call-ID": ["pickup"],
        "CSeq": ["1 INVITE"],
        "Replaces": [str(named)],
        "Content-Type": ["application/sdp"],
    }
    request.body = SDP
    wire.b.stack.invite(request, wire.b.flow_to(wire.a), wire.now)
    wire.run(1.0)
    invited = wire.a.outputs[-1]
    assert isinstance(invited, Invited)
    assert invited.session.replaces is one


def test_naming_a_dialog() -> None:
    assert parse_replaces("c@h;from-tag=2;to-tag=1;early-only") == Replaces("c@h", "1", "2", True)
    assert parse_replaces(str(Replaces("c", "1", "2"))) == Replaces("c", "1", "2")
    assert parse_target_dialog("c;local-tag=l;remote-tag=r") == Replaces("c", "r", "l")
    assert replaces_in_uri("Replaces=c%40h%3Bto-tag%3D1%3Bfrom-tag%3D2&x=y") == Replaces("c@h", "1", "2")
    assert replaces_in_uri("Subject=hello") is None
    with pytest.raises(ParseError):
        parse_replaces("c;to-tag=1")


def test_a_repeated_reliable_response_is_told_once() -> None:
    wire = Wire()
    ringing(wire, accept=False)
    wire.drop_next(lambda data: data.startswith(b"PRACK"), times=1)
    invite(wire)
    wire.run(5.0)
    hand(wire, wire.a, wire.messages("b", b"SIP/2.0 183")[0])
    assert [type(o) for o in wire.a.outputs] == [Progress]
