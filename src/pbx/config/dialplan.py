"""Contexts, menus, calendars, look-ups and the other named parts of a dialplan."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from pbx.config.base import Spec, one_or_many
from pbx.config.steps import Names, Step, Steps


class Route(Spec):
    match: Names = ()
    match_re: str = ""  # a regular expression; named groups become variables
    do: Steps
    when: str = ""
    right: str = ""  # the right that this route asks for, where the number's class does not say
    default: bool = False
    name: str = ""


class Context(Spec):
    include: Names = ()
    route: tuple[Route, ...] = ()


class MenuKey(Spec):
    """A key with a condition; the short form is the steps alone."""

    when: str = ""
    do: Steps


def _menu_key(value: Any) -> Any:
    if isinstance(value, dict) and "do" in value and "attempt" not in value:
        return value
    return {"do": value}


class Menu(Spec):
    prompt: Names
    keys: dict[str, Annotated[MenuKey, BeforeValidator(_menu_key)]] = {}
    wait_s: float = Field(5, gt=0)
    next_s: float = Field(3, gt=0)
    tries: int = Field(3, ge=1, le=20)
    wrong: Names = ()
    exhausted: Steps = ()
    extensions: str = ""  # a context whose numbers may be dialled here
    barge_in: bool = True


class Flow(Spec):
    do: Steps
    requires: str = ""


class Calendar(Spec):
    timezone: str = ""
    open: Names = ()
    closed: Names = ()
    days: Names = ()
    override: str = ""  # switch.NAME


class Switch(Spec):
    allow: Names = ()
    first: Literal["auto", "open", "closed"] = "auto"


class Outcome(Spec):
    field: str
    values: tuple[str, ...]


class Lookup(Spec):
    url: str
    method: Literal["GET", "POST"] = "GET"
    body: dict[str, str] = {}
    headers: dict[str, str] = {}
    timeout_ms: int = Field(1000, ge=50, le=30_000)
    fields: dict[str, str | tuple[str, ...]] = {}
    outcome: Outcome | None = None


class Template(Spec):
    """A department, written once with {name}s: its tables are laid over the configuration for each use."""

    contexts: dict[str, Any] = {}
    queues: dict[str, Any] = {}
    menus: dict[str, Any] = {}
    flows: dict[str, Any] = {}
    mailboxes: dict[str, Any] = {}
    groups: dict[str, Any] = {}
    use: dict[str, dict[str, str]] = {}


class Rota(Spec):
    from_: str
    every_h: float = Field(gt=0)
    order: tuple[str, ...]
    swaps: dict[str, str] = {}
    people: dict[str, str] = {}
    timezone: str = ""


class AgentCode(Spec):
    flow: str
    then: Literal["return-to-agent", "hangup"] = "return-to-agent"
    tell_agent: Names = ()


class ConferenceSpec(Spec):
    pin: str = ""
    moderator_pin: str = ""
    max: int = Field(0, ge=0)
    record: bool = False


class Parking(Spec):
    lots: str = "701-720"
    recall_s: float = Field(60, gt=0)


class FeatureCodes(Spec):
    profile: Literal["", "default", "cn"] = ""
    codes: dict[str, Names] = {}  # action = code, or several; "" takes it away


def feature_codes(value: Any) -> Any:
    """Everything but ``profile`` is an override: action = code."""
    if isinstance(value, dict) and "codes" not in value:
        rest = {key: code for key, code in value.items() if key != "profile"}
        return {"profile": value.get("profile", ""), "codes": rest}
    return value


FeatureCodesTable = Annotated[FeatureCodes, BeforeValidator(feature_codes)]
TableRows = Annotated[dict[str, dict[str, Any]], BeforeValidator(lambda value: value)]

__all__ = [
    "AgentCode", "Calendar", "ConferenceSpec", "Context", "FeatureCodesTable", "Flow", "Lookup", "Menu", "MenuKey",
    "Outcome", "Parking", "Rota", "Route", "Step", "Switch", "TableRows", "Template", "one_or_many",
]  # fmt: skip
