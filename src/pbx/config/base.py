"""What every configured type shares: frozen, strict about keys, kebab-case in TOML, aware of its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, PrivateAttr, model_validator

from pbx.config.where import NOWHERE, Table, Where


def kebab(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


class Spec(BaseModel):
    """A table of the configuration."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=kebab,
        populate_by_name=True,
        strict=False,
        coerce_numbers_to_str=True,
    )
    _where: Where = PrivateAttr(default_factory=lambda: NOWHERE)  # a default would be copied for every table
    _keys_at: dict[str, Where] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _locate(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        made = handler(data)
        if isinstance(data, Table):
            made._where = data.where
            made._keys_at = data.keys_at
        return made

    @property
    def where(self) -> Where:
        """Where this table stands."""
        private = self.__pydantic_private__  # a tenth of the time that it takes to find by name: every step is told
        assert private is not None
        where: Where = private["_where"]
        return where

    def where_of(self, field: str) -> Where:
        """Where one of its keys stands; *field* as in Python."""
        return self._keys_at.get(kebab(field), self._where)


def one_or_many(value: Any) -> Any:
    """Let one stand where a list may stand."""
    return value if isinstance(value, list | tuple) else [value]


Check = Callable[[Any], Any]
