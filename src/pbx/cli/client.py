"""Talk to a running server over its control socket."""

from __future__ import annotations

import http.client
import os
import socket
import urllib.parse
from pathlib import Path
from typing import Any

import orjson

from pbx.errors import PbxError

# Exit statuses, the same for every command (docs/commands.md).
REFUSED, USAGE, NO_SERVER, NOT_THERE = 1, 2, 3, 4


class NoServer(PbxError):
    """Nobody answers on the socket."""


class NotThere(PbxError):
    """The server knows nothing of that name."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("pbx", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def find_socket(directory: Path | None) -> Path:
    """Find the server: ``-c DIR``, ``PBX_SOCKET``, else conf/ here.

    :raises NoServer: where none is named and none is found.
    """
    if directory is not None:
        from pbx.config.loader import load

        return directory / load(directory).valid().control.socket
    if named := os.environ.get("PBX_SOCKET"):
        return Path(named)
    usual = Path("conf/var/pbx.sock")
    if usual.exists():
        return usual
    raise NoServer("no running server found; say where with -c DIR or PBX_SOCKET")


def quoted(name: str) -> str:
    """Return a name as a part of a path."""
    return urllib.parse.quote(name, safe="")


def ask(path: Path, method: str, url: str, body: object = None, *, timeout_s: float = 30.0) -> Any:
    """Send one request and return its JSON.

    :raises NoServer: when nobody answers.
    :raises NotThere: when the server knows nothing of that name.
    :raises PbxError: when it says no.
    """
    text, _ = fetch(path, url, method, body, timeout_s=timeout_s)
    return orjson.loads(text) if text else None


def fetch(
    path: Path, url: str, method: str = "GET", body: object = None, *, timeout_s: float = 30.0
) -> tuple[bytes, http.client.HTTPMessage]:
    """Send one request and return the body and the headers of the answer.

    :raises NoServer, NotThere, PbxError: as :func:`ask`.
    """
    connection = _UnixConnection(path, timeout_s)
    try:
        connection.request(method, url, body=None if body is None else orjson.dumps(body))
        response = connection.getresponse()
        text = response.read()
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or error or type(error).__name__
        raise NoServer(f"no server answers on {path}: {why}; is `pbx serve` running?") from error
    finally:
        connection.close()
    if response.status >= 400:
        raise (NotThere if response.status == 404 else PbxError)(_why(response.status, text))
    return text, response.headers


def _why(status: int, text: bytes) -> str:
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text.decode(errors="replace") or f"status {status}"
    return str(data.get("error", f"status {status}")) if isinstance(data, dict) else f"status {status}"
