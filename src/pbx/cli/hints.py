"""What to do next, for who starts the system the first time."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from pbx.call.contract import Routed
from pbx.server import Server
from pbx.signaling.contract import Introduction
from pbx.signaling.transports import source_address


def program() -> str:
    """Return what to type for this program: its name where the shell finds it, else its path."""
    if shutil.which("pbx"):
        return "pbx"
    path = Path(sys.argv[0]).resolve()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def first_steps(server: Server) -> str:
    """Return the lines that `make run` prints."""
    listening = server.transports.listening
    host, _, port = listening[0].split(":", 1)[1].rpartition(":")
    if host in ("0.0.0.0", "::"):
        host = source_address("192.0.2.1")  # the way out, where there is one
    lines = ["", f"pbx {server.version} is running on {host}:{port} ({', '.join(listening)}).", ""]
    lines.append("  extension   secret             name")
    for number, secret in list(server.secrets.items())[:10]:
        lines.append(f"  {number:<11} {secret:<18} {server.config.endpoints[number].name}")
    first = next(iter(server.secrets), "1001")
    lines += [
        "",
        "In a softphone (baresip, Linphone, MicroSIP, Zoiper) enter:",
        f"  user {first}   password {server.secrets.get(first, '…')}   server (domain) {host}:{port}   transport UDP",
        "then register a second one and call its extension"
        + ("; *43 answers with an echo of what you say." if _has_echo(server, first) else "."),
        "",
        f"In another terminal:  {program()} console -c {server.directory}   (help lists the commands; Tab completes)",
        "Stop with Ctrl-C.",
        "",
    ]
    return "\n".join(lines)


def _has_echo(server: Server, endpoint: str) -> bool:
    """Say whether *43 is something that *endpoint* can dial."""
    asked = Introduction(f"endpoint/{endpoint}", endpoint, "", "*43", "*43", "", "", None)
    return isinstance(server.calls.router.route(asked), Routed)
