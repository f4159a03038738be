"""``pbx test``: the test files of a configuration, in virtual time."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

import click

from pbx.dialplan.coverage import coverage
from pbx.dialplan.testing import Result, run_cases
from pbx.reloading import checked


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=Path("conf"))
@click.option("-k", "--name", "part", default="", help="Only tests whose name has this in it.")
@click.option("-v", "--verbose", is_flag=True, help="Show every trace.")
@click.option("--coverage/--no-coverage", "shows_coverage", default=True, help="Show what no test reached.")
@click.option("--json", "as_json", is_flag=True, help="Write the results as JSON.")
def test(directory: Path, part: str, verbose: bool, shows_coverage: bool, as_json: bool) -> None:
    """Run the [[test]]s of a configuration; exit status 1 where one fails."""
    logging.disable(logging.WARNING)
    loaded = checked(directory)
    for finding in loaded.errors:
        click.echo(str(finding), err=True)
    config = loaded.valid() if not loaded.errors else sys.exit(1)
    cases = [case for case in config.test if part in case.name]
    began = time.perf_counter()
    results = run_cases(config, cases)
    took_s = time.perf_counter() - began
    failed = [result for result in results if not result.passed]
    report = coverage(config, results)
    if as_json:
        _as_json(results, report.as_data())
    else:
        for result in results:
            _show(result, verbose=verbose)
        if shows_coverage and not part:
            for line in report.lines():
                click.echo(line)
        click.echo(f"{directory}: {len(results) - len(failed)} of {len(results)} tests passed in {took_s:.2f} s")
    if failed:
        sys.exit(1)


def _show(result: Result, *, verbose: bool) -> None:
    click.echo(f"{'pass' if result.passed else 'FAIL'}  {result.case.name}")
    for problem in result.problems:
        click.echo(f"      {result.case.where}: {problem}")
    if verbose or not result.passed:
        for line in result.trace:
            click.echo(f"        {line}")


def _as_json(results: list[Result], covered: dict[str, object]) -> None:
    import orjson

    data = {
        "tests": [{"name": r.case.name, "passed": r.passed, "problems": r.problems, "trace": r.trace} for r in results],
        "coverage": covered,
    }
    click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())
