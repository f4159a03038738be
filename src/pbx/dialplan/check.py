"""What can be proved of a configuration before a call uses it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from pbx.config.config import Config
from pbx.config.steps import StepSpec
from pbx.config.where import Finding, Severity, Where
from pbx.dialplan.interpreter import RUNNERS
from pbx.dialplan.pattern import compile_pattern


def check(config: Config) -> list[Finding]:
    """Return everything that an administrator should know about *config*."""
    return [*_contexts(config), *_patterns(config), *_unbuilt(config)]


def _unknown(where: Where, what: str, name: str, known: list[str]) -> Finding:
    near = difflib.get_close_matches(name, known, 1)
    return Finding(where, Severity.ERROR, f'no {what} "{name}"', f'did you mean "{near[0]}"?' if near else "")


def _contexts(config: Config) -> Iterator[Finding]:
    known = list(config.contexts)
    for number, endpoint in config.endpoints.items():
        if endpoint.context not in config.contexts:
            yield _unknown(endpoint.where_of("context"), f"context for endpoint {number}:", endpoint.context, known)
    for name, trunk in config.trunks.items():
        if trunk.context and trunk.context not in config.contexts:
            yield _unknown(trunk.where_of("context"), f"context for trunk {name}:", trunk.context, known)
    for context in config.contexts.values():
        for included in context.include:
            if included not in config.contexts:
                yield _unknown(context.where_of("include"), "context", included, known)


def _patterns(config: Config) -> Iterator[Finding]:
    for context in config.contexts.values():
        for route in context.route:
            for text in route.match:
                try:
                    compile_pattern(text)
                except ValueError as error:
                    yield Finding(route.where_of("match"), Severity.ERROR, str(error))


def _unbuilt(config: Config) -> Iterator[Finding]:
    for context in config.contexts.values():
        for route in context.route:
            for step in route.do:
                if isinstance(step, StepSpec) and type(step) not in RUNNERS:
                    verb = next(iter(step.model_fields_set), "?")
                    yield Finding(step.where, Severity.WARNING, f"the step {verb} is not built yet: a call gets 501")
