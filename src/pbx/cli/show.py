"""``pbx show …``: what is going on, as tables or as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pbx.cli.client import NotThere, ask, find_socket, quoted
from pbx.cli.common import asks, print_json
from pbx.cli.names import AGENT, CALL, ENDPOINT, QUEUE
from pbx.cli.tables import clock, lasted, output, percent, print_table
from pbx.cli.views import CALLERS, LEGS, MEMBERS, VIEWS, View


@click.group()
def show() -> None:
    """What is going on in a running server."""


def _list(name: str, view: View) -> click.Command:
    @click.command(name, help=view.help)
    @asks
    def listing(directory: Path | None, as_json: bool) -> None:
        rows = ask(find_socket(directory), "GET", view.url)
        if as_json:
            print_json(rows)
            return
        print_table(rows, view.columns)
        click.echo(f"{len(rows)} {name if len(rows) != 1 else name.removesuffix('s')}")

    return listing


for _name, _view in VIEWS.items():
    show.add_command(_list(_name, _view))


@show.command()
@click.argument("call", type=CALL)
@asks
def call(call: str, directory: Path | None, as_json: bool) -> None:
    """One call with its legs; CALL is any of its ids, a leg's, or a SIP Call-ID."""
    found = ask(find_socket(directory), "GET", f"/v1/calls/{quoted(call)}")
    if as_json:
        print_json(found)
        return
    number = f" ({found['number']})" if found["number"] not in ("", found["dialled"]) else ""
    click.echo(f"call {found['call_id']}: {found['state']} for {lasted(found['duration_s'])}")
    click.echo(f"  {found['caller']} {found['caller_name']} by {found['source']} dialled {found['dialled']}{number}")
    if (waiting := found["waiting"]) is not None:
        where = f"waits in {waiting['queue']}, position {waiting['position']}, for {lasted(waiting['waited_s'])}"
        click.echo(f"  {where} ({waiting['entry_id']})")
    print_table(found["legs"], LEGS)


@show.command()
@click.argument("queue", type=QUEUE)
@asks
def queue(queue: str, directory: Path | None, as_json: bool) -> None:
    """One queue: its day, its members, its callers."""
    found = ask(find_socket(directory), "GET", f"/v1/queues/{quoted(queue)}")
    if as_json:
        print_json(found)
        return
    today = found["today"]
    out = output()
    state = "" if found["open"] else ", closed"
    out.print(
        f"[bold]{found['queue']}[/]: {found['waiting']} waiting (longest {lasted(found['longest_wait_s'])}), "
        f"strategy {found['strategy']}, weight {found['weight']}{state}"
    )
    out.print(
        f"  today: {today['entered']} entered, {today['answered']} answered (ASA {lasted(today['asa_s'])}), "
        f"{today['abandoned']} abandoned ({today['short_abandoned']} short), "
        f"{today['timeout']} timed out, {today['emptied']} without agents ({today['overflowed']} overflowed), "
        f"{today['refused']} refused; "
        f"service level {percent(today['service_level'])} within {found['service_level_s']:g} s"
    )
    print_table(found["members"], MEMBERS, out)
    if found["callers"]:
        out.print()
        print_table(found["callers"], CALLERS, out)
    click.echo(f"{len(found['members'])} members, {len(found['callers'])} callers")


@show.command()
@click.argument("agent", type=AGENT)
@asks
def agent(agent: str, directory: Path | None, as_json: bool) -> None:
    """One agent."""
    found = ask(find_socket(directory), "GET", f"/v1/agents/{quoted(agent)}")
    if as_json:
        print_json(found)
        return
    _print_members(
        {
            "agent": f"{found['agent']} {found['name']}".strip(),
            "number": found["id"], "team": found["team"], "seat": found["seat"],
            "state": f"{found['state']} {found['reason']}".strip() + f" for {lasted(found['since_s'])}",
            "then": found["next"],
            "calls for help": lasted(found["help_s"]) if found["help_s"] is not None else "",
            "wrap-up left": lasted(found["wrap_up_left_s"]) if found["wrap_up_left_s"] is not None else "",
            "call": f"{found['call']['queue']} for {lasted(found['call']['since_s'])}" if found["call"] else "",
            "queues": ", ".join(f"{name} tier {tier}" for name, tier in found["queues"].items()),
            "skills": ", ".join(f"{name} {level}" for name, level in sorted(found["skills"].items())),
            "today": f"{found['answered_today']} answered, {found['missed_today']} missed, "
            f"{lasted(found['talk_today_s'])} talk, {lasted(found['handling_s'])} handling, "
            f"{lasted(found['paused_today_s'])} paused of {lasted(found['logged_in_today_s'])}; "
            f"occupancy {percent(found['occupancy'])}, utilisation {percent(found['utilisation'])}",
            "until": "; ".join(found["until"]),
        }
    )  # fmt: skip


@show.command()
@click.argument("number", type=ENDPOINT)
@asks
def endpoint(number: str, directory: Path | None, as_json: bool) -> None:
    """One endpoint."""
    found = ask(find_socket(directory), "GET", f"/v1/endpoints/{quoted(number)}")
    print_json(found) if as_json else _print_members(found)


@show.command()
@asks
def uptime(directory: Path | None, as_json: bool) -> None:
    """How long the server has been running."""
    found = ask(find_socket(directory), "GET", "/v1/uptime")
    if as_json:
        print_json(found)
        return
    since, calls = clock(found["started_utc"]), found["calls_since_start"]
    click.echo(f"pbx {found['version']}, up {lasted(found['uptime_s'])} since {since}, {calls} calls")


@show.command()
@asks
def status(directory: Path | None, as_json: bool) -> None:
    """The server itself."""
    found = ask(find_socket(directory), "GET", "/v1/status")
    print_json(found) if as_json else _print_members(found)


@show.command()
@asks
def pulse(directory: Path | None, as_json: bool) -> None:
    """How well the machine keeps up: what `pbx top` shows, once."""
    found = ask(find_socket(directory), "GET", "/v1/pulse")
    if as_json:
        print_json(found)
        return
    _print_members({name: value for name, value in found.items() if name != "threads"})
    print_table(found["threads"], VIEWS["threads"].columns)


@show.command("config")
@click.argument("place", required=False, default="")
@asks
def config(place: str, directory: Path | None, as_json: bool) -> None:
    """The configuration that runs, defaults left out, secrets hidden; of one PLACE such as queues.support."""
    found: Any = ask(find_socket(directory), "GET", "/v1/config")
    for word in place.split(".") if place else []:
        if not isinstance(found, dict) or word not in found:
            there = ", ".join(list(found)[:10]) if isinstance(found, dict) else "nothing more"
            raise NotThere(f"nothing at {word} of {place}: there is {there or 'nothing'}")
        found = found[word]
    if as_json or not isinstance(found, dict):
        print_json(found)
        return
    for line in _lines(found, place):
        click.echo(line)


def _lines(value: dict[str, Any], place: str) -> list[str]:
    """Write tables as TOML names them: a line a value, with its whole path."""
    lines = []
    for name, inner in value.items():
        path = f"{place}.{name}" if place else name
        if isinstance(inner, dict):
            lines += _lines(inner, path)
        else:
            lines.append(f"{path} = {inner!r}")
    return lines


def _print_members(found: dict[str, Any]) -> None:
    out = output()
    for name, value in found.items():
        if value not in ("", None):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            out.print(f"[bold]{name:<16}[/] ", end="")
            out.print(shown, markup=False)
