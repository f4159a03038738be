"""Findings with a cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pbx.config.where import Finding, Severity, Where


def error(where: Where, what: str, cure: str = "") -> Finding:
    return Finding(where, Severity.ERROR, what, cure)


def warning(where: Where, what: str, cure: str = "") -> Finding:
    return Finding(where, Severity.WARNING, what, cure)


def note(where: Where, what: str, cure: str = "") -> Finding:
    return Finding(where, Severity.NOTE, what, cure)


def unknown(where: Where, what: str, name: str, known: Iterable[str], cure: str = "") -> Finding:
    """Say that a name does not exist, and which one may have been meant."""
    names = [str(k) for k in known]
    near = difflib.get_close_matches(name, names, 1, 0.6)
    if near:
        cure = f'did you mean "{near[0]}"?'
    elif not cure and names:
        cure = f"there {'is' if len(names) == 1 else 'are'} {', '.join(names[:8])}{' …' if len(names) > 8 else ''}"
    return error(where, f'no {what} "{name}"', cure)
