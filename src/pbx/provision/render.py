"""A phone's settings as its maker wants them, from the templates that ship or the company's own."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

from pbx.config.config import Config
from pbx.config.phones import Model, Phone
from pbx.dialplan.codes import Codes

FILES: dict[Model, tuple[str, ...]] = {  # what each model asks for, {mac} in small letters; others are not ours
    "yealink": ("{mac}.cfg",),
    "grandstream": ("cfg{mac}.xml", "cfg{mac}"),
    "fanvil": ("{mac}.cfg",),
    "linphone": ("{mac}.xml", "linphone.xml"),
}
TYPES: dict[Model, str] = {
    "yealink": "text/plain", "grandstream": "text/xml", "fanvil": "text/xml", "linphone": "text/xml",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Account:
    """What a phone registers with."""

    number: str
    name: str
    secret: str
    host: str
    port: int
    transport: str  # udp, tcp, tls


@dataclass(frozen=True, slots=True)
class Key:
    """A lamp with its key."""

    value: str
    label: str


def token_of(secret: str, mac: str) -> str:
    """Return what a phone's address holds: one phone's does not open another's settings."""
    return hmac.new(secret.encode(), f"phone {mac}".encode(), "sha256").hexdigest()[:32]


def asks_for(model: Model, mac: str, name: str) -> bool:
    """Say whether a file name is the one that a phone of this model asks for."""
    return name.lower() in (pattern.format(mac=mac) for pattern in FILES[model])


class Renderer:
    """The templates; *own* is the company's folder, whose files come first."""

    def __init__(self, own: Path) -> None:
        loader = ChoiceLoader([FileSystemLoader(own), PackageLoader("pbx.provision", "templates")])
        self._plain = Environment(loader=loader, undefined=StrictUndefined, finalize=_one_line, autoescape=False)
        self._xml = Environment(loader=loader, undefined=StrictUndefined, finalize=_one_line, autoescape=True)

    def render(self, config: Config, phone: Phone, account: Account, url: str) -> str:
        """Write a phone's settings; *url* is the folder that it fetched them from."""
        xml = TYPES[phone.model] == "text/xml"
        template = (self._xml if xml else self._plain).get_template(f"{phone.model}.j2")
        codes = Codes(config.feature_codes)
        return template.render(
            account=account,
            keys=[Key(value, _label(config, value)) for value in phone.keys],
            label=phone.label or account.name,
            voicemail=next(iter(codes.of("voicemail")), ""),
            pickup=next(iter(codes.of("pickup")), ""),
            park=next(iter(codes.of("park")), ""),
            language=config.language,
            url=url,
        )


def _label(config: Config, value: str) -> str:
    endpoint = config.endpoints.get(value)
    return (endpoint.name if endpoint is not None else "") or value


def _one_line(value: object) -> object:
    """Keep a name from writing lines of its own."""
    return "".join(c for c in value if c.isprintable()) if type(value) is str else value
