"""Talk to a running server over its control socket."""

from __future__ import annotations

import http.client
import os
import socket
from pathlib import Path
from typing import Any

import orjson

from pbx.errors import PbxError


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("pbx", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def find_socket(directory: Path | None) -> Path:
    """Find the server: ``-c DIR``, ``PBX_SOCKET``, else conf/ here.

    :raises PbxError: where none is named and none is found.
    """
    if directory is not None:
        from pbx.config.loader import load

        return directory / load(directory).valid().control.socket
    if named := os.environ.get("PBX_SOCKET"):
        return Path(named)
    usual = Path("conf/var/pbx.sock")
    if usual.exists():
        return usual
    raise PbxError("no running server found; say where with -c DIR or PBX_SOCKET")


def ask(path: Path, method: str, url: str) -> Any:
    """Send one request and return its JSON.

    :raises PbxError: when the server is not there or says no.
    """
    connection = _UnixConnection(path)
    try:
        connection.request(method, url)
        response = connection.getresponse()
        body = response.read()
    except OSError as error:
        raise PbxError(f"no server answers on {path}: {error.strerror or error}; is `pbx serve` running?") from error
    finally:
        connection.close()
    data = orjson.loads(body) if body else None
    if response.status >= 400:
        raise PbxError(data.get("error", f"status {response.status}") if isinstance(data, dict) else body.decode())
    return data
