"""``pbx simulate`` and ``pbx acd replay``: what would be, and whether what was would be again."""

from __future__ import annotations

import csv
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import click
import orjson

from pbx.acd.agent import AgentSpec
from pbx.acd.erlang import Expected, erlang_a, erlang_c
from pbx.acd.replay import first_difference, replay
from pbx.acd.simulate import Caller, People, Shift
from pbx.acd.skills import Need
from pbx.acd.whatif import Figures, Interval, Load, Plan, day_of, figures, interval, run
from pbx.apps.staff import agent_specs
from pbx.config.config import Config
from pbx.config.queues import Strategy
from pbx.errors import PbxError

DIRECTORY = click.Path(path_type=Path)


def hours_of(text: str) -> tuple[float, ...]:
    """Read "60" (every hour), or "40,60,90" (hour by hour from the beginning).

    :raises PbxError: for anything else.
    """
    try:
        rates = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise PbxError(f'"{text}" are no calls an hour: write 60, or 40,60,90 for hour after hour') from None
    if any(rate < 0 for rate in rates):
        raise PbxError("calls an hour cannot be negative")
    return rates


def duration_of(text: str) -> float:
    """Read "+1h", "-30min", "90s" as seconds.

    :raises PbxError: for anything else.
    """
    for unit, seconds in (("min", 60), ("h", 3600), ("s", 1)):
        if text.endswith(unit):
            try:
                return float(text.removesuffix(unit)) * seconds
            except ValueError:
                break
    raise PbxError(f'"{text}" is no duration: write +1h, -30min, 90s')


def callers_from_csv(path: Path, config: Config) -> list[Caller]:
    """Read arrivals: columns at_s, queue, handling_s, and if they are there patience_s and needs ("billing=3 …").

    :raises PbxError: with the line that cannot be used.
    """
    found = []
    try:
        with path.open(newline="") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                found.append(_caller(row, config, f"{path}:{number}"))
    except OSError as error:
        raise PbxError(f"{path}: {error.strerror}") from error
    return sorted(found, key=lambda caller: caller.at)


def _caller(row: dict[str, Any], config: Config, where: str) -> Caller:
    try:
        needs = tuple(
            Need(skill, int(level)) for skill, _, level in (w.partition("=") for w in (row.get("needs") or "").split())
        )
        caller = Caller(
            float(row["at_s"]), row["queue"], float(row["handling_s"]), float(row.get("patience_s") or "inf"), needs
        )
    except (KeyError, ValueError, TypeError) as error:
        raise PbxError(f"{where}: not an arrival ({error}); columns are at_s, queue, handling_s") from error
    if caller.queue not in config.queues:
        raise PbxError(f"{where}: no queue {caller.queue}; there are {', '.join(config.queues)}")
    return caller


def callers_from_log(path: Path, config: Config, patience_s: float) -> list[Caller]:
    """Read a past day from a server's database: who entered when, and how long each was talked to.

    Callers who were not answered get the mean handling time of their queue; patience is known of nobody who was
    served, so it is the one given.
    """
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        entered = database.execute(
            "SELECT at_utc, data FROM events WHERE kind = 'queue.entered' ORDER BY seq"
        ).fetchall()
        served = database.execute("SELECT data FROM events WHERE kind = 'queue.served'").fetchall()
    database.close()
    if not entered:
        raise PbxError(f"{path}: nobody entered a queue")
    talk_s = {v.get("entry_id", ""): v.get("talk_ms", 0) / 1000 for v in (orjson.loads(data) for (data,) in served)}
    mean_s = sum(talk_s.values()) / len(talk_s) if talk_s else 180.0
    first = entered[0][0]
    found = []
    for at, data in entered:
        values = orjson.loads(data)
        if values.get("queue") in config.queues:
            needs = tuple(
                Need(skill, int(level)) for skill, _, level in (n.partition("=") for n in values.get("needs", ()))
            )
            handling_s = talk_s.get(values["entry_id"], mean_s)
            found.append(Caller(at - first, values["queue"], handling_s, patience_s, needs, values.get("priority", 0)))
    return found


