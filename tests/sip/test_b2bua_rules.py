"""The rules of a back-to-back user agent, each by name, on the lossy wire and in virtual time."""

from __future__ import annotations

import pytest

from pbx.errors import LocalProtocolError
from pbx.sip.dialog import Dialog, dialog_as_client
from pbx.sip.headers import parse_address
from pbx.sip.message import Flow, Request
from pbx.sip.outputs import Acked, Answered, Ended, Failed, InDialog, Invited, Output, Progress, Reoffer, ReofferDone
from pbx.sip.uri import parse_uri
from tests.fakes.wire import A, B, Wire
from tests.sip.calls import (
    EMPTY,
    SDP,
    answer_by_hand,
    answering,
    established,
    hand,
    invite,
    last_request,
    last_response,
)


def kinds(outputs: list[Output]) -> list[type]:
    return [type(output) for output in outputs]


def test_two_forks_ring_and_each_has_its_early_dialog() -> None:
    wire = Wire()
    invite(wire)
    wire.pump()
    for tag in ("one", "two"):
        answer_by_hand(wire, 180, tag)
    assert kinds(wire.a.outputs) == [Progress, Progress]
    assert wire.a.stack.sizes["dialogs"] == 2


def test_a_second_2xx_of_a_fork_is_acknowledged_and_ended() -> None:
    wire = Wire()
    session = invite(wire)
    wire.pump()
    answer_by_hand(wire, 200, "one", body=SDP)
    answer_by_hand(wire, 200, "two", body=SDP)
    assert kinds(wire.a.outputs) == [Answered]
    assert len(wire.messages("a", b"ACK")) == 2
    bye = last_request(wire, "a", "BYE")
    assert bye.to.tag == "two"
    assert bye.get("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    assert session.is_up


def test_a_repeated_2xx_after_a_second_fork_gets_its_own_ack_again() -> None:
    wire = Wire()
    session = invite(wire)
    wire.pump()
    for tag in ("one", "two", "one", "two"):
        answer_by_hand(wire, 200, tag, body=SDP)
    assert [m.to.tag for m in map(_request, wire.messages("a", b"ACK"))] == ["one", "two", "one", "two"]
    assert len(wire.messages("a", b"BYE")) == 1
    assert session.is_up


def _request(data: bytes):  # type: ignore[no-untyped-def]
    from pbx.sip.parser import parse_message

    return parse_message(data)


def test_the_fork_that_answers_wins_over_the_one_that_rang() -> None:
    wire = Wire()
    session = invite(wire)
    wire.pump()
    answer_by_hand(wire, 180, "one")
    answer_by_hand(wire, 200, "two", body=SDP)
    assert session.dialog is not None
    assert session.dialog.remote.tag == "two"
    assert wire.a.stack.sizes["dialogs"] == 1


def test_an_offerless_invite_is_answered_with_an_offer_and_the_ack_carries_the_answer() -> None:
    wire = Wire()
    answering(wire)
    session = invite(wire, sdp=b"")
    wire.run(1.0)
    assert kinds(wire.a.outputs) == [Progress, Answered]
    assert wire.messages("a", b"ACK") == []
    session.acknowledge(wire.now, SDP)
    wire.run(2.0)
    (acked,) = [o for o in wire.b.outputs if isinstance(o, Acked)]
    assert acked.sdp == SDP


def test_glare_is_491_and_the_owner_of_the_call_id_waits_longer() -> None:
    wire = Wire()
    one, other = established(wire)
    one.reoffer(wire.now, SDP)
    other.reoffer(wire.now, SDP)
    start = wire.now
    answered: list[float] = []

    def accept(output: Output, now: float) -> None:
        if isinstance(output, Reoffer):
            output.session.change.answer(now, SDP)
            answered.append(now - start)

    wire.a.on_output = wire.b.on_output = accept
    wire.run(start + 10)
    assert len(wire.messages("a", b"SIP/2.0 491")) == 1
    assert len(wire.messages("b", b"SIP/2.0 491")) == 1
    assert len(answered) == 2
    assert answered[0] < 2.1 < answered[1]  # 14.1: 0–2 s for the called side, 2.1–4 s for who owns the Call-ID
    assert kinds(wire.a.outputs)[-1] is ReofferDone or ReofferDone in kinds(wire.a.outputs)


def test_a_failed_re_invite_keeps_the_session() -> None:
    wire = Wire()
    one, other = established(wire)

    def refuse(output: Output, now: float) -> None:
        if isinstance(output, Reoffer):
            output.session.change.refuse(now, 488)

    wire.b.on_output = refuse
    one.reoffer(wire.now, SDP)
    wire.run(wire.now + 2)
    assert wire.a.outputs[-1] == ReofferDone(one, 488, None)
    assert one.is_up
    assert other.is_up


@pytest.mark.parametrize("status", [408, 481])
def test_408_and_481_inside_a_dialog_end_it(status: int) -> None:
    wire = Wire()
    one, _ = established(wire)

    def refuse(output: Output, now: float) -> None:
        if isinstance(output, Reoffer):
            output.session.change.refuse(now, status)

    wire.b.on_output = refuse
    one.reoffer(wire.now, SDP)
    wire.run(wire.now + 2)
    ended = wire.a.outputs[-1]
    assert isinstance(ended, Ended)
    assert (ended.by, ended.status) == ("us", status)


def test_481_to_an_info_ends_the_dialog() -> None:
    wire = Wire()
    one, other = established(wire)
    wire.b.stack.remove_dialog(other.dialog)  # type: ignore[arg-type]
    assert one.dialog is not None
    wire.a.stack.request(one.dialog.request("INFO"), one.flow, wire.now, None, None, one.dialog)
    wire.run(wire.now + 2)
    assert isinstance(wire.a.outputs[-1], Ended)


def test_cseq_grows_by_one_and_every_request_has_a_branch_of_its_own() -> None:
    wire = Wire()
    one, _ = established(wire)
    assert one.dialog is not None
    for _ in range(3):
        wire.a.stack.request(one.dialog.request("INFO"), one.flow, wire.now, None, None, one.dialog)
    one.bye(wire.now)
    wire.run(wire.now + 1)
    once = dict.fromkeys(d for _, who, d in wire.sent if who == "a" and not d.startswith(b"SIP"))
    sent = [_request(data) for data in once]
    assert [m.cseq.number for m in sent] == [1, 1, 2, 3, 4, 5]  # INVITE and its ACK share theirs
    branches = [m.via.branch for m in sent]
    assert len(set(branches)) == len(branches)


def test_a_cseq_that_went_backwards_is_500() -> None:
    wire = Wire()
    one, _ = established(wire)
    assert one.dialog is not None
    one.dialog.local_seq = 5
    wire.a.stack.request(one.dialog.request("INFO"), one.flow, wire.now, None)
    wire.run(wire.now + 1)
    wire.a.stack.request(one.dialog.request("INFO", cseq=3), one.flow, wire.now, None)
    wire.run(wire.now + 1)
    assert len(wire.messages("b", b"SIP/2.0 500")) == 1


def test_an_authenticated_invite_has_the_next_cseq_and_another_branch() -> None:
    wire = Wire()
    session = invite(wire)
    session.credentials = ("", "u", "p")
    wire.pump()
    answer_by_hand(wire, 401, "x", WWW_Authenticate='Digest realm="r", nonce="n", algorithm=MD5, qop="auth"')
    first, second = (_request(d) for d in wire.messages("a", b"INVITE"))
    assert (first.cseq.number, second.cseq.number) == (1, 2)
    assert first.via.branch != second.via.branch
    assert "Authorization" in second.headers
    answer_by_hand(wire, 200, "y", body=SDP)
    assert last_request(wire, "a", "ACK").cseq.number == 2
    assert "Authorization" in last_request(wire, "a", "ACK").headers


def test_a_challenge_of_a_foreign_realm_is_never_answered() -> None:
    wire = Wire()
    session = invite(wire)
    session.credentials = ("carrier", "u", "p")
    wire.pump()
    answer_by_hand(wire, 407, "x", Proxy_Authenticate='Digest realm="thief", nonce="n", algorithm=MD5')
    assert len(wire.messages("a", b"INVITE")) == 1
    assert isinstance(wire.a.outputs[-1], Failed)


def test_record_route_is_reversed_for_the_caller_and_kept_for_the_called() -> None:
    wire = Wire()
    session = invite(wire)
    wire.pump()
    answer_by_hand(wire, 200, "x", body=SDP, Record_Route="<sip:p2.example;lr>, <sip:p1.example;lr>")
    assert session.dialog is not None
    assert session.dialog.route_set == ("<sip:p1.example;lr>", "<sip:p2.example;lr>")
    assert last_request(wire, "a", "ACK").values("Route") == ["<sip:p1.example;lr>", "<sip:p2.example;lr>"]
    other = Wire()
    found = answering(other)
    invite(other, Record_Route="<sip:p1.example;lr>, <sip:p2.example;lr>")
    other.run(1.0)
    assert found[0].dialog is not None
    assert found[0].dialog.route_set == ("<sip:p1.example;lr>", "<sip:p2.example;lr>")


def dialog(route_set: tuple[str, ...], *, direct: bool = True) -> Dialog:
    return Dialog(
        call_id="c",
        local=parse_address("<sip:a@example.com>;tag=1"),
        remote=parse_address("<sip:b@example.com>;tag=2"),
        local_seq=1,
        remote_seq=None,
        route_set=route_set,
        remote_target=parse_uri("sip:b@192.0.2.77:5090"),
        flow=Flow("udp", A, B),
        direct=direct,
    )


def test_a_strict_router_gets_itself_in_the_request_uri_and_the_target_last() -> None:
    request = dialog(("<sip:192.0.2.50:5070>", "<sip:p2.example;lr>")).request("BYE")
    assert request.uri_text == "sip:192.0.2.50:5070"
    assert request.values("Route") == ["<sip:p2.example;lr>", "<sip:b@192.0.2.77:5090>"]


def test_a_loose_router_in_capitals_is_a_loose_router() -> None:
    assert dialog(("<sip:192.0.2.50;LR>",)).request("BYE").uri_text == "sip:b@192.0.2.77:5090"


def test_the_contact_is_followed_where_no_nat_stands_in_between() -> None:
    wire = Wire()
    assert wire.a.stack.flow_for(dialog(())).remote == ("192.0.2.77", 5090)
    assert wire.a.stack.flow_for(dialog(("<sip:192.0.2.50:5070;lr>",))).remote == ("192.0.2.50", 5070)


def test_a_phone_behind_nat_is_reached_by_its_flow_whatever_its_contact_says() -> None:
    assert Wire().a.stack.flow_for(dialog((), direct=False)).remote == B


def test_a_proxy_that_is_a_name_is_reached_by_the_flow() -> None:
    assert Wire().a.stack.flow_for(dialog(("<sip:proxy.example;lr>",))).remote == B


def test_a_phone_that_its_nat_gave_another_port_is_followed() -> None:
    wire = Wire()
    one, other = established(wire)
    assert one.dialog is not None
    info = one.dialog.request("INFO")
    wire.a.stack.stamp(info, one.flow)
    wire.b.stack.receive(info.to_bytes(), Flow("udp", B, (A[0], 40_000)), wire.now)
    assert other.dialog is not None
    assert other.dialog.flow.remote == (A[0], 40_000)


def test_peers_without_tags_are_known_by_the_rest() -> None:
    wire = Wire()
    found = answering(wire)
    request = wire.a
    session = invite(wire, From="<sip:old@192.0.2.1>")
    wire.run(1.0)
    assert found[0].is_up
    session.bye(wire.now)
    wire.run(2.0)
    assert isinstance(wire.b.outputs[-1], Ended)
    assert request.stack.sizes["dialogs"] == 0


def test_no_hops_left_is_483_and_no_call() -> None:
    wire = Wire()
    invite(wire, Max_Forwards="0")
    wire.run(1.0)
    assert wire.b.outputs == []
    failed = wire.a.outputs[-1]
    assert isinstance(failed, Failed)
    assert failed.status == 483


def test_the_2xx_is_repeated_over_tcp_too_until_its_ack() -> None:
    wire = Wire(transport="tcp")
    answering(wire)
    wire.drop_next(lambda data: data.startswith(b"ACK"), times=2)
    invite(wire)
    wire.run(5.0)
    assert len(wire.messages("b", b"SIP/2.0 200")) == 3
    assert Acked in kinds(wire.b.outputs)


def test_a_re_invite_while_one_waits_is_500_with_a_time_to_retry() -> None:
    wire = Wire()
    one, _ = established(wire)
    one.reoffer(wire.now, SDP)
    wire.run(wire.now + 0.1)
    assert one.dialog is not None
    again = one.dialog.request("INVITE")
    again.headers["Contact"] = ["<sip:a@192.0.2.1>"]
    again.body, again.headers["Content-Type"] = SDP, ["application/sdp"]
    wire.a.stack.stamp(again, one.flow)
    hand(wire, wire.b, again.to_bytes())
    assert "Retry-After" in last_response(wire, "b", 500).headers


def test_a_re_invite_before_our_answer_is_refused_and_the_call_goes_on() -> None:
    wire = Wire()
    session = invite(wire)
    wire.run(0.1)
    with pytest.raises(LocalProtocolError):
        session.reoffer(wire.now, SDP)


def test_a_cancelled_re_invite_is_487_and_the_session_stays() -> None:
    wire = Wire()
    one, other = established(wire)
    one.reoffer(wire.now, SDP)
    wire.run(wire.now + 0.1)
    cancel = last_request(wire, "a", "INVITE")
    cancel.method = "CANCEL"
    cancel.body = b""
    cancel.replace("CSeq", f"{cancel.cseq.number} CANCEL")
    hand(wire, wire.b, cancel.to_bytes())
    wire.run(wire.now + 1)
    assert len(wire.messages("b", b"SIP/2.0 487")) == 1
    assert other.is_up


def test_requests_inside_the_dialog_reach_the_room_above() -> None:
    wire = Wire()
    one, _ = established(wire)
    assert one.dialog is not None
    wire.a.stack.request(one.dialog.request("INFO"), one.flow, wire.now, None, None, one.dialog)
    wire.run(wire.now + 0.1)
    assert isinstance(wire.b.outputs[-1], InDialog)


def test_a_broken_connection_makes_the_dialog_follow_its_contact() -> None:
    wire = Wire(transport="tcp")
    _, other = established(wire)
    assert other.dialog is not None
    other.dialog.remote_target = parse_uri("sip:a@192.0.2.1:5099;transport=tcp")
    other.dialog.direct = False
    wire.b.stack.flow_failed(other.dialog.flow, wire.now)
    assert wire.b.stack.flow_for(other.dialog).remote == ("192.0.2.1", 5099)


def test_a_contact_of_a_re_invite_is_the_new_target() -> None:
    wire = Wire()
    one, other = established(wire)
    assert one.dialog is not None
    moved = one.dialog.request("UPDATE")
    moved.headers["Contact"] = ["<sip:moved@192.0.2.1:5071>"]
    wire.a.stack.request(moved, one.flow, wire.now, None, None, one.dialog)
    wire.run(wire.now + 0.5)
    assert other.dialog is not None
    assert str(other.dialog.remote_target) == "sip:moved@192.0.2.1:5071"


def test_everything_is_forgotten_64_t1_after_the_end() -> None:
    wire = Wire()
    one, _ = established(wire)
    one.bye(wire.now)
    wire.run(wire.now + 33)
    assert wire.a.stack.sizes == wire.b.stack.sizes == EMPTY


def test_an_early_dialog_that_its_caller_ends_by_bye_is_a_cancelled_call() -> None:
    wire = Wire()
    found: list[Invited] = []

    def ring(output: Output, now: float) -> None:
        if isinstance(output, Invited):
            found.append(output)
            output.session.ring(now)

    wire.b.on_output = ring
    session = invite(wire)
    wire.run(0.5)
    assert session.dialog is not None
    wire.a.stack.send_bye(session.dialog, wire.now)
    wire.run(1.0)
    assert len(wire.messages("b", b"SIP/2.0 487")) == 1


def test_a_client_dialog_without_a_contact_falls_back_to_the_target() -> None:
    wire = Wire()
    session = invite(wire)
    wire.pump()
    answer_by_hand(wire, 180, "x")
    response = last_request(wire, "a", "INVITE")
    assert session.dialog is not None
    made = dialog_as_client(session.request, _without_contact(session), Flow("udp", A, B))
    assert made.remote_target == response.uri


def _without_contact(session):  # type: ignore[no-untyped-def]
    from pbx.sip.message import response_to

    return response_to(session.request, 200, to_tag="y")


def test_a_call_that_is_up_keeps_nothing_of_its_invite_but_what_names_it() -> None:
    wire = Wire()
    caller, callee = established(wire)
    wire.run(wire.now + 40)
    assert callee.server is None
    assert caller.client is not None
    assert caller.client.request.method == "NONE"
    assert set(caller.request.headers) == set(callee.request.headers) == {"From", "To", "Call-ID", "CSeq"}
    assert caller.is_up
    assert callee.is_up
    callee.bye(wire.now)
    wire.run(wire.now + 1)
    assert kinds(wire.a.outputs)[-1] is Ended


def test_an_invite_that_is_never_answered_ends_with_its_session() -> None:
    """A peer that rings and says BYE, or takes a re-INVITE with 100 alone, leaves nothing behind after 64 T1."""
    wire = Wire()
    wire.b.on_output = lambda output, now: None
    invite(wire)
    wire.pump()
    answer_by_hand(wire, 180, "x")
    asked = last_request(wire, "a", "INVITE")
    bye = Request("BYE", "sip:1001@192.0.2.1:5060")
    bye.headers = {
        "Via": ["SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKbye"],
        "From": [f"{asked.headers['To'][0]};tag=x"],
        "To": asked.headers["From"],
        "Call-ID": asked.headers["Call-ID"],
        "CSeq": ["1 BYE"],
    }
    hand(wire, wire.a, bye.to_bytes())
    assert kinds(wire.a.outputs)[-1] is Failed
    wire.run(wire.now + 65)
    assert wire.a.stack.sizes == EMPTY

    wire = Wire()
    caller, _ = established(wire)
    wire.b.on_output = lambda output, now: None  # it says 100, and no more
    caller.reoffer(wire.now, SDP)
    wire.run(wire.now + 2)
    wire.drop_next(lambda data: True, 100)
    caller.bye(wire.now)
    wire.run(wire.now + 65)
    assert wire.a.stack.sizes == EMPTY
