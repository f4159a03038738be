"""Where something stands in the files, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a file; line and column count from 1."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.file:
            return "(nowhere)"
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


NOWHERE = Where()


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an administrator should know."""

    where: Where
    severity: Severity
    what: str
    cure: str = ""

    def __str__(self) -> str:
        cure = f"\n    {self.cure}" if self.cure else ""
        return f"{self.where}: {self.severity.value}: {self.what}{cure}"


class Table(dict[str, object]):
    """A TOML table that knows where it and each of its keys stand."""

    __slots__ = ("keys_at", "where")

    def __init__(self, values: dict[str, object] | None = None, where: Where = NOWHERE) -> None:
        super().__init__(values or {})
        self.where = where
        self.keys_at: dict[str, Where] = {}

    def at(self, key: str) -> Where:
        return self.keys_at.get(key, self.where)


def relative(path: Path, to: Path) -> str:
    try:
        return str(path.relative_to(to))
    except ValueError:
        return str(path)
