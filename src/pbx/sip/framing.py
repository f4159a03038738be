"""Messages out of a byte stream (RFC 3261 §18.3, keep-alives of RFC 5626 §3.5.1)."""

from __future__ import annotations

import re

from pbx.errors import ParseError
from pbx.sip.parser import MAX_MESSAGE_BYTES

_LENGTH = re.compile(rb"(?:^|\n)(?:content-length|l)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
PING, PONG = b"\r\n\r\n", b"\r\n"
KEEP_ALIVE = b""  # what `feed` yields for a ping that wants PONG


class FramingLost(ParseError):
    """Nobody can tell where the next message starts; *head* is the message that is to blame."""

    def __init__(self, text: str, head: bytes = b"", *, status: int = 400) -> None:
        super().__init__(text, status=status)
        self.head = head


class StreamFramer:
    """Cut a stream into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.complete: list[bytes] = []  # what the last feed found

    def feed(self, data: bytes) -> list[bytes]:
        """Add *data* and return the complete messages; :data:`KEEP_ALIVE` stands for a ping.

        :raises FramingLost: when the stream cannot be followed any more; answer, then close it. What came before
            is in :attr:`complete`.
        """
        self._buffer += data
        self.complete = found = []
        while (message := self._next()) is not None:
            found.append(message)
        return found

    @property
    def partial(self) -> bool:
        """Whether the stream stands in the middle of a message."""
        return bool(self._buffer)

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
                raise FramingLost("no end of headers within the limit", status=513)
            return None
        total = end + 4 + _body_bytes(bytes(buffer[skip : end + 4]))
        if total - skip > MAX_MESSAGE_BYTES:
            raise FramingLost("message too large", bytes(buffer[skip : end + 4]), status=513)
        if len(buffer) < total:
            return None
        message = bytes(buffer[skip:total])
        del buffer[:total]
        return message


def _body_bytes(head: bytes) -> int:
    """Return what Content-Length says (§18.3); a stream cannot do without.

    :raises FramingLost: where it is absent, no number, or says two things (RFC 4475 3.1.2.3, 3.3.9).
    """
    found = {value.strip() for value in _LENGTH.findall(head)}
    if len(found) != 1:
        raise FramingLost("a message on a stream needs one Content-Length", head)
    text = found.pop()
    if not text.isdigit() or len(text) > 9:
        raise FramingLost("bad Content-Length", head)
    return int(text)