@click.command()
@click.argument("directory", type=DIRECTORY, default=Path("conf"))
@click.option("--queue", "queues", multiple=True, help="A queue that is called; default: every one.")
@click.option("--calls-per-hour", "rates", default="60", show_default=True, help="Each queue's: 60, or 40,60,90 …")
@click.option("--handling", "handling_s", default=180.0, show_default=True, help="Mean talk, seconds.")
@click.option("--patience", "patience_s", default=120.0, show_default=True, help="Mean; 0: they wait for ever.")
@click.option("--csv", "arrivals", type=DIRECTORY, help="Arrivals from a file instead: at_s, queue, handling_s …")
@click.option("--log", "past", type=DIRECTORY, help="Arrivals from a server's database instead.")
@click.option("--hours", default=8.0, show_default=True, help="Everybody's shift, from the first hour on.")
@click.option("--answer", "answer_s", default=3.0, show_default=True, help="Seconds until an agent picks up.")
@click.option("--ignores", default=0.0, show_default=True, help="Share of offers that agents let ring.")
@click.option("--days", default=10, show_default=True, help="Days to simulate; more narrow the limits.")
@click.option("--seed", default=1, show_default=True)
@click.option("--agents", "more", default=0, help="What if: so many agents more, or less (+2, -1).")
@click.option("--shift", "longer", default="", help="What if: shifts end later, or earlier (+1h, -30min).")
@click.option("--strategy", type=click.Choice(get_args(Strategy)), help="What if: another strategy.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def simulate(directory: Path, more: int, longer: str, strategy: str | None, as_json: bool, **how: Any) -> None:
    """What would days with these queues, agents and callers be?

    Runs the live system's own core in simulated time. With a what-if, today's figures stand beside it.
    """
    from pbx.config.loader import load

    config = load(directory).valid()
    plan = _plan(config, how)
    draw = _draw(config, how)
    runs = {"as it is": plan}
    changed = plan.with_agents(more) if more else plan
    changed = changed.with_shift(duration_of(longer)) if longer else changed
    changed = changed.with_strategy(strategy) if strategy else changed
    if changed is not plan:
        words = [f"{more:+d} agents" * bool(more), longer and f"shift {longer}", strategy or ""]
        runs[", ".join(word for word in words if word)] = changed
    names = sorted({caller.queue for caller in draw(how["seed"])})
    shown: dict[str, Any] = {}
    for title, one in runs.items():
        results = run(one, draw, how["days"], how["seed"])
        found = [figures(name, results) for name in names]
        occupancy = interval([result.occupancy for result in results])
        if as_json:
            shown[title] = {"agents": len(one.agents), "occupancy": asdict(occupancy),
                            "queues": [asdict(x) for x in found]}  # fmt: skip
        else:
            _show(f"{title}: {len(one.agents)} agents, {how['days']} days", found, occupancy)
    formulas = [] if how["arrivals"] or how["past"] else _formulas(changed, names, how)
    if as_json:
        shown["formulas"] = [asdict(expected) | {"name": name} for name, expected in formulas]
        click.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode())
        return
    for name, expected in formulas:
        click.echo(
            f"{name:34} level {expected.service_level:6.1%}  ASA {expected.wait_s:7.1f} s  "
            f"abandoned {expected.p_abandon:6.1%}  occupancy {expected.occupancy:6.1%}"
        )


def _plan(config: Config, how: dict[str, Any]) -> Plan:
    agents = {name: spec for name, spec in agent_specs(config).items() if spec.queues}
    if not agents:
        raise PbxError("no agent is in a queue")
    unknown = [name for name in how["queues"] if name not in config.queues]
    if unknown:
        raise PbxError(f"no queue {unknown[0]}; there are {', '.join(config.queues)}")
    shifts = tuple(Shift(name, 0.0, how["hours"] * 3600) for name in agents)
    return Plan(config.queues, agents, shifts, People(how["answer_s"], how["ignores"]))


def _draw(config: Config, how: dict[str, Any]) -> Callable[[int], Sequence[Caller]]:
    """Return what gives a day's callers for a seed; a file or a log gives the same day each time."""
    patience_s = how["patience_s"] or float("inf")
    if how["arrivals"] or how["past"]:
        fixed = (
            callers_from_csv(how["arrivals"], config)
            if how["arrivals"]
            else callers_from_log(how["past"], config, patience_s)
        )
        return lambda seed: fixed
    rates = hours_of(how["rates"])
    if len(rates) == 1:
        rates *= max(1, int(how["hours"]))
    loads = [Load(name, rates, how["handling_s"], patience_s) for name in how["queues"] or config.queues]
    return lambda seed: day_of(loads, seed)


