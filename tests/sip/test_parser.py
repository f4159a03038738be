"""Parsing and writing are inverse; framing follows any cut; mutants break nothing."""

from __future__ import annotations

import contextlib
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.errors import ParseError
from pbx.sip.framing import KEEP_ALIVE, FramingLost, StreamFramer
from pbx.sip.headers import NameAddr, Via, parse_address, parse_via, quote, split_list, unquote
from pbx.sip.message import Flow, Request, Response
from pbx.sip.parser import parse_message
from pbx.sip.uri import Uri, parse_uri
from tests.fakes.wire import A, B, Peer
from tests.sip.test_torture import message

TOKEN = st.text(string.ascii_letters + string.digits + "-.!%*_+`'~", min_size=1, max_size=12)
WORD = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
HOST = st.one_of(st.just("192.0.2.7"), st.just("2001:db8::1"), WORD.map(lambda w: f"{w}.example"))
PORT = st.none() | st.integers(1, 65535)
PARAMS = st.lists(st.tuples(WORD, st.none() | WORD), max_size=3, unique_by=lambda p: p[0]).map(tuple)
URI = st.builds(
    Uri,
    scheme=st.sampled_from(["sip", "sips"]),
    user=st.text(min_size=1, max_size=12).filter(lambda t: t.isprintable()),
    host=HOST,
    port=PORT,
    params=PARAMS,
)
NAME = st.text(max_size=20).filter(lambda t: t.isprintable())


@given(URI)
def test_a_uri_survives_writing_and_parsing(uri: Uri) -> None:
    assert parse_uri(str(uri)) == uri


@given(st.builds(NameAddr, uri=URI, name=NAME, params=PARAMS))
def test_an_address_survives_writing_and_parsing(address: NameAddr) -> None:
    assert parse_address(str(address)) == address


@given(st.builds(Via, transport=st.sampled_from(["UDP", "TCP", "TLS"]), host=HOST, port=PORT, params=PARAMS))
def test_a_via_survives_writing_and_parsing(via: Via) -> None:
    assert parse_via(str(via)) == via


@given(NAME)
def test_quoting_is_undone(text: str) -> None:
    assert unquote(quote(text)) == text


@given(st.lists(st.one_of(TOKEN, NAME.map(quote), URI.map(lambda u: f"<{u}>")), min_size=1, max_size=5))
def test_a_list_splits_where_it_was_joined(parts: list[str]) -> None:
    assert split_list(", ".join(parts)) == parts


@given(
    method=TOKEN,
    uri=URI,
    headers=st.dictionaries(
        WORD.map(lambda w: "X-" + w.capitalize()),
        st.lists(st.text(string.printable.strip() + "äß漢", min_size=1, max_size=20), min_size=1, max_size=2),
        max_size=5,
    ),
    body=st.binary(max_size=50),
)
def test_a_request_survives_writing_and_parsing(
    method: str, uri: Uri, headers: dict[str, list[str]], body: bytes
) -> None:
    made = Request(method, uri, dict(headers), body)
    found = parse_message(made.to_bytes())
    assert isinstance(found, Request)
    assert (found.method, found.uri_text, found.body) == (made.method, made.uri_text, body)
    assert {k: v for k, v in found.headers.items() if k != "Content-Length"} == headers


@given(
    status=st.integers(100, 699), reason=st.text(string.ascii_letters + " ", max_size=20), body=st.binary(max_size=50)
)
def test_a_response_survives_writing_and_parsing(status: int, reason: str, body: bytes) -> None:
    made = Response(status, reason.strip(), {}, body)
    found = parse_message(made.to_bytes())
    assert isinstance(found, Response)
    assert (found.status, found.reason, found.body) == (status, made.reason, body)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([b"", b"\r\n\r\n", message(), message(body=""), message("SIP/2.0 200 OK")]), max_size=5),
    st.data(),
)
def test_framing_follows_any_cut(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    framer, found, at = StreamFramer(), [], 0
    while at < len(stream):
        size = data.draw(st.integers(1, 700))
        found += framer.feed(stream[at : at + size])
        at += size
    expected = [piece for piece in pieces if piece not in (b"", b"\r\n\r\n")]
    assert [piece for piece in found if piece != KEEP_ALIVE] == expected


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 500), st.integers(0, 60))
def test_noise_on_a_stream_is_a_message_or_the_end_of_the_stream(noise: bytes, at: int, cut: int) -> None:
    whole = message()
    framer = StreamFramer()
    with contextlib.suppress(FramingLost):
        for found in framer.feed(whole[:at] + noise + whole[at + cut :]):
            with contextlib.suppress(ParseError):
                parse_message(found)


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 600), st.integers(0, 30), st.binary(max_size=12), st.sampled_from(["udp", "tcp"]))
def test_no_mutant_raises_past_the_stack(at: int, cut: int, inserted: bytes, transport: str) -> None:
    whole = message(Supported="100rel, timer", Record_Route="<sip:p.example;lr>", Session_Expires="1800")
    peer = Peer(A, 1)
    peer.stack.receive(whole[:at] + inserted + whole[at + cut :], Flow(transport, A, B), 0.0)
    peer.stack.handle_timer(100.0)


def test_ping_is_told_from_half_a_ping() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r\n") == []
    assert framer.feed(b"\r\n") == [KEEP_ALIVE]


def test_two_lengths_on_a_stream_end_it() -> None:
    framer = StreamFramer()
    lying = message().replace(b"CSeq", b"Content-Length: 5\r\nCSeq")
    with pytest.raises(FramingLost) as caught:
        framer.feed(message() + lying)
    assert framer.complete == [message()]
    assert caught.value.head.startswith(b"INVITE")


DIRTY = st.text(alphabet=st.characters(max_codepoint=0x24F), max_size=24)


@given(DIRTY, DIRTY, DIRTY, DIRTY)
def test_no_control_byte_leaves_in_a_header(user: str, name: str, value: str, reason: str) -> None:
    address = NameAddr(Uri("sip", user, "a.example"), name)
    headers = {"From": [str(address)], "Subject": [value], "X-Word": ["kept"]}
    for written in (
        Request("MESSAGE", Uri("sip", user, "a.example"), dict(headers), b"body").to_bytes(),
        Response(486, reason, dict(headers), b"body").to_bytes(),
    ):
        head, _, body = written.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert len(lines) == 5  # the first line, three headers, Content-Length: no line that nobody wrote
        assert all(byte >= 0x20 or byte == 0x09 for line in lines for byte in line)
        assert 0x7F not in head
        assert body == b"body"
