"""Look-ups: a question to another system, with typed fields that have a value even when nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from pbx import events as ev
from pbx.config.condition import Value
from pbx.config.dialplan import Lookup
from pbx.config.steps import LookupStep
from pbx.dialplan.equipment import LookupFailed, Request
from pbx.dialplan.script import Script, runs
from pbx.dialplan.values import fill

EMPTY: dict[str, Value] = {"text": "", "number": 0, "truth": False, "agent": "", "date": "", "time": ""}
LARGEST_BODY = 256 * 1024


def empty_value(declared: str | tuple[str, ...]) -> Value:
    """Return what a field is when there was no answer: of choices, the first."""
    return EMPTY[declared] if isinstance(declared, str) else declared[0]


def request_of(name: str, spec: Lookup, values: Mapping[str, Value]) -> Request:
    """Put a call's values into a look-up's address, headers and body."""
    body = None
    if spec.method == "POST":
        body = orjson.dumps({key: fill(text, values) for key, text in spec.body.items()})
    headers = {key: fill(text, values).replace("\r", "").replace("\n", "") for key, text in spec.headers.items()}
    return Request(name, spec.method, fill(spec.url, values, "url"), headers, body, spec.timeout_ms / 1000)


def read_answer(spec: Lookup, body: bytes) -> dict[str, Value]:
    """Return the declared fields of an answer; one that is missing has its empty value.

    :raises LookupFailed: for what is no JSON object, or has a field of another type.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise LookupFailed(f"the answer is no JSON: {error}") from None
    if not isinstance(data, dict):
        raise LookupFailed("the answer is no JSON object")
    return {name: _field(name, kind, data) for name, kind in spec.fields.items()}


def _field(name: str, declared: str | tuple[str, ...], data: dict[str, Any]) -> Value:
    value = data.get(name, data.get(name.replace("-", "_")))
    if value is None:
        return empty_value(declared)
    if isinstance(declared, tuple):
        if value not in declared:
            raise LookupFailed(f"{name} is {value!r}, none of {', '.join(declared)}")
        return str(value)
    if declared == "number":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise LookupFailed(f"{name} is {value!r}, no number")
        return value
    if declared == "truth":
        if not isinstance(value, bool):
            raise LookupFailed(f"{name} is {value!r}, neither true nor false")
        return value
    if isinstance(value, dict | list | bool):
        raise LookupFailed(f"{name} is {value!r}, no text")
    return str(value)


def outcome_of(spec: Lookup, fields: Mapping[str, Value]) -> str:
    """Return the declared outcome of an answer, "ok" where none is declared.

    :raises LookupFailed: where the field has none of the declared values.
    """
    if spec.outcome is None:
        return "ok"
    value = str(fields.get(spec.outcome.field, ""))
    if value not in spec.outcome.values:
        raise LookupFailed(f"{spec.outcome.field} is {value!r}, none of {', '.join(spec.outcome.values)}")
    return value


@runs(LookupStep)
async def lookup(script: Script, step: LookupStep) -> None:
    script.tell("", step)
    spec = script.plan.config.lookups[step.lookup]
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        body = await script.plan.equipment.lookups.ask(request_of(step.lookup, spec, script.values))
        fields = read_answer(spec, body)
        outcome = outcome_of(spec, fields)
    except LookupFailed as error:
        script.leg.log.warning("x lookup %s: %s", step.lookup, error)
        fields = {name: empty_value(kind) for name, kind in spec.fields.items()}
        outcome = "error"
    prefix = f"{step.into}." if step.into else ""
    for name, value in fields.items():
        script.values.set(prefix + name, value)
    if step.into:
        script.values.set(f"{step.into}.outcome", outcome)
    took_ms = round((loop.time() - began) * 1000)
    script.emit(
        ev.LookupEnded(call_id=script.leg.call_id, leg_id=script.leg.leg_id, lookup=step.lookup, outcome=outcome,
                       took_ms=took_ms)
    )  # fmt: skip
    await script.branch(step, outcome)
