"""Addresses, media, storage, limits: what a server is, apart from its calls."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from pbx.config.base import Spec, one_or_many

_LISTEN = re.compile(r"(udp|tcp|tls):(\[[0-9a-fA-F:]+\]|[^:\[\]]+):(\d+)")


def _listener(text: str) -> str:
    match = _LISTEN.fullmatch(text)
    if match is None or int(match.group(3)) > 65535:
        raise ValueError('is no listener: write "udp:127.0.0.1:5060", "tls:[::]:5061"')
    try:
        ipaddress.ip_address(match.group(2).strip("[]"))
    except ValueError:
        raise ValueError(f"{match.group(2)} is no IP address") from None
    return text


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f'"{text}" is no network: write "192.168.0.0/16"') from None
    return text


def _ports(text: str) -> str:
    match = re.fullmatch(r"(\d+)-(\d+)", text)
    if match is None or not 1024 <= int(match.group(1)) < int(match.group(2)) <= 65535:
        raise ValueError('is no range of ports: write "10000-19999"')
    return text


def _host_port(text: str) -> str:
    if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\[\]]+):\d{1,5}", text):
        raise ValueError('is no address: write "127.0.0.1:8088"')
    return text


Listener = Annotated[str, AfterValidator(_listener)]
Network = Annotated[str, AfterValidator(_network)]
HostPort = Annotated[str, AfterValidator(_host_port)]
CodecName = Literal["pcmu", "pcma", "g722", "opus"]


def parse_listener(text: str) -> tuple[str, str, int]:
    """Split a checked listener into transport, host and port."""
    match = _LISTEN.fullmatch(text)
    assert match is not None
    return match.group(1), match.group(2).strip("[]"), int(match.group(3))


class Tls(Spec):
    certificate: str = ""  # PEM file; empty: a self-signed one is made for trials
    key: str = ""
    authorities: str = ""  # PEM file of those whose certificates trunks may show; empty: those that the system trusts


class Sip(Spec):
    domain: str = "pbx.invalid"  # digest realm and default domain
    listen: tuple[Listener, ...] = ("udp:127.0.0.1:5060", "tcp:127.0.0.1:5060")
    advertise: str = ""  # the address that phones outside the NAT see
    local_networks: tuple[Network, ...] = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    user_agent: str = "pbx"
    tls: Tls = Tls()
    # What a challenge offers, best first. libre (baresip 1.0) gives up on any challenge that is not MD5, so SHA-256 is
    # for those who know their phones.
    algorithms: tuple[Literal["sha-256", "md5"], ...] = Field(("md5",), min_length=1)
    session_expires_s: int = Field(1800, ge=90)


class MediaSpec(Spec):
    ports: Annotated[str, AfterValidator(_ports)] = "10000-19999"
    codecs: Annotated[tuple[CodecName, ...], BeforeValidator(one_or_many)] = ("g722", "pcma", "pcmu")
    threads: int = Field(1, ge=1, le=64)
    tones: Literal["cn", "us", "eu"] = "us"
    srtp: Literal["off", "optional", "required"] = "optional"


class StoreSpec(Spec):
    path: str = "var/pbx.db"
    retain_days: int = Field(1825, ge=1)


class Records(Spec):
    """Files in other systems' formats, written as things happen; empty: none."""

    queue_log: str = ""  # Asterisk's queue_log
    cdr_csv: str = ""  # Asterisk's Master.csv
    switchboards: tuple[str, ...] = ()  # callers who are many people: left out of first-call resolution


class Recordings(Spec):
    path: str = "var/recordings"
    retain_days: int | None = Field(None, ge=1)
    format: Literal["auto", "pcm16", "g711"] = "auto"


class Control(Spec):
    socket: str = "var/pbx.sock"
    http: HostPort | None = None


class Limits(Spec):
    max_calls: int = Field(2000, ge=1)
    new_calls_per_s: int = Field(200, ge=1)
    per_source_per_s: int = Field(100, ge=1)
    longest_call_s: int = Field(4 * 3600, ge=60)
    outside_forward_minutes_per_day: int = Field(120, ge=0)  # of forwards and transfers, by endpoint
    transfer_returns_s: float = Field(30, gt=0)  # a blind transfer that nobody answered returns to who transferred


class Mail(Spec):
    smtp: HostPort = "127.0.0.1:25"
    from_: str = "pbx@localhost"


class Emergency(Spec):
    """From every endpoint, always; the numbers come from the endpoint's country."""

    trunks: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()
    notify: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()
    numbers: tuple[str, ...] = ()  # besides the country's


class Alert(Spec):
    when: str
    for_s: float = Field(0, ge=0)
    webhook: str = ""
    mail: str = ""


class Log(Spec):
    format: Literal["auto", "text", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"
