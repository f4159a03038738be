"""Said once, laid over many: defaults, ranges, teams, templates, CSV imports, before anything is validated."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from pbx.config.where import Finding, Severity, Table, Where

RANGE = re.compile(r"(\d+)\.\.(\d+)")
MAX_RANGE = 20_000
_DEFAULTS = {
    "endpoint-defaults": "endpoints",
    "agent-defaults": "agents",
    "queue-defaults": "queues",
    "trunk-defaults": "trunks",
}


def expand(root: Table, directory: Path, files: list[Path]) -> list[Finding]:
    """Expand *root* in place and return what was wrong; imported files are added to *files*."""
    findings: list[Finding] = []
    _templates(root, findings)
    for name in ("endpoints", "agents"):
        _imports(root, name, directory, findings, files)
        if isinstance(table := root.get(name), Table):
            root[name] = _ranges(table, findings)
    for key, target in _DEFAULTS.items():
        _defaults(root, key, target, findings)
    return findings


def lay_over(base: Table, top: Table) -> Table:
    """Lay *top* over *base* key by key: tables merge, everything else is replaced."""
    merged = Table(dict(base), top.where)
    merged.keys_at = {**base.keys_at, **top.keys_at}
    for key, value in top.items():
        below = base.get(key)
        merged[key] = lay_over(below, value) if isinstance(value, Table) and isinstance(below, Table) else value
    return merged


def _defaults(root: Table, key: str, target: str, findings: list[Finding]) -> None:
    defaults = root.pop(key, None)
    if defaults is None:
        return
    if not isinstance(defaults, Table):
        findings.append(Finding(root.at(key), Severity.ERROR, f"{key} must be a table"))
        return
    entries = root.get(target)
    if isinstance(entries, Table):
        for name, entry in entries.items():
            if isinstance(entry, Table):
                entries[name] = lay_over(defaults, entry)


def _ranges(table: Table, findings: list[Finding]) -> Table:
    """Turn "2001..2050" into entries; a single entry is laid over its range."""
    made = Table(where=table.where)
    singles: list[tuple[str, object]] = []
    for key, value in table.items():
        match = RANGE.fullmatch(key)
        if match is None:
            singles.append((key, value))
            continue
        first, last = match.group(1), match.group(2)
        if int(last) < int(first) or int(last) - int(first) >= MAX_RANGE:
            findings.append(
                Finding(table.at(key), Severity.ERROR, f'"{key}" is no range', 'write "2001..2050", the smaller first')
            )
            continue
        for number in range(int(first), int(last) + 1):
            name = str(number).zfill(len(first))
            made[name] = value
            made.keys_at[name] = table.at(key)
    for key, value in singles:
        below = made.get(key)
        made[key] = lay_over(below, value) if isinstance(value, Table) and isinstance(below, Table) else value
        made.keys_at[key] = table.at(key)
    for key, value in list(made.items()):
        made[key] = _filled(value, {"number": key})
    return made


def _filled(value: object, values: dict[str, str]) -> object:
    """Put values into every {name} of a tree of tables and lists."""
    if isinstance(value, str):
        for name, text in values.items():
            value = value.replace("{" + name + "}", text)
        return value
    if isinstance(value, Table):
        copy = Table({k: _filled(v, values) for k, v in value.items()}, value.where)
        copy.keys_at = value.keys_at
        return copy
    if isinstance(value, list):
        return [_filled(v, values) for v in value]
    return value


def _imports(root: Table, name: str, directory: Path, findings: list[Finding], files: list[Path]) -> None:
    """``[agents] import = "agents.csv"``: a header line of keys, ``queues.NAME`` and ``skills.NAME`` for tables."""
    table = root.get(name)
    if not isinstance(table, Table) or not isinstance(file := table.pop("import", None), str):
        return
    path = directory / file
    files.append(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        findings.append(Finding(table.at("import"), Severity.ERROR, f"cannot import {file}: {error}"))
        return
    for line, row in enumerate(rows, 2):
        where = Where(file, line, 1)
        key = row.pop("key", None) or row.pop("number", None) or row.pop("name", None)
        if not key:
            findings.append(Finding(where, Severity.ERROR, "no key", "the first column is called key"))
            continue
        if key not in table:
            table[key] = _csv_entry(row.items(), where)
            table.keys_at[key] = where


def _csv_entry(cells: Iterable[tuple[str, str | None]], where: Where) -> Table:
    entry = Table(where=where)
    for column, cell in cells:
        if column is None or not cell:
            continue
        outer, dot, inner = column.partition(".")
        value: object = int(cell) if dot and cell.isdigit() else cell
        if dot:
            nested = entry.setdefault(outer, Table(where=where))
            assert isinstance(nested, Table)
            nested[inner] = value
        else:
            entry[outer] = value
    return entry


def _templates(root: Table, findings: list[Finding]) -> None:
    """``[templates.X]`` holds tables with {name}s; ``[templates.X.use.NAME]`` gives the values of one use."""
    templates = root.pop("templates", None)
    if not isinstance(templates, Table):
        return
    for name, template in templates.items():
        if not isinstance(template, Table) or not isinstance(uses := template.get("use", Table()), Table):
            findings.append(Finding(templates.at(name), Severity.ERROR, f"template {name} must be a table"))
            continue
        for use, values in uses.items():
            texts = {k: str(v) for k, v in values.items()} if isinstance(values, Table) else {}
            _use(root, template, {"name": use, **texts}, findings)


def _use(root: Table, template: Table, values: dict[str, str], findings: list[Finding]) -> None:
    for topic, entries in template.items():
        if topic == "use" or not isinstance(entries, Table):
            continue
        target = root.setdefault(topic, Table(where=entries.where))
        assert isinstance(target, Table)
        for key, entry in entries.items():
            filled = _filled(key, values)
            assert isinstance(filled, str)
            if filled in target:
                findings.append(
                    Finding(
                        entries.at(key),
                        Severity.ERROR,
                        f"[{topic}.{filled}] stands in the files already, at {target.at(filled)}",
                        "give the template's entry a {name}",
                    )
                )
                continue
            target[filled] = _filled(entry, values)
            target.keys_at[filled] = entries.at(key)
