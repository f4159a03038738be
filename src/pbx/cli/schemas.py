"""``pbx schema``: the JSON schema of each answer, for who writes programs against ``--json``."""

from __future__ import annotations

import click
import orjson

from pbx.cli.client import NotThere


@click.command()
@click.argument("name", required=False)
def schema(name: str | None) -> None:
    """Print the JSON schema of what `pbx show NAME --json` prints; without NAME, the names."""
    from pbx.api.schemas import SHAPES
    from pbx.api.schemas import schema as schema_of

    if name is None:
        click.echo("\n".join(SHAPES))
        return
    if name not in SHAPES:
        raise NotThere(f"no schema {name}; there are {', '.join(SHAPES)}")
    click.echo(orjson.dumps(schema_of(name), option=orjson.OPT_INDENT_2).decode())
