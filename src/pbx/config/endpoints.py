"""Who may register, how they are reached, and the trunks to the outside."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from pbx.config.base import Spec, one_or_many
from pbx.config.general import CodecName

Right = Literal["internal", "local", "mobile", "national", "service", "international"]
Dtmf = Literal["rfc4733", "info", "inband", "auto"]


class SecretFrom(Spec):
    """Where a secret comes from: the environment first, then the file; a file that is missing is made."""

    file: str = ""
    env: str = ""


def _secret(value: Any) -> Any:
    if isinstance(value, dict) and not value:
        raise ValueError('an empty secret: write { file = "var/secrets/NUMBER" }')
    return value


SecretSpec = Annotated[SecretFrom | str, BeforeValidator(_secret)]


class VoicemailSpec(Spec):
    pin: SecretSpec | None = None
    mail: str = ""
    webhook: str = ""
    max_messages: int = Field(100, ge=1)
    max_message_s: int = Field(180, ge=5)
    retain_days: int = Field(90, ge=1)


class Mailbox(VoicemailSpec):
    """A shared mailbox, with who sees its lamp."""

    lamps: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()


class Forward(Spec):
    all: str = ""
    busy: str = ""
    no_answer: str = ""
    after_s: float = Field(20, gt=0)


class Endpoint(Spec):
    name: str = ""
    secret: SecretSpec | None = None
    enabled: bool = True
    context: str = ""
    country: str = ""
    area_code: str = ""
    rights: tuple[Right, ...] = ("internal",)
    max_contacts: int = Field(1, ge=1, le=20)
    dtmf: Dtmf = "auto"
    codecs: tuple[CodecName, ...] = ()
    voicemail: VoicemailSpec | None = None
    forward: Forward | None = None
    groups: tuple[str, ...] = ()  # pickup groups
    record: Literal["always", "on-demand", "never"] | None = None
    language: str = ""
    caller: str = ""  # the number that it presents outside
    algorithms: tuple[Literal["sha-256", "md5"], ...] = ()
    srtp: Literal["off", "optional", "required"] | None = None
    auto_answer: bool = False
    qualify_s: int = Field(0, ge=0)  # ask its phones by OPTIONS so often whether they are there; 0 never
    secretary: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()  # endpoints rung first, while filtered
    filter: bool = False  # whether calls go to the secretary, until somebody turns it by code
    filter_pass: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()  # callers who are not filtered
    site: str = ""  # the trunk of its site, tried first when it calls for help


class TrunkRegistration(Spec):
    user: str
    secret: SecretSpec
    expires_s: int = Field(300, ge=60)
    realm: str = ""


class Trunk(Spec):
    proxy: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()
    outbound_proxy: str = ""
    register_: TrunkRegistration | None = None
    user: str = ""  # for carriers that challenge calls without registration
    secret: SecretSpec | None = None
    match: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()
    context: str = ""
    enabled: bool = True
    max_calls: int = Field(1000, ge=1)
    country: str = ""
    area_code: str = ""
    sends: Literal["e164", "national"] = "e164"
    callers: tuple[str, ...] = ()
    caller_else: str = ""
    qualify_s: int = Field(0, ge=0)
    codecs: tuple[CodecName, ...] = ()
    dtmf: Dtmf = "auto"
    redirects: Literal["obey", "refuse"] = "refuse"
    ring: str = ""  # how phones ring for its calls: "Bellcore-dr2", or a whole Alert-Info value
    privacy: bool = True  # honour Privacy towards this trunk
    srtp: Literal["off", "optional", "required"] | None = None
    transport: Literal["", "udp", "tcp", "tls"] = ""
    verify_tls: bool = True  # its certificate must be good and name the proxy


class Group(Spec):
    """For dialling: ``group/NAME``."""

    members: Annotated[tuple[str, ...], BeforeValidator(one_or_many)]
    order: Literal["all", "in-turn", "round-robin"] = "all"
    ring_s: float = Field(25, gt=0)
