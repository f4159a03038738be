"""What waits in a UDP socket is taken in order, each datagram with its sender's flow."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pbx.signaling.datagrams import Inbox
from pbx.sip.message import Flow

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as ours, socket.socket(family, socket.SOCK_DGRAM) as theirs:
        ours.setblocking(False)
        for one in (ours, theirs):
            one.bind((request.param, 0))
        yield ours, theirs


def test_all_that_waits_comes_in_order_with_the_same_flow(pair: Pair) -> None:
    ours, theirs = pair
    local, remote = ours.getsockname()[:2], theirs.getsockname()[:2]
    inbox = Inbox(ours.fileno(), local)
    assert inbox.take() == []
    sent = [bytes([number]) * number for number in range(40)]
    for data in sent:
        theirs.sendto(data, ours.getsockname())
    first, rest = inbox.take(), inbox.take()
    assert len(first) == 32
    assert [data for data, _ in first + rest] == sent
    assert {flow for _, flow in first + rest} == {Flow("udp", local, remote)}
    assert inbox.take() == []


def test_the_largest_datagram_is_whole(pair: Pair) -> None:
    ours, theirs = pair
    data = bytes(range(256)) * 255
    theirs.sendto(data, ours.getsockname())
    assert [got for got, _ in Inbox(ours.fileno(), ours.getsockname()[:2]).take()] == [data]


def test_an_error_that_an_earlier_send_caused_hides_nothing(pair: Pair) -> None:
    ours, theirs = pair
    gone = theirs.getsockname()
    ours.connect(gone)
    theirs.close()
    ours.send(b"nobody is there")  # answered by ICMP: the next call on the socket fails
    with socket.socket(ours.family, socket.SOCK_DGRAM) as back:
        back.bind(gone[:2])
        back.sendto(b"here again", ours.getsockname())
        assert [data for data, _ in Inbox(ours.fileno(), ours.getsockname()[:2]).take()] == [b"here again"]
