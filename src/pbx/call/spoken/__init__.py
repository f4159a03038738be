"""Values as people say them: text in, names of prompts out. Pure; one module a language."""

from __future__ import annotations

from pbx.call.spoken import english, mandarin
from pbx.call.spoken.values import KINDS, parse_value

LANGUAGES = {"en": english.say, "zh-CN": mandarin.say}


def spoken(value: str, kind: str, unit: str, language: str) -> list[str]:
    """Return the prompts that say *value*; a language that we do not speak falls back to its family, then English.

    :raises ValueError: where *value* is none of *kind*.
    """
    if kind == "text":
        return [value] if value else []
    chosen = LANGUAGES.get(language)
    if chosen is None:
        chosen = mandarin.say if language.startswith("zh") else english.say
    return chosen(parse_value(value, kind), kind, unit)


__all__ = ["KINDS", "LANGUAGES", "spoken"]
