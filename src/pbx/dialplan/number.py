"""Telephone numbers by country: what people and carriers write becomes E.164; what leaves takes a trunk's form.

Only China's rules are known in full; a number of a country that we do not know stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

RIGHTS = ("internal", "local", "mobile", "national", "service", "international")
_VISUAL = re.compile(r"[\s\-().\u2010-\u2015]")  # what people put between digits (RFC 3966 5.1.1)
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_LONGEST_SHORT_CODE = 6


@dataclass(frozen=True, slots=True)
class Country:
    """A country's numbering plan, as far as routing needs it."""

    code: str  # without +
    international_prefix: str
    national_prefix: str
    service: re.Pattern[str]  # codes that stay as they are
    mobile: re.Pattern[str]  # national significant numbers
    landline: re.Pattern[str]  # with area code, without the national prefix
    local: re.Pattern[str]  # without area code
    emergency: tuple[str, ...]


COUNTRIES = {
    "CN": Country(
        code="86",
        international_prefix="00",
        national_prefix="0",
        service=re.compile(r"1\d{2}|10\d{3}|12\d{3}|9[56]\d{3,7}|[48]00\d{7}"),
        mobile=re.compile(r"1[3-9]\d{9}"),
        landline=re.compile(r"(?:10|2\d)[1-9]\d{7}|[3-9]\d{2}[1-9]\d{6,7}"),
        local=re.compile(r"[2-8]\d{6,7}|9[0-47-9]\d{5,6}"),
        emergency=("110", "119", "120", "122"),
    )
}


def normalise(number: str, country: str, area_code: str = "") -> str:
    """Return a number as E.164; service codes, inside numbers and what is no number stay as they are."""
    plan = COUNTRIES.get(country)
    if plan is None:
        return number
    text = _VISUAL.sub("", number)
    if not re.fullmatch(r"\+?\d{2,20}", text):
        return number
    if text.startswith("+"):
        return _own(text[1 + len(plan.code) :], plan) or text if text[1:].startswith(plan.code) else text
    if plan.service.fullmatch(text):
        return text
    for prefix in (plan.international_prefix + plan.code, plan.code):
        if text.startswith(prefix) and (found := _own(text[len(prefix) :], plan)):
            return found
    if text.startswith(plan.international_prefix):
        foreign = "+" + text[len(plan.international_prefix) :]
        return foreign if _E164.fullmatch(foreign) else text
    return _domestic(text, plan, area_code) or text


def _own(rest: str, plan: Country) -> str:
    """Complete what stands behind the country code; people write +86 021 … and carriers +86 400 …."""
    rest = rest.removeprefix(plan.national_prefix)
    if plan.service.fullmatch(rest):
        return rest
    return f"+{plan.code}{rest}" if plan.mobile.fullmatch(rest) or plan.landline.fullmatch(rest) else ""


def _domestic(text: str, plan: Country, area_code: str) -> str:
    if plan.mobile.fullmatch(text):
        return f"+{plan.code}{text}"
    if text.startswith(plan.national_prefix):
        rest = text[len(plan.national_prefix) :]
        if plan.mobile.fullmatch(rest) or plan.landline.fullmatch(rest):
            return f"+{plan.code}{rest}"
        if re.fullmatch(r"(?:10|2\d|[3-9]\d{2})(?:1\d{2}|1[02]\d{3}|9[56]\d{3,7})", rest):
            return f"+{plan.code}{rest}"  # another town's service: 021 12345
        return ""
    area = area_code.removeprefix(plan.national_prefix)
    if area and plan.local.fullmatch(text):
        return f"+{plan.code}{area}{text}"
    return ""


def national(number: str, country: str) -> str:
    """Return a normalised number as people of *country* dial it."""
    plan = COUNTRIES.get(country)
    if plan is None or not number.startswith("+"):
        return number
    own = f"+{plan.code}"
    if not number.startswith(own):
        return plan.international_prefix + number[1:]
    rest = number[len(own) :]
    return rest if plan.mobile.fullmatch(rest) else plan.national_prefix + rest


def significant(number: str, country: str, area_code: str = "") -> tuple[str, str]:
    """Return a number of *country* without the country's code, and without the area's where that is our own."""
    plan = COUNTRIES.get(country)
    own = f"+{plan.code}" if plan is not None else "+"
    found = normalise(number, country, area_code)
    if plan is None or not found.startswith(own):
        return "", ""
    rest = found[len(own) :]
    area = area_code.removeprefix(plan.national_prefix)
    local = rest.removeprefix(area) if area and rest.startswith(area) else ""
    return rest, local if plan.local.fullmatch(local) else ""


def number_class(number: str, country: str, area_code: str = "") -> str:
    """Return the right that a normalised number asks for when it leaves the house."""
    plan = COUNTRIES.get(country)
    if plan is None:
        return "international" if number.startswith(("+", "00")) else "national"
    if plan.service.fullmatch(number):
        return "service"
    own = f"+{plan.code}"
    if not number.startswith(own):
        short = number.isdigit() and len(number) <= _LONGEST_SHORT_CODE and not number.startswith("0")
        return "service" if short else "international"
    rest = number[len(own) :]
    if plan.mobile.fullmatch(rest):
        return "mobile"
    area = area_code.removeprefix(plan.national_prefix)
    return "local" if area and rest.startswith(area) else "national"


def emergency_numbers(country: str, more: Sequence[str] = ()) -> frozenset[str]:
    """Return the numbers that every endpoint of *country* can always call."""
    plan = COUNTRIES.get(country)
    return frozenset((*(plan.emergency if plan is not None else ()), *more))


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a trunk wants numbers, and what it lets us present."""

    country: str = ""
    area_code: str = ""
    sends: str = "e164"
    callers: tuple[str, ...] = ()
    caller_else: str = ""


def outward(number: str, caller: str, trunk: Wanted) -> tuple[str, str]:
    """Return the called and the calling number as *trunk* wants them.

    A caller that the trunk does not let us present is replaced by ``caller-else``; without either it goes as it is.
    """
    called = normalise(number, trunk.country, trunk.area_code)
    calling = normalise(caller, trunk.country, trunk.area_code)
    if trunk.callers or trunk.caller_else:
        allowed = {normalise(own, trunk.country, trunk.area_code) for own in trunk.callers}
        if calling not in allowed:
            calling = normalise(trunk.caller_else, trunk.country, trunk.area_code)
    if trunk.sends == "national":
        return national(called, trunk.country), national(calling, trunk.country)
    return called, calling
