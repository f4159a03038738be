"""Read a configuration directory: files, includes, positions, types; every mistake named with a cure."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pbx.config.base import kebab
from pbx.config.config import Config
from pbx.config.expand import expand, lay_over
from pbx.config.steps import VERBS
from pbx.config.toml import read_toml
from pbx.config.where import Finding, Severity, Table, Where, relative
from pbx.errors import ConfigError

MAIN = "pbx.toml"
TESTS = "tests.toml"
# What app_queue, mod_callcenter and mod_fifo call them (docs/queues.md).
STRATEGIES_ELSEWHERE = {
    "ringall": "ring-all", "ring_all": "ring-all", "leastrecent": "least-recent", "fewestcalls": "fewest-calls",
    "rrmemory": "round-robin", "roundrobin": "round-robin", "rrordered": "round-robin-ordered",
    "wrandom": "weighted-random", "longest-idle-agent": "longest-idle", "enterprise": "longest-idle",
    "agent-with-least-talk-time": "least-talk-time", "agent-with-fewest-calls": "fewest-calls",
    "sequentially-by-agent-order": "sequential",
}  # fmt: skip
LONGEST_NAME = 60  # of what somebody wrote, in a message


@dataclass(slots=True)
class Loaded:
    """What a directory says: the configuration where it is valid, and everything to tell about it."""

    directory: Path
    config: Config | None = None
    findings: list[Finding] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    digest: str = ""
    _read: dict[Path, bytes] = field(default_factory=dict)

    def take(self, path: Path) -> None:
        """Remember what a file says, for the digest and the history."""
        if path.is_file():
            self._read[path] = path.read_bytes()

    @property
    def errors(self) -> list[Finding]:
        return [f for f in self.findings if f.severity is Severity.ERROR]

    def texts(self) -> dict[str, str]:
        """Return the files as they were read, by their place in the directory."""
        return {relative(path, self.directory): data.decode(errors="replace") for path, data in self._read.items()}

    def valid(self) -> Config:
        """Return the configuration.

        :raises ConfigError: with every error, one a line.
        """
        if self.config is None or self.errors:
            raise ConfigError("\n".join(str(f) for f in self.errors))
        return self.config


def load(directory: Path) -> Loaded:
    """Load a directory; never raises for what stands in the files.

    :raises ConfigError: when the directory or its pbx.toml is missing.
    """
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such directory; a configuration is a directory with a {MAIN}")
    if not (directory / MAIN).is_file():
        raise ConfigError(f"{directory}: no {MAIN} here; `pbx serve -c DIR` wants the directory that holds it")
    loaded = Loaded(directory)
    root = Table(where=Where(MAIN, 1, 1))
    origins: dict[tuple[str, ...], Where] = {}
    names = [directory / MAIN]
    if (directory / TESTS).is_file():
        names.append(directory / TESTS)
    while names:
        path = names.pop(0)
        if path in loaded.files:
            continue
        loaded.files.append(path)
        table, findings = read_toml(path, relative(path, directory))
        loaded.findings += findings
        names += _includes(table, path, loaded)
        _merge(root, table, (), origins, loaded.findings)
    loaded.findings += expand(root, directory, loaded.files)
    for path in sorted(loaded.files):
        loaded.take(path)
    loaded.digest = digest_of(loaded.texts())
    if not loaded.errors:
        _validate(root, loaded)
    return loaded


def digest_of(texts: dict[str, str]) -> str:
    """Return one SHA-256 for a directory's files."""
    digest = hashlib.sha256()
    for name, text in sorted(texts.items()):
        digest.update(f"{name}\0{text}\0".encode())
    return digest.hexdigest()


