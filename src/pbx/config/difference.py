"""What changed from one configuration to another: in a line a topic, and what only a restart can follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pbx.config.base import Spec, kebab
from pbx.config.config import Config

MOST_NAMED = 8
# What is opened once: sockets, threads, files. A reload keeps the old ones and says so.
RESTART = (
    "sip.listen",
    "sip.tls",
    "media.ports",
    "media.threads",
    "media.tones",
    "store.path",
    "control",
    "log",
    "provisioning",
)


def same(one: object, other: object) -> bool:
    """Compare two values of the configuration; where they stand in a file does not count."""
    if isinstance(one, Spec) and isinstance(other, Spec):
        return type(one) is type(other) and all(
            same(getattr(one, name), getattr(other, name)) for name in type(one).model_fields
        )
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return one == other


def _keys(one: object, other: object) -> str:
    """Name the keys in which two tables differ, as they stand in TOML; nothing where they are no tables."""
    if not isinstance(one, Spec) or not isinstance(other, Spec):
        return ""
    return ", ".join(
        kebab(name) for name in type(one).model_fields if not same(getattr(one, name), getattr(other, name))
    )


def changes(before: Config, after: Config) -> list[str]:
    """Say what changed: "queues: added sales; billing changed (ring-s, strategy)"."""
    found = []
    for name in Config.model_fields:
        one, other = getattr(before, name), getattr(after, name)
        if isinstance(one, dict):
            if told := "; ".join(_entries(one, other)):
                found.append(f"{kebab(name)}: {told}")
        elif not same(one, other):
            found.append(kebab(name) + (f": {keys}" if (keys := _keys(one, other)) else ""))
    return found


def _entries(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    if added := [name for name in after if name not in before]:
        yield f"added {_named(added)}"
    if removed := [name for name in before if name not in after]:
        yield f"removed {_named(removed)}"
    changed = []
    for name, one in before.items():
        other = after.get(name)
        if other is None or same(one, other):
            continue
        changed.append(name + (f" ({keys})" if (keys := _keys(one, other)) else ""))
    if changed:
        yield f"changed {_named(changed)}"


def _named(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def wants_restart(before: Config, after: Config) -> list[str]:
    """Name what changed and is followed at the next start only."""
    found = []
    for name in RESTART:
        topic, _, key = name.partition(".")
        one, other = getattr(before, topic), getattr(after, topic)
        if key:
            one, other = getattr(one, key), getattr(other, key)
        if not same(one, other):
            found.append(name)
    return found
