"""Messages out of a byte stream (RFC 3261 §18.3, keep-alives of RFC 5626 §3.5.1)."""

from __future__ import annotations

import re

from pbx.errors import ParseError
from pbx.sip.parser import MAX_MESSAGE_BYTES

_LENGTH = re.compile(rb"(?:^|\n)(?:content-length|l)[ \t]*:[ \t]*(\d+)[ \t]*\r?(?=\n|$)", re.IGNORECASE)
PING, PONG = b"\r\n\r\n", b"\r\n"
KEEP_ALIVE = b""  # what `feed` yields for a ping that wants PONG


class StreamFramer:
    """Cut a stream into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Add *data* and return the complete messages; :data:`KEEP_ALIVE` stands for a ping.

        :raises ParseError: when the stream cannot be followed any more; close it.
        """
        self._buffer += data
        found = []
        while (message := self._next()) is not None:
            found.append(message)
        return found

    def _next(self) -> bytes | None:
        buffer = self._buffer
        if buffer.startswith(PING):
            del buffer[:4]
            return KEEP_ALIVE
        skip = 0
        while skip < len(buffer) and buffer[skip] in b"\r\n":
            skip += 1
        if skip == len(buffer):
            return None  # perhaps half a ping
        end = buffer.find(b"\r\n\r\n", skip)
        if end < 0:
            if len(buffer) > MAX_MESSAGE_BYTES:
                raise ParseError("no end of headers within the limit", status=513)
            return None
        match = _LENGTH.search(bytes(buffer[skip:end]))
        if match is None:
            raise ParseError("a message on a stream needs Content-Length")  # 18.3
        total = end + 4 + int(match.group(1))
        if total - skip > MAX_MESSAGE_BYTES:
            raise ParseError("message too large", status=513)
        if len(buffer) < total:
            return None
        message = bytes(buffer[skip:total])
        del buffer[:total]
        return message