def _includes(table: Table, path: Path, loaded: Loaded) -> list[Path]:
    wanted = table.pop("include", [])
    found = []
    for pattern in map(str, wanted if isinstance(wanted, list) else [wanted]):
        try:
            matches = sorted(p for p in path.parent.glob(pattern) if p.is_file())
        except (NotImplementedError, ValueError, IndexError):  # absolute, empty, "."
            matches = []
        if not matches and not any(c in pattern for c in "*?["):
            what, cure = _not_included(pattern, path)
            loaded.findings.append(Finding(table.at("include"), Severity.ERROR, what, cure))
        found += matches
    return found


def _not_included(pattern: str, by: Path) -> tuple[str, str]:
    """Say why an include names no file, and what would."""
    folder = by.parent
    if pattern.startswith("/"):
        return f'include names "{pattern}", which is absolute', "files are named from the one that includes them"
    if pattern and (folder / pattern).is_dir():
        return f'include names the directory "{pattern}"', f'write "{pattern.rstrip("/")}/*.toml" for the files in it'
    near = difflib.get_close_matches(pattern, [p.name for p in folder.glob("*.toml") if p != by], 1)
    return f'include names "{pattern}", which is not there', f'did you mean "{near[0]}"?' if near else ""


def _merge(
    root: Table, table: Table, path: tuple[str, ...], origins: dict[tuple[str, ...], Where], findings: list[Finding]
) -> None:
    """Join the files: tables merge, lists of tables append, the same key twice is an error naming both places."""
    for key, value in table.items():
        here = table.at(key)
        there = root.get(key)
        if there is None:
            root[key] = value
            root.keys_at[key] = here
        elif isinstance(there, Table) and isinstance(value, Table) and len(path) < 1:
            _merge(there, value, (*path, key), origins, findings)
        elif isinstance(there, list) and isinstance(value, list) and path == () and key == "test":
            there += value
        elif isinstance(there, Table) and isinstance(value, Table) and path == ("contexts",):
            _merge_context(there, value)
        else:
            shown = ".".join((*path, key))
            findings.append(
                Finding(
                    here,
                    Severity.ERROR,
                    f"{shown} stands twice: here and at {root.at(key)}",
                    "keep one of them, or put both together",
                )
            )


def _merge_context(there: Table, value: Table) -> None:
    routes = there.get("route"), value.get("route")
    merged = lay_over(there, value)
    if all(isinstance(r, list) for r in routes):
        merged["route"] = [*routes[0], *routes[1]]  # type: ignore[misc]
    there.clear()
    there.update(merged)
    there.keys_at = merged.keys_at


def _validate(root: Table, loaded: Loaded) -> None:
    try:
        loaded.config = Config.model_validate(root)
    except ValidationError as error:
        loaded.findings += [_finding(dict(e), root) for e in error.errors(include_url=False)]


