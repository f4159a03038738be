"""Every key of the configuration, as docs/keys.md lists it: made from the types themselves, so that it is never behind.

usage: python docs/reference.py > docs/keys.md
"""

from __future__ import annotations

import inspect
import io
import re
import sys
import tokenize
import typing
from collections.abc import Iterator

from pydantic_core import PydanticUndefined

from pbx.config.base import Spec, kebab
from pbx.config.config import Config
from pbx.config.steps import VERBS

HEAD = """# Every key

Made from the types by `python docs/reference.py > docs/keys.md`; [language.md](language.md) has the rules behind them.
A required key must be given. `-s` is seconds, `-ms` milliseconds; for "names" one name or a list may be written.
"""
NAMES = {
    "dict": "table",
    "tuple": "list",
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true/false",
}


def comments_of(cls: type[Spec]) -> dict[str, str]:
    """Return the trailing comment of each field."""
    found: dict[str, str] = {}
    field = ""
    for token in tokenize.generate_tokens(io.StringIO(inspect.getsource(cls)).readline):
        if token.type == tokenize.NAME and token.start[1] == 4 and re.match(r"\s+\w+\s*:", token.line):
            field = token.string
        elif token.type == tokenize.COMMENT and field and not token.line.lstrip().startswith("#"):
            found[field] = token.string.lstrip("# ").strip()
            field = ""
    return found


def shown(annotation: object) -> str:
    """Say a type in an administrator's words."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return shown(typing.get_args(annotation)[0])
    if origin is typing.Literal:
        return " \\| ".join(f"`{value}`" for value in typing.get_args(annotation) if value != "")
    if origin is typing.Union or str(origin) == "<class 'types.UnionType'>":
        parts = [shown(a) for a in typing.get_args(annotation) if a is not type(None)]
        return " or ".join(dict.fromkeys(parts))
    if origin in (dict, tuple, list):
        inner = [a for a in typing.get_args(annotation) if a is not Ellipsis]
        return f"table of {shown(inner[-1])}" if origin is dict else f"list of {shown(inner[0])}"
    if isinstance(annotation, type):
        return (
            f"table ({annotation.__name__})" if issubclass(annotation, Spec) else NAMES.get(annotation.__name__, "text")
        )
    name = getattr(annotation, "__name__", "") or str(annotation)
    return {"Step": "step", "Steps": "steps", "Names": "names"}.get(
        name.split(".")[-1], "steps" if "Step" in name else "text"
    )


def default(info: typing.Any) -> str:
    value = info.get_default(call_default_factory=True) if info.default_factory else info.default
    if value is PydanticUndefined:
        return "**required**"
    if value in ("", (), {}, None) or isinstance(value, Spec):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{', '.join(map(str, value))}`"
    return f"`{value}`"


def table(cls: type[Spec]) -> Iterator[str]:
    comments = comments_of(cls)
    yield "| key | value | default | |"
    yield "|---|---|---|---|"
    for name, info in cls.model_fields.items():
        said = comments.get(name, "").replace("|", "\\|")
        yield f"| `{kebab(name)}` | {shown(info.annotation)} | {default(info)} | {said} |"


def specs_in(annotation: object) -> Iterator[type[Spec]]:
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from specs_in(argument)


def pages() -> Iterator[str]:
    yield HEAD
    seen: set[type[Spec]] = set(VERBS.values())
    waiting: list[tuple[str, type[Spec]]] = [("Top level", Config)]
    while waiting:
        title, cls = waiting.pop(0)
        if cls in seen:
            continue
        seen.add(cls)
        yield f"\n## {title}\n"
        if cls.__doc__ and cls.__doc__ != Spec.__doc__:
            yield inspect.cleandoc(cls.__doc__) + "\n"
        yield from table(cls)
        for name, info in cls.model_fields.items():
            prefix = "" if cls is Config else title.strip("[]") + "."
            many = ".NAME" if typing.get_origin(info.annotation) is dict else ""
            for inner in specs_in(info.annotation):
                waiting.append((f"[{prefix}{kebab(name)}{many}]", inner))
    yield "\n## Steps\n"
    yield "Every step may have `on` (branches by outcome), `else`, and `when` where the verb allows it.\n"
    for verb, cls in VERBS.items():
        yield f"\n### {verb}\n"
        yield from table(cls)


def main() -> int:
    sys.stdout.write("\n".join(line.rstrip() for line in pages()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
