"""Desk phones that fetch their settings, and where they fetch them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

from pbx.config.base import Spec, one_or_many
from pbx.config.endpoints import SecretFrom, SecretSpec
from pbx.config.general import HostPort

Model = Literal["yealink", "grandstream", "fanvil", "linphone"]


def mac_address(text: str) -> str:
    """Return a MAC address as twelve small hexadecimal digits.

    :raises ValueError: for anything else.
    """
    bare = re.sub(r"[:\-.]", "", text).lower()
    if not re.fullmatch(r"[0-9a-f]{12}", bare):
        raise ValueError(f'"{text}" is no MAC address: write "00:15:65:aa:bb:cc"')
    return bare


class Provisioning(Spec):
    """A listener of its own: phones see it, the control socket stays inside."""

    http: HostPort = "127.0.0.1:8090"
    secret: SecretSpec = SecretFrom(file="var/secrets/provisioning")  # what every phone's token is made of
    server: str = ""  # what phones register to, HOST or HOST:PORT; empty: the address by which they fetched
    transport: Literal["udp", "tcp", "tls"] = "udp"


class Phone(Spec):
    """One phone; its key is its MAC address."""

    model: Model
    endpoint: str
    label: str = ""  # on its display; empty: the endpoint's name
    keys: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()  # lamps: "1002", "701", "*28"


Mac = Annotated[str, AfterValidator(mac_address)]