def _finding(error: dict[str, Any], root: Table) -> Finding:
    """Turn one of pydantic's errors into a sentence with a place and a cure."""
    where, shown = _locate(root, error["loc"])
    kind, name = error["type"], str(error["loc"][-1])
    if kind == "extra_forbidden":
        return _unknown_key(error["loc"], where, name, shown.removesuffix(name).rstrip("."))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _no_verb(error, where)
    if kind == "missing":
        return Finding(where, Severity.ERROR, f"{shown} is missing", f"add {name} = …")
    value = error.get("input")
    if kind in ("tuple_type", "list_type") and isinstance(value, Table):
        return Finding(where, Severity.ERROR, f"{shown} is a list of tables", f"write its header as [[{shown}]]")
    if kind == "literal_error":
        allowed = error["ctx"]["expected"]
        if shown.endswith(".strategy") and (ours := STRATEGIES_ELSEWHERE.get(str(value).lower())):
            return Finding(where, Severity.ERROR, f"{shown} cannot be {value!r}", f'here it is called "{ours}"')
        near = difflib.get_close_matches(str(value), allowed.replace("'", "").replace(" or ", ", ").split(", "), 1)
        cure = f'did you mean "{near[0]}"?' if near else f"it may be {allowed.replace(chr(39), chr(34))}"
        return Finding(where, Severity.ERROR, f"{shown} cannot be {value!r}", cure)
    message = error["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return Finding(where, Severity.ERROR, f'{shown} = "{value}" {message}')
    return Finding(where, Severity.ERROR, f"{shown}: {message[0].lower()}{message[1:]}", _type_cure(kind, value))


def _type_cure(kind: str, value: object) -> str:
    if kind.startswith(("greater_than", "less_than", "finite")):
        return f"write another number instead of {value}"
    if kind.startswith(("int_", "float_")):
        return f"write a number instead of {value!r}"
    if kind.startswith("string"):
        return "write text in quotes"
    if kind.startswith("bool"):
        return "write true or false"
    if kind.startswith(("dict", "model")):
        return "write a table: { key = value }"
    return ""


def _locate(root: Table, loc: tuple[str | int, ...]) -> tuple[Where, str]:
    """Follow an error's path through the tables; parts that are pydantic's own (tags) are passed over."""
    current: object = root
    where, shown = root.where, []
    for at, part in enumerate(loc):
        if _is_tag(part, loc[at + 1 :], current):
            continue
        if isinstance(current, Table) and isinstance(part, str):
            key = part if part in current else kebab(part)
            if key in current or part == loc[-1]:
                where = current.at(key) if key in current else current.where
                shown.append(key)
                current = current.get(key)
                continue
            if part in VERBS or part == "function-before":
                continue
        if isinstance(current, list) and isinstance(part, int) and part < len(current):
            current = current[part]
            shown.append(f"[{part + 1}]")
            if isinstance(current, Table):
                where = current.where
            continue
        if isinstance(part, int) and isinstance(current, Table):
            continue  # one stood where a list may stand
    return where, ".".join(shown).replace(".[", "[")


def _is_tag(part: str | int, rest: tuple[str | int, ...], table: object) -> bool:
    """Say whether a part of an error's path is the verb of a step, which stands before the step's own keys."""
    spec = VERBS.get(str(part))
    if spec is None or not rest or not isinstance(table, Table):
        return False
    inner = table.get(str(part))
    if isinstance(inner, Table) and rest[0] in inner:
        return False
    return rest[0] in table or kebab(str(rest[0])) in {kebab(name) for name in spec.model_fields}


def _unknown_key(loc: tuple[str | int, ...], where: Where, name: str, place: str) -> Finding:
    known = _fields_at(loc[:-1])
    near = difflib.get_close_matches(name, known, 1, 0.6)
    cure = f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(sorted(known)[:12])}" if known else ""
    named = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
    return Finding(where, Severity.ERROR, f'unknown key "{named}" in {place or "the top level"}', cure)


def _fields_at(loc: tuple[str | int, ...]) -> list[str]:
    """Return the keys that a table at this path may have."""
    spec: type[BaseModel] | None = Config
    for part in map(str, loc):
        if part in VERBS and spec is not None and kebab(part) not in {kebab(f) for f in spec.model_fields}:
            spec = VERBS[part]
            continue
        if spec is None:
            break
        if part.isdigit():
            continue
        field_info = next((f for n, f in spec.model_fields.items() if kebab(n) == part), None)
        if field_info is None:
            continue  # the name of an entry
        spec = _model_in(field_info.annotation) or VERBS.get(part, spec)
    return [kebab(name) for name in spec.model_fields] if spec is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if found := _model_in(argument):
            return found
    return None


def _no_verb(error: dict[str, Any], where: Where) -> Finding:
    value = error.get("input")
    if isinstance(value, Table):
        where = value.where if value.where.line else where
        keys = [str(key) for key in value]
        for key in keys:
            if near := difflib.get_close_matches(key, VERBS, 1):
                return Finding(where, Severity.ERROR, f'unknown step "{key}"', f'did you mean "{near[0]}"?')
        return Finding(where, Severity.ERROR, f"a step needs a verb; this has {', '.join(keys) or 'nothing'}")
    return Finding(where, Severity.ERROR, f"a step is a table, not {value!r}", 'write { play = "welcome" }')
