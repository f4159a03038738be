"""What can be proved of a configuration before a call uses it."""

from __future__ import annotations

from pbx.config.config import Config
from pbx.config.where import Finding


def check(config: Config) -> list[Finding]:
    """Return everything that an administrator should know about *config*."""
    return []
