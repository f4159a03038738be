"""Where something stands in the files, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Where:
    """A place in a file; line and column count from 1, and 0 says that the file as a whole is meant.

    Reading a file gives places by the thousand, and a good file has nothing told about it: so a place may be found
    later, by the function *find*, which is called once, when somebody asks for its line.
    """

    __slots__ = ("_column", "_find", "_line", "file")

    def __init__(
        self, file: str = "", line: int = 0, column: int = 0, find: Callable[[], tuple[int, int]] | None = None
    ) -> None:
        self.file = file
        self._line = line
        self._column = column
        self._find = find

    def _place(self) -> tuple[int, int]:
        if self._find is not None:
            (self._line, self._column), self._find = self._find(), None
        return self._line, self._column

    @property
    def line(self) -> int:
        return self._place()[0]

    @property
    def column(self) -> int:
        return self._place()[1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Where) and self.file == other.file and self._place() == other._place()

    def __hash__(self) -> int:
        return hash((self.file, self._place()))

    def __repr__(self) -> str:
        return f"Where({str(self)!r})"

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
