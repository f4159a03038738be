"""What can be proved of a configuration before a call uses it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pbx.config.config import Config
from pbx.config.where import Finding, Severity
from pbx.dialplan.checks import endings, facts, names, routing, safety
from pbx.dialplan.prompts import PromptNames, known_prompts
from pbx.dialplan.routes import Routes


def check(
    config: Config, directory: Path | None = None, *, prompts: PromptNames | None = None, today: date | None = None
) -> list[Finding]:
    """Return everything that an administrator should know about *config*, in the order of the files."""
    found = [
        *routing.patterns(config),
        *safety.calendars(config),
        *names.names(config, prompts or known_prompts(directory)),
        *routing.countries(config),
    ]
    if not any(finding.severity is Severity.ERROR for finding in found):
        found += _deeper(config, today or safety.today())
    unique = list(dict.fromkeys(found))
    return sorted(unique, key=lambda f: (f.where.file, f.where.line, f.where.column))


def _deeper(config: Config, today: date) -> list[Finding]:
    """Prove what makes sense only where every name stands for something."""
    routes = Routes(config)
    graph = endings.Endings(config, routes)
    return [
        *routing.routes(config),
        *endings.endings(config, graph),
        *endings.exits(config),
        *facts.Facts(config, graph).findings_of(),
        *safety.safety(config, routes),
        *safety.ahead(config, today),
    ]
