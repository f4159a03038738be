"""``pbx call``, ``pbx agent``, ``pbx queue``, ``pbx trunk``, ``pbx log``, ``pbx drain``: what operators do."""

from __future__ import annotations

import time
from pathlib import Path

import click

from pbx.cli.client import ask, find_socket, quoted
from pbx.cli.common import asks, tell, until
from pbx.cli.names import AGENT, CALL, ENDPOINT, ENTRY, LEG, QUEUE, TRUNK


@click.group()
def call() -> None:
    """Begin, end and move calls."""


@call.command()
@click.argument("target", type=ENDPOINT)
@click.argument("number", type=ENDPOINT)
@click.option("--ring", "ring_s", type=click.FloatRange(1, 600), default=30.0, show_default=True, help="Seconds.")
@asks
def originate(target: str, number: str, ring_s: float, directory: Path | None, as_json: bool) -> None:
    """Ring TARGET (1001, agent/zhang, trunk/NAME/NUMBER); who answers is connected to NUMBER, with their rights."""
    body = {"target": target, "number": number, "ring_s": ring_s}
    tell(ask(find_socket(directory), "POST", "/v1/calls", body), as_json)


@call.command()
@click.argument("call", type=CALL)
@asks
def hangup(call: str, directory: Path | None, as_json: bool) -> None:
    """Hang up CALL, or one leg of it."""
    tell(ask(find_socket(directory), "DELETE", f"/v1/calls/{quoted(call)}"), as_json)


@call.command()
@click.argument("call", type=CALL)
@click.argument("number", type=ENDPOINT)
@click.option("--leg", type=LEG, default="", help="Who is sent there; else the caller.")
@click.option("--as", "rights", default="", help="In whose name: endpoint/1001. Else whom the leg talks to.")
@asks
def transfer(call: str, number: str, leg: str, rights: str, directory: Path | None, as_json: bool) -> None:
    """Send the caller of CALL to NUMBER; whom they talk to is let go."""
    body = {"to": number} | ({"leg": leg} if leg else {}) | ({"rights": rights} if rights else {})
    tell(ask(find_socket(directory), "POST", f"/v1/calls/{quoted(call)}/transfer", body), as_json)


@click.group()
def agent() -> None:
    """Log agents in and out, pause them, give them skills."""


def _agent(name: str, verb: str) -> str:
    return f"/v1/agents/{quoted(name)}/{verb}"


@agent.command()
@click.argument("agent", type=AGENT)
@click.option("--seat", type=ENDPOINT, default="", help="The endpoint where they sit today.")
@until
@asks
def login(agent: str, seat: str, until: float | None, directory: Path | None, as_json: bool) -> None:
    """Log AGENT in."""
    body = ({"seat": seat} if seat else {}) | ({"until": until} if until else {})
    tell(ask(find_socket(directory), "POST", _agent(agent, "login"), body), as_json)


@agent.command()
@click.argument("agent", type=AGENT)
@asks
def logout(agent: str, directory: Path | None, as_json: bool) -> None:
    """Log AGENT out, after the call where there is one."""
    tell(ask(find_socket(directory), "POST", _agent(agent, "logout"), {}), as_json)


@agent.command()
@click.argument("agent", type=AGENT)
@click.option("--reason", default="", help="One of pause-reasons, by its name or its key.")
@until
@asks
def pause(agent: str, reason: str, until: float | None, directory: Path | None, as_json: bool) -> None:
    """Pause AGENT, after the call where there is one."""
    body = {"reason": reason} | ({"until": until} if until else {})
    tell(ask(find_socket(directory), "POST", _agent(agent, "pause"), body), as_json)


@agent.command()
@click.argument("agent", type=AGENT)
@asks
def ready(agent: str, directory: Path | None, as_json: bool) -> None:
    """End AGENT's pause or wrap-up."""
    tell(ask(find_socket(directory), "POST", _agent(agent, "ready"), {}), as_json)


@agent.command("wrap-up")
@click.argument("agent", type=AGENT)
@click.argument("seconds", type=click.FloatRange(1, 300))
@asks
def wrap_up(agent: str, seconds: float, directory: Path | None, as_json: bool) -> None:
    """Give AGENT SECONDS more for the work after the call."""
    tell(ask(find_socket(directory), "POST", _agent(agent, "wrap-up"), {"by_s": seconds}), as_json)


@agent.command("set")
@click.argument("agent", type=AGENT)
@click.argument("skill")
@click.argument("level", type=click.IntRange(0, 9))
@until
@asks
def set_(agent: str, skill: str, level: int, until: float | None, directory: Path | None, as_json: bool) -> None:
    """Give AGENT a SKILL at LEVEL 1 to 9; 0 takes it away."""
    body = {"level": level} | ({"until": until} if until else {})
    tell(ask(find_socket(directory), "PUT", _agent(agent, f"skills/{quoted(skill)}"), body), as_json)


@agent.command()
@click.argument("agent", type=AGENT)
@click.argument("code")
@click.argument("call", type=CALL, required=False, default="")
@asks
def disposition(agent: str, code: str, call: str, directory: Path | None, as_json: bool) -> None:
    """Note what CALL was about, for AGENT; without CALL the queue call that they have, or had last."""
    body = {"code": code} | ({"call_id": call} if call else {})
    tell(ask(find_socket(directory), "POST", _agent(agent, "disposition"), body), as_json)


