"""Lamps: SUBSCRIBE, the NOTIFY that follows, refreshes, ends, refusals."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

import pytest

from pbx.signaling.subscriptions import DialogState, MessageCount, Subscriptions
from pbx.sip.dialog import Dialog, DialogId, dialog_as_client
from pbx.sip.message import Request, Response, response_to
from pbx.sip.outputs import Output, RequestReceived, ResponseReceived, SubscriptionEnded, SubscriptionRefreshed
from pbx.sip.stack import Stack
from pbx.sip.transaction import ServerTransaction
from tests.fakes.wire import Wire
from tests.sip.calls import EMPTY, last_request


class Board:
    """What is watched."""

    def __init__(self) -> None:
        self.calls: list[DialogState] = []
        self.new = 0

    def dialogs(self, number: str, watcher: str) -> Sequence[DialogState] | None:
        return self.calls if number == "1002" else None

    def reachable(self, number: str) -> bool:
        return True

    def messages(self, number: str, watcher: str) -> MessageCount | None:
        return MessageCount(self.new, 3) if number == "1002" else None


class Watcher:
    """The phone's side of the dialog: takes every NOTIFY."""

    def __init__(self, stack: Stack, dialog: Dialog) -> None:
        self.stack, self.dialog = stack, dialog
        stack.add_dialog(dialog, self)

    def dialog_for(self, dialog_id: DialogId) -> Dialog:
        return self.dialog

    def on_request(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        transaction.respond(response_to(request, 200), now)

    def on_ack(self, ack: Request, now: float) -> None: ...
    def lost(self, status: int, now: float) -> None: ...


class World:
    """Phone a watches server b."""

    def __init__(self) -> None:
        self.wire, self.board = Wire(), Board()
        self.lamps = Subscriptions(self.wire.b.stack, self.board, "example.com", lambda: self.wire.now)
        self.wire.b.on_output = self.server
        self.wire.a.on_output = self.phone
        self.finals: list[Response] = []
        self.watcher: Watcher | None = None
        self.cseq = 0

    def server(self, output: Output, now: float) -> None:
        if isinstance(output, RequestReceived):
            self.lamps.handle(output.request, output.transaction, output.source)
        elif isinstance(output, SubscriptionRefreshed | SubscriptionEnded):
            self.lamps.on_output(output)

    def phone(self, output: Output, now: float) -> None:
        if isinstance(output, ResponseReceived) and output.response is not None:
            self.finals.append(output.response)
            if output.response.status == 200 and self.watcher is None:
                request = last_request(self.wire, "a", "SUBSCRIBE")
                dialog = dialog_as_client(request, output.response, self.wire.a.flow_to(self.wire.b))
                self.watcher = Watcher(self.wire.a.stack, dialog)

    def subscribe(self, *, to_tag: str = "", **headers: str) -> Response:
        """Send a SUBSCRIBE; return the final response."""
        wire = self.wire
        request = Request("SUBSCRIBE", f"sip:{headers.pop('number', '1002')}@192.0.2.2")
        self.cseq += 1
        values = {"Event": "dialog", "Expires": "300", "Contact": "<sip:1001@192.0.2.1:5060>", **headers}
        request.headers = {
            "From": ["<sip:1001@example.com>;tag=w"],
            "To": ["<sip:1002@example.com>" + (f";tag={to_tag}" if to_tag else "")],
            "Call-ID": ["watch"],
            "CSeq": [f"{self.cseq} SUBSCRIBE"],
            **{name.replace("_", "-"): [value] for name, value in values.items()},
        }
        wire.a.stack.request(request, wire.a.flow_to(wire.b), wire.now, "subscribe")
        wire.run(wire.now + 1)
        return self.finals[-1]

    def notify(self) -> Request:
        return last_request(self.wire, "b", "NOTIFY")


def test_a_lamp_shows_a_call_from_ringing_to_its_end() -> None:
    world = World()
    response = world.subscribe()
    assert (response.status, response.get("Expires")) == (200, "300")
    root = ET.fromstring(world.notify().body)
    assert (root.attrib["state"], root.attrib["version"], len(root)) == ("full", "0", 0)
    for version, state in enumerate(["early", "confirmed"], 1):
        world.board.calls = [DialogState("d1", state, "recipient", "1005", "c", "l<", "r")]
        world.lamps.changed("dialog", "1002")
        world.wire.run(world.wire.now + 1)
        root = ET.fromstring(world.notify().body)
        dialog = root[0]
        assert root.attrib["version"] == str(version)
        assert (dialog.attrib["direction"], dialog.attrib["local-tag"]) == ("recipient", "l<")
        assert dialog[0].text == state


def test_a_mailbox_lamp_counts() -> None:
    world = World()
    world.board.new = 2
    world.subscribe(Event="message-summary")
    assert b"Messages-Waiting: yes\r\n" in world.notify().body
    assert b"Voice-Message: 2/3 (0/0)\r\n" in world.notify().body
    assert world.notify().get("Subscription-State") == "active;expires=300"


def test_notifies_go_in_order_inside_the_dialog() -> None:
    world = World()
    response = world.subscribe()
    world.lamps.changed("dialog", "1002")
    world.wire.run(5)
    notifies = world.wire.messages("b", b"NOTIFY")
    assert len(notifies) == 2
    assert world.notify().from_.tag == response.to.tag
    assert world.notify().cseq.number == 2


def test_a_refresh_prolongs_it_and_nobody_refreshing_ends_it() -> None:
    world = World()
    tag = world.subscribe().to.tag
    world.wire.run(250)
    assert world.subscribe(to_tag=tag).status == 200
    world.wire.run(400)
    assert world.lamps.count == 1
    world.wire.run(600)
    assert world.notify().get("Subscription-State") == "terminated;reason=timeout"
    assert world.lamps.count == 0
    world.wire.run(700)
    assert world.wire.b.stack.sizes == EMPTY


def test_expires_0_is_the_end_and_is_told() -> None:
    world = World()
    tag = world.subscribe().to.tag
    assert world.subscribe(to_tag=tag, Expires="0").status == 200
    assert (world.notify().get("Subscription-State") or "").startswith("terminated")
    assert world.lamps.count == 0


def test_a_lone_look_is_answered_once() -> None:
    world = World()
    assert world.subscribe(Expires="0").status == 200
    assert len(world.wire.messages("b", b"NOTIFY")) == 1
    assert world.lamps.count == 0


def test_a_subscriber_that_is_gone_is_forgotten() -> None:
    world = World()
    world.subscribe()
    world.wire.drop_next(lambda data: data.startswith(b"NOTIFY"), times=100)
    world.lamps.changed("dialog", "1002")
    world.wire.run(world.wire.now + 40)
    assert world.lamps.count == 0


@pytest.mark.parametrize(
    ("headers", "status", "header"),
    [
        ({"Event": "conference"}, 489, "Allow-Events"),
        ({"Expires": "5"}, 423, "Min-Expires"),
        ({"Accept": "application/pidf+xml"}, 406, ""),
        ({"number": "4711"}, 404, ""),
    ],
)
def test_what_cannot_be_watched_is_refused(headers: dict[str, str], status: int, header: str) -> None:
    world = World()
    response = world.subscribe(**headers)
    assert response.status == status
    assert not header or header in response.headers
    assert world.lamps.count == 0


def test_stopping_tells_every_phone_to_come_back() -> None:
    world = World()
    world.subscribe()
    world.lamps.stop()
    world.wire.run(5)
    assert world.notify().get("Subscription-State") == "terminated;reason=deactivated"
    assert world.lamps.count == 0