def _formulas(plan: Plan, names: Sequence[str], how: dict[str, Any]) -> list[tuple[str, Expected]]:
    """Return Erlang C and A of each queue as if its agents had no other, at the mean rate."""
    rates = hours_of(how["rates"])
    per_s = sum(rates) / len(rates) / 3600
    found: list[tuple[str, Expected]] = []
    for name in names:
        team = [spec for spec in plan.agents.values() if name in spec.queues]
        handling_s = how["handling_s"] + _mean_wrap_up(plan, name, team)
        within_s = plan.queues[name].service_level_s
        try:
            found.append((f"Erlang C, {name} alone", erlang_c(len(team), per_s, handling_s, within_s)))
        except ValueError as error:
            click.echo(f"Erlang C, {name} alone: {error}", err=True)
        if how["patience_s"] and team:
            expected = erlang_a(len(team), per_s, handling_s, how["patience_s"], within_s)
            found.append((f"Erlang A, {name} alone", expected))
    return found


def _mean_wrap_up(plan: Plan, queue: str, team: Sequence[AgentSpec]) -> float:
    of_queue = plan.queues[queue].wrap_up_s
    default = 15.0 if of_queue is None else of_queue
    return sum(default if a.wrap_up_s is None else a.wrap_up_s for a in team) / len(team) if team else 0.0


def _show(title: str, found: Sequence[Figures], occupancy: Interval) -> None:
    click.echo(f"{title}; occupancy {_percent(occupancy)}")
    for x in found:
        click.echo(
            f"  {x.queue:14} calls {_number(x.entered)}  level {_percent(x.service_level)}  "
            f"ASA {_number(x.asa_s)} s  abandoned {_percent(x.abandoned)}  longest {_number(x.longest_s)} s"
        )


def _percent(x: Interval) -> str:
    if x.mean is None:
        return "–"
    return f"{x.mean:.1%}" + (f" ± {x.half:.1%}" if x.half is not None else "")


def _number(x: Interval) -> str:
    if x.mean is None:
        return "–"
    return f"{x.mean:.1f}" + (f" ± {x.half:.1f}" if x.half is not None else "")


@click.group()
def acd() -> None:
    """The call centre's core."""


@acd.command("replay")
@click.argument("directory", type=DIRECTORY, default=Path("conf"))
@click.option("--state", type=DIRECTORY, default=None, help="Where var/ lives; default: the configuration directory.")
def replay_command(directory: Path, state: Path | None) -> None:
    """Feed the last run's log back to the core; exit status 1 where a decision differs."""
    from pbx.config.loader import load

    config = load(directory).valid()
    path = (state or directory) / config.store.path
    seed, fed, kept = last_run(path)
    made = replay(config.queues, agent_specs(config), seed, fed)
    found = first_difference(((d.entry_id, d.chosen) for d in made), kept)
    if found:
        click.echo(f"{path}: {found}")
        sys.exit(1)
    click.echo(f"{path}: {len(fed)} inputs, {len(kept)} decisions, all as they were")


def last_run(path: Path) -> tuple[int, list[tuple[float, dict[str, Any]]], list[tuple[str, tuple[str, ...]]]]:
    """Read the seed, inputs and decisions of a database's last run.

    :raises PbxError: where there is none.
    """
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            rows = database.execute(
                "SELECT kind, data FROM events WHERE kind IN ('acd.began', 'acd.fed', 'acd.decided') AND seq >= "
                "(SELECT max(seq) FROM events WHERE kind = 'acd.began') ORDER BY seq"
            ).fetchall()
        database.close()
    except sqlite3.Error as error:
        raise PbxError(f"{path}: {error}") from error
    if not rows:
        raise PbxError(f"{path}: no run with queues is in this log")
    seed, fed, kept = 0, [], []
    for kind, data in rows:
        values = orjson.loads(data)
        if kind == "acd.began":
            seed = values.get("seed", 0)
        elif kind == "acd.fed":
            fed.append((values.get("at", 0.0), orjson.loads(values["fed"])))
        else:
            kept.append((values["entry_id"], tuple(values.get("chosen", ()))))
    return seed, fed, kept


COMMANDS = (simulate, acd)
