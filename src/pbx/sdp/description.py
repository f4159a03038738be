"""Session descriptions (RFC 8866): parse what phones send, write what we mean."""

from __future__ import annotations

from pbx.errors import NegotiationError
from pbx.whole import whole

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")


Attributes = list[tuple[str, str]]  # value "" for a flag


class Media:
    """One m= line with its attributes; *address* is the media's own or the session's."""

    __slots__ = ("address", "attributes", "formats", "kind", "port", "protocol")

    def __init__(
        self,
        kind: str,
        port: int,
        protocol: str,
        formats: list[str],
        address: str = "",
        attributes: Attributes | None = None,
    ) -> None:
        self.kind = kind  # audio, video, image …
        self.port = port
        self.protocol = protocol  # RTP/AVP, RTP/SAVP …
        self.formats = formats
        self.address = address
        self.attributes: Attributes = attributes if attributes is not None else []

    def attribute(self, name: str) -> str | None:
        for key, value in self.attributes:
            if key == name:
                return value
        return None

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


class Description:
    """A whole session description."""

    __slots__ = ("address", "attributes", "media", "name", "origin_user", "session_id", "version")

    def __init__(
        self, origin_user: str, session_id: int, version: int, address: str, media: list[Media], name: str = "-"
    ) -> None:
        self.origin_user = origin_user
        self.session_id = session_id
        self.version = version
        self.address = address
        self.media = media
        self.attributes: Attributes = []
        self.name = name

    def direction_of(self, media: Media) -> str:
        """Return the direction of a medium: its own, else the session's, else sendrecv."""
        for attributes in (media.attributes, self.attributes):
            for key, _ in attributes:
                if key in DIRECTIONS:
                    return key
        return "sendrecv"

    def to_bytes(self) -> bytes:
        family = "IP6" if ":" in self.address else "IP4"
        lines = [
            "v=0",
            f"o={self.origin_user} {self.session_id} {self.version} IN {family} {self.address}",
            f"s={self.name}",
            f"c=IN {family} {self.address}",
            "t=0 0",
        ]
        lines += [f"a={_attribute(a)}" for a in self.attributes]
        for media in self.media:
            lines.append(f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}")
            if media.address and media.address != self.address:
                lines.append(f"c=IN {'IP6' if ':' in media.address else 'IP4'} {media.address}")
            lines += [f"a={_attribute(a)}" for a in media.attributes]
        return ("\r\n".join(lines) + "\r\n").encode()


def _attribute(pair: tuple[str, str]) -> str:
    return f"{pair[0]}:{pair[1]}" if pair[1] else pair[0]


def parse_description(data: bytes) -> Description:
    """Parse a session description.

    :raises NegotiationError: status 400 for what is none.
    """
    try:
        return _parse(data.decode("utf-8", "replace"))
    except (ValueError, IndexError) as error:
        raise NegotiationError(f"bad session description: {error}", status=400) from None


def _parse(text: str) -> Description:
    found = Description("-", 0, 0, "", [])
    current: Media | None = None
    for line in text.replace("\r\n", "\n").split("\n"):
        kind, equals, value = line.partition("=")
        if not equals or len(kind) != 1:
            if line.strip():
                raise ValueError(f"no line of SDP: {line[:40]!r}")
            continue
        value = value.strip()
        if kind == "o":
            _origin(found, value)
        elif kind == "s":
            found.name = value or "-"
        elif kind == "c":
            address = _connection(value)
            if current is None:
                found.address = address
            else:
                current.address = address
        elif kind == "m":
            current = _media(value)
            found.media.append(current)
        elif kind == "a":
            name, _, rest = value.partition(":")
            attributes = found.attributes if current is None else current.attributes
            attributes.append((name.strip().lower(), rest.strip()))
    for media in found.media:
        media.address = media.address or found.address
    return found


def _origin(found: Description, value: str) -> None:
    parts = value.split()
    if len(parts) < 6:
        raise ValueError("o= needs six parts")
    found.origin_user = parts[0]
    # RFC 8866 says digits; some phones put other things there, and only change matters to us.
    found.session_id = _number(parts[1])
    found.version = _number(parts[2])
    found.address = parts[5]


def _number(text: str) -> int:
    number = whole(text)
    return number if number is not None else abs(hash(text))


def _connection(value: str) -> str:
    parts = value.split()
    if len(parts) < 3 or parts[0] != "IN":
        raise ValueError(f"bad connection {value[:40]!r}")
    return parts[2].partition("/")[0]


def _media(value: str) -> Media:
    parts = value.split()
    if len(parts) < 4:
        raise ValueError(f"bad m= line {value[:40]!r}")
    port = int(parts[1].partition("/")[0])
    if not 0 <= port <= 65535:
        raise ValueError("port outside 0–65535")
    return Media(parts[0].lower(), port, parts[2].upper(), parts[3:])
