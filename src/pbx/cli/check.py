"""``pbx check``: prove what can be proved, or draw the call flow."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import click

from pbx.config.where import Severity
from pbx.dialplan.graph import graph
from pbx.reloading import checked


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=Path("conf"))
@click.option("--graph", "draws", is_flag=True, help="Write the call flow as Graphviz DOT instead.")
@click.option("--notes", is_flag=True, help="Show notes too: what answers, what lasts until somebody hangs up.")
@click.option("--strict", is_flag=True, help="Fail on warnings.")
def check(directory: Path, draws: bool, notes: bool, strict: bool) -> None:
    """Prove what can be proved of a configuration; exit status 1 where something is wrong."""
    loaded = checked(directory)
    gc.freeze()  # at the exit the collector would look at all of it once more
    if draws:
        click.echo(graph(loaded.valid()))
        return
    shown = [finding for finding in loaded.findings if notes or finding.severity is not Severity.NOTE]
    for finding in shown:
        click.echo(str(finding), err=True)
    errors = len(loaded.errors)
    warnings = sum(finding.severity is Severity.WARNING for finding in loaded.findings)
    counted = f"{warnings} warning{'s' * (warnings != 1)}"
    if errors:
        click.echo(f"{directory}: {errors} error{'s' * (errors > 1)}, {counted}")
        sys.exit(1)
    assert loaded.config is not None
    counts = f"{len(loaded.config.endpoints)} endpoints, {len(loaded.config.trunks)} trunks"
    click.echo(f"{directory}: good ({counts}, {counted})")
    if strict and warnings:
        sys.exit(1)