@agent.command("help")
@click.argument("agent", type=AGENT)
@click.option("--over", is_flag=True, help="Take the hand down.")
@asks
def help_(agent: str, over: bool, directory: Path | None, as_json: bool) -> None:
    """Raise AGENT's hand for a supervisor, as *0 does in a call."""
    tell(ask(find_socket(directory), "POST", _agent(agent, "help"), {"on": not over}), as_json)


@click.group()
def queue() -> None:
    """Members and callers of queues."""


@queue.command()
@click.argument("queue", type=QUEUE)
@click.argument("agent", type=AGENT)
@click.option("--tier", type=click.IntRange(1), default=1, show_default=True)
@until
@asks
def add(queue: str, agent: str, tier: int, until: float | None, directory: Path | None, as_json: bool) -> None:
    """Make AGENT a member of QUEUE, or move them to another tier."""
    body = {"tier": tier} | ({"until": until} if until else {})
    url = f"/v1/queues/{quoted(queue)}/members/{quoted(agent)}"
    tell(ask(find_socket(directory), "PUT", url, body), as_json)


@queue.command()
@click.argument("queue", type=QUEUE)
@click.argument("agent", type=AGENT)
@asks
def remove(queue: str, agent: str, directory: Path | None, as_json: bool) -> None:
    """Take AGENT out of QUEUE."""
    url = f"/v1/queues/{quoted(queue)}/members/{quoted(agent)}"
    tell(ask(find_socket(directory), "DELETE", url), as_json)


@queue.command()
@click.argument("queue", type=QUEUE)
@click.argument("agent", type=AGENT)
@click.argument("tier", type=click.IntRange(1))
@until
@asks
def tier(queue: str, agent: str, tier: int, until: float | None, directory: Path | None, as_json: bool) -> None:
    """Ask AGENT in TIER of QUEUE; tier 1 is asked first."""
    body = {"tier": tier} | ({"until": until} if until else {})
    url = f"/v1/queues/{quoted(queue)}/members/{quoted(agent)}"
    tell(ask(find_socket(directory), "PUT", url, body), as_json)


@queue.command()
@click.argument("queue", type=QUEUE)
@click.argument("caller", type=ENTRY)
@click.argument("to", type=QUEUE)
@asks
def move(queue: str, caller: str, to: str, directory: Path | None, as_json: bool) -> None:
    """Send CALLER (a call or an entry) from QUEUE to another; their wait there starts from zero."""
    url = f"/v1/queues/{quoted(queue)}/callers/{quoted(caller)}/move"
    tell(ask(find_socket(directory), "POST", url, {"to": to}), as_json)


@queue.command()
@click.argument("queue", type=QUEUE)
@click.argument("caller", type=ENTRY)
@click.argument("priority", type=int)
@asks
def prioritise(queue: str, caller: str, priority: int, directory: Path | None, as_json: bool) -> None:
    """Give CALLER of QUEUE another PRIORITY; the highest is served first."""
    url = f"/v1/queues/{quoted(queue)}/callers/{quoted(caller)}/priority"
    tell(ask(find_socket(directory), "POST", url, {"priority": priority}), as_json)


@click.group()
def trunk() -> None:
    """Switch trunks on and off by hand."""


@trunk.command()
@click.argument("trunk", type=TRUNK)
@asks
def enable(trunk: str, directory: Path | None, as_json: bool) -> None:
    """Let TRUNK be used again."""
    tell(ask(find_socket(directory), "POST", f"/v1/trunks/{quoted(trunk)}/enable"), as_json)


@trunk.command()
@click.argument("trunk", type=TRUNK)
@asks
def disable(trunk: str, directory: Path | None, as_json: bool) -> None:
    """Use TRUNK for no new call."""
    tell(ask(find_socket(directory), "POST", f"/v1/trunks/{quoted(trunk)}/disable"), as_json)


@click.group()
def log() -> None:
    """The server's own log."""


@log.command()
@click.argument("level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--room", default="", help="Only this part: sip, media, acd, dialplan …")
@asks
def level(level: str, room: str, directory: Path | None, as_json: bool) -> None:
    """Log from LEVEL up, until the server stops."""
    body = {"level": level} | ({"room": room} if room else {})
    tell(ask(find_socket(directory), "PUT", "/v1/log", body), as_json)


@click.command()
@click.option("--off", is_flag=True, help="Take new calls again.")
@click.option("--stop", is_flag=True, help="Stop the server when the last call is over.")
@click.option("--wait", is_flag=True, help="Return when the last call is over.")
@asks
def drain(off: bool, stop: bool, wait: bool, directory: Path | None, as_json: bool) -> None:
    """Refuse new calls and let those in progress go on to their end."""
    if off and (stop or wait):
        raise click.UsageError("--off takes new calls again: it goes neither with --stop nor with --wait")
    path = find_socket(directory)
    tell(ask(path, "POST", "/v1/drain", {"on": not off, "stop": stop and not wait}), as_json)
    while wait and ask(path, "GET", "/v1/status")["calls"]:
        time.sleep(0.5)
    if wait and stop:
        ask(path, "POST", "/v1/drain", {"on": True, "stop": True})


COMMANDS = (call, agent, queue, trunk, log, drain)
