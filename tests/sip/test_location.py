"""Bindings: where a phone's calls go."""

from __future__ import annotations

import pytest

from pbx.errors import RemoteProtocolError
from pbx.sip.location import Location
from pbx.sip.message import Flow, Request
from pbx.sip.parser import parse_message

US = ("192.0.2.1", 5060)


def register(via: str, contact: str) -> Request:
    made = parse_message(
        f"REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK1;rport\r\nFrom: <sip:1@x>;tag=a\r\n"
        f"To: <sip:1@x>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\nContact: <{contact}>\r\nExpires: 60\r\n"
        "Content-Length: 0\r\n\r\n".encode()
    )
    assert isinstance(made, Request)
    return made


@pytest.mark.parametrize(
    ("via", "contact", "source", "port"),
    [
        ("192.0.2.9:5080", "sip:1@192.0.2.9:5070", 5080, 5070),  # no NAT: the Contact means what it says
        ("192.0.2.9", "sip:1@192.0.2.9", 5060, 5060),
        ("192.0.2.9:5080", "sip:1@192.0.2.9", 5080, 5060),
        ("10.0.0.4:5060", "sip:1@10.0.0.4:5060", 31000, 31000),  # behind a NAT: back to where it came from
        ("192.0.2.9:5060", "sip:1@192.0.2.9:5060", 31000, 31000),  # its port was translated
        ("192.0.2.9:5080", "sip:1@198.51.100.7:5070", 5080, 5080),  # nobody has us send to a third party
        ("192.0.2.9:5080", "sip:1@192.0.2.9:5070;transport=tcp", 5080, 5080),
    ],
)
def test_where_a_binding_is_called(via: str, contact: str, source: int, port: int) -> None:
    location = Location()
    flow = Flow("udp", US, ("192.0.2.9", source))
    (binding,) = location.register("1", register(via, contact), flow, 1000.0, 1).bindings
    assert binding.flow == Flow("udp", US, ("192.0.2.9", port))


def test_a_connection_is_the_way_back_whatever_the_contact_says() -> None:
    flow = Flow("tcp", US, ("192.0.2.9", 40000))
    made = register("192.0.2.9:40000", "sip:1@192.0.2.9:5070;transport=tcp")
    (binding,) = Location().register("1", made, flow, 1000.0, 1).bindings
    assert binding.flow == flow


@pytest.mark.parametrize("contacts", [["*", "<sip:1@192.0.2.9>"], ["<sip:1@192.0.2.9>", "*"], ["<tel:1>"], ["*", "*"]])
def test_contacts_that_mean_nothing_change_nothing(contacts: list[str]) -> None:
    location = Location()
    flow = Flow("udp", US, ("192.0.2.9", 5060))
    location.register("1", register("192.0.2.9", "sip:1@192.0.2.9"), flow, 1000.0, 3)
    request = register("192.0.2.9", "sip:1@192.0.2.9")
    request.headers |= {"Contact": contacts, "Expires": ["0"], "CSeq": ["2 REGISTER"]}
    with pytest.raises(RemoteProtocolError) as refused:
        location.register("1", request, flow, 1000.0, 3)
    assert refused.value.status == 400
    assert len(location.bindings("1", 1000.0)) == 1
