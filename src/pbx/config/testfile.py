"""Dialplan tests: ``[[test]]`` in the files of a configuration directory."""

from __future__ import annotations

from typing import Any

from pbx.config.base import Spec


class TestCase(Spec):
    """One call in virtual time, and what must be seen of it."""

    __test__ = False  # no test class of pytest's

    name: str
    at: str = ""
    from_: str
    via: str = ""
    dial: str
    keys: tuple[str, ...] = ()
    answers: dict[str, str] = {}
    trunks: dict[str, str] = {}
    lookups: dict[str, Any] = {}
    agents: dict[str, str] = {}
    switches: dict[str, str] = {}
    expect: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    seed: int = 1
