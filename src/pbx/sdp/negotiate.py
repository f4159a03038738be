"""Offer and answer for one audio stream (RFC 3264), with the m= lines that we do not want refused in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pbx.errors import NegotiationError
from pbx.sdp.address import UNSPECIFIED, sendable
from pbx.sdp.codec import BY_NAME, EVENTS, STATIC, WIDE_EVENTS, Codec
from pbx.sdp.crypto import Crypto, MakeKey, cryptos_of, pick
from pbx.sdp.description import Description, Media, parse_description
from pbx.whole import whole

_REVERSED = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}
_PLAIN = ("RTP/AVP", "RTP/AVPF")
_SECURE = ("RTP/SAVP", "RTP/SAVPF")


@dataclass(frozen=True, slots=True)
class Line:
    """An m= line that is not ours: every later description keeps its place with port 0 (RFC 3264 §8)."""

    kind: str
    protocol: str
    format: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The m= lines of a session, in order: the audio that we use stands at *place* among the *others*."""

    place: int = 0
    others: tuple[Line, ...] = ()
    protocol: str = "RTP/AVP"


ALONE = Layout()
SECURE = Layout(protocol="RTP/SAVP")


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides will send: the result of an offer and its answer, seen from here."""

    remote: tuple[str, int]  # where the peer receives; port 0 when the stream is refused
    rtcp: tuple[str, int]
    codec: Codec  # with the payload type that the peer wants to receive
    events_pt: int | None  # payload type of RFC 4733 digits, None where not agreed
    direction: str  # seen from here: may we send, may we receive
    ptime_ms: int  # how much the peer wants in a packet
    held: bool  # the peer does not want to hear us
    crypto_in: Crypto | None = None  # what the peer encrypts with (RFC 4568); None: plain RTP
    crypto_out: Crypto | None = None  # what we encrypt with
    layout: Layout = ALONE
    digits: str = ""  # without events: sound, which is listened to; signalling; empty: sound that nobody listens to
    events_clock_hz: int = 8000  # of those digits

    @property
    def events(self) -> tuple[Codec, ...]:
        """The digits as a description names them."""
        if self.events_pt is None:
            return ()
        return ((WIDE_EVENTS if self.events_clock_hz == WIDE_EVENTS.clock_hz else EVENTS).at(self.events_pt),)

    @property
    def we_send(self) -> bool:
        return self.direction in ("sendrecv", "sendonly")


def audio_of(description: Description) -> tuple[int, Media]:
    """Return the first audio stream that is on, and its place.

    :raises NegotiationError: where there is none.
    """
    return audios_of(description)[0]


def audios_of(description: Description, address: str = "") -> list[tuple[int, Media]]:
    """Return the audio streams that are on, and their places: first those that *address* reaches.

    Who would rather, but need not, encrypt may offer two: RTP/SAVP, then RTP/AVP; who has IPv6 and IPv4 as well.

    :raises NegotiationError: where there is none.
    """
    found = [
        (index, media)
        for index, media in enumerate(description.media)
        if media.kind == "audio" and media.port and media.protocol in (*_PLAIN, *_SECURE)
    ]
    if not found:
        raise NegotiationError("no audio stream that we can take")
    if address and len(found) > 1:
        found.sort(key=lambda one: (":" in one[1].address) != (":" in address))
    return found


def codecs_of(media: Media) -> list[Codec]:
    """Return the codecs that a medium names and we know, in its order, telephone-event included."""
    maps = {}
    for value in media.all("rtpmap"):
        number, _, rest = value.partition(" ")
        maps[number.strip()] = rest.strip()
    fmtps = {value.partition(" ")[0]: value.partition(" ")[2].strip() for value in media.all("fmtp")}
    found = []
    for text in media.formats:
        pt = whole(text)
        if pt is None or pt > 127:
            continue
        if text in maps:
            name, _, clock = maps[text].partition("/")
            rate = clock.partition("/")[0]
            codec = BY_NAME.get(name.lower())
            if name.lower() == EVENTS.name:
                codec = WIDE_EVENTS if rate == str(WIDE_EVENTS.clock_hz) else EVENTS
            if codec is None or rate != str(codec.clock_hz):
                continue
        elif pt in STATIC:
            codec = STATIC[pt]
        else:
            continue
        found.append(codec.at(pt, fmtp=fmtps.get(text, "")))
    return found


def make_offer(
    address: str,
    port: int,
    codecs: Sequence[Codec],
    *,
    session_id: int,
    version: int,
    direction: str = "sendrecv",
    layout: Layout = ALONE,
    cryptos: Sequence[Crypto] = (),
    events: bool = True,
) -> bytes:
    """Write an offer of one audio stream, the session's other m= lines kept in place.

    Keys under RTP/AVP are an offer that the peer may take or leave, as phones and servers with a "best effort" make
    it; under RTP/SAVP (:data:`SECURE`) it must take one.
    """
    digits = [EVENTS] if events else []
    if events and any(codec.clock_hz == WIDE_EVENTS.clock_hz for codec in codecs):
        digits.append(WIDE_EVENTS)
    media = [_refusal(line, address) for line in layout.others]
    media.insert(layout.place, _audio(port, codecs, digits, direction, 20, layout.protocol, cryptos))
    return _write(address, session_id, version, media)


def make_answer(
    offer: bytes | Description,
    address: str,
    port: int,
    codecs: Sequence[Codec],
    *,
    session_id: int,
    version: int,
    willing: str = "sendrecv",
    srtp: str = "off",
    make_key: MakeKey | None = None,
    events: bool = True,
    digits: str = "",
    before: Agreed | None = None,
    peer: str = "",
) -> tuple[bytes, Agreed]:
    """Answer an *offer* with our first codec that it names; the other m= lines are refused with port 0.

    *srtp* is off, optional or required; *make_key* gives our key for a suite and its tag. *events*: take RFC 4733;
    *digits*: where they are without it. An offer that switches off all that was agreed *before* is a hold (RFC 3264
    §8.2). *peer* is where the offer came from: sound for a host name goes there, until the peer's own shows better.

    :raises NegotiationError: where nothing fits.
    """
    theirs = parse_description(offer) if isinstance(offer, bytes) else offer
    if before is not None and theirs.media and not any(line.port for line in theirs.media):
        off = [_refusal(_line(line), address) for line in theirs.media]
        return _write(address, session_id, version, off), replace(before, direction="inactive", held=True)
    place, audio, crypto_in = _choose(theirs, address, codecs, srtp if make_key is not None else "off")
    crypto_out = make_key(crypto_in.suite, crypto_in.tag) if crypto_in is not None and make_key is not None else None
    others = tuple([_line(line) for index, line in enumerate(theirs.media) if index != place])
    direction = _both(_direction(theirs, audio), willing)
    layout = Layout(place, others, audio.protocol)
    agreed = _agree(
        theirs, audio, codecs, direction, (crypto_in, crypto_out), layout, digits, peer, takes_events=events
    )
    media = [_refusal(line, address) for line in others]
    ours = [crypto_out] if crypto_out is not None else []
    media.insert(
        place,
        _audio(
            port,
            [agreed.codec],
            agreed.events,
            direction,
            agreed.ptime_ms,
            audio.protocol,
            ours,
        ),
    )
    if audio.attribute("rtcp-mux") is not None:
        media[place].attributes.append(("rtcp-mux", ""))  # else it would not be agreed (RFC 5761 5.1.1)
    return _write(address, session_id, version, media), agreed


def take_answer(
    answer: bytes,
    codecs: Sequence[Codec],
    *,
    willing: str = "sendrecv",
    layout: Layout = ALONE,
    cryptos: Sequence[Crypto] = (),
    digits: str = "",
    peer: str = "",
) -> Agreed:
    """Read the answer to an offer of ours, made with the same *layout* and *cryptos*; *peer* is where it came from.

    :raises NegotiationError: where it takes nothing that we offered.
    """
    theirs = parse_description(answer)
    _, audio = audio_of(theirs)
    crypto_in = pick(cryptos_of(audio)) if cryptos else None
    crypto_out = next((c for c in cryptos if crypto_in and (c.tag, c.suite) == (crypto_in.tag, crypto_in.suite)), None)
    if crypto_out is None and (audio.protocol in _SECURE or (cryptos and layout.protocol in _SECURE)):
        raise NegotiationError("the answer takes none of our keys")
    if crypto_out is None:
        crypto_in = None
    direction = _both(_direction(theirs, audio), willing)
    layout = Layout(layout.place, layout.others, audio.protocol)
    return _agree(theirs, audio, codecs, direction, (crypto_in, crypto_out), layout, digits, peer, theirs_first=True)


def _choose(theirs: Description, address: str, codecs: Sequence[Codec], srtp: str) -> tuple[int, Media, Crypto | None]:
    """Return the first audio stream that we can take, its place, and the peer's key.

    :raises NegotiationError: where there is none.
    """
    failure: NegotiationError | None = None
    ours = [codec.name for codec in codecs]
    for place, audio in audios_of(theirs, address):
        try:
            crypto = _their_crypto(audio, srtp)
        except NegotiationError as error:
            failure = failure or error
            continue
        if _first_of(codecs_of(audio), ours, False) is not None:
            return place, audio, crypto
    raise failure or NegotiationError("no codec in common")


def _their_crypto(audio: Media, srtp: str) -> Crypto | None:
    """Choose the peer's key, obeying the policy.

    :raises NegotiationError: where one side insists on encryption and the other has none.
    """
    found = pick(cryptos_of(audio)) if srtp != "off" else None
    if found is None and (audio.protocol in _SECURE or srtp == "required"):
        raise NegotiationError("no way of encryption in common")
    return found


def _direction(theirs: Description, audio: Media) -> str:
    """What the peer leaves us to do, seen from here."""
    direction = _REVERSED[theirs.direction_of(audio)]
    return _both(direction, "recvonly") if audio.address in UNSPECIFIED else direction


def _line(media: Media) -> Line:
    return Line(media.kind, media.protocol, media.formats[0] if media.formats else "0")


def _refusal(line: Line, address: str) -> Media:
    return Media(line.kind, 0, line.protocol, [line.format], address)


def _agree(
    theirs: Description,
    audio: Media,
    ours: Sequence[Codec],
    direction: str,
    cryptos: tuple[Crypto | None, Crypto | None],
    layout: Layout,
    digits: str,
    peer: str,
    *,
    theirs_first: bool = False,
    takes_events: bool = True,
) -> Agreed:
    named = codecs_of(audio)
    chosen = _first_of(named, [codec.name for codec in ours], theirs_first)
    if chosen is None:
        raise NegotiationError("no codec in common")
    events: Codec | None = None
    for codec in named:
        if codec.name == EVENTS.name and (events is None or codec.clock_hz == chosen.clock_hz):
            events = codec
            if codec.clock_hz == chosen.clock_hz:
                break
    address = sendable(audio.address, peer)
    ptime = whole(audio.attribute("ptime")) or 0
    ptime_ms = ptime if 10 <= ptime <= 60 and ptime % 10 == 0 else 20
    if (most := whole(audio.attribute("maxptime"))) is not None and ptime_ms > most >= 10:
        ptime_ms = most // 10 * 10
    return Agreed(
        remote=(address, audio.port),
        rtcp=_rtcp(audio, address),
        codec=chosen,
        events_pt=events.payload_type if events is not None and takes_events else None,
        events_clock_hz=events.clock_hz if events is not None else EVENTS.clock_hz,
        direction=direction,
        ptime_ms=ptime_ms,
        held=theirs.direction_of(audio) in ("sendonly", "inactive") or audio.address in UNSPECIFIED,
        crypto_in=cryptos[0],
        crypto_out=cryptos[1],
        layout=layout,
        digits=digits,
    )


def _first_of(named: list[Codec], ours: list[str], theirs_first: bool) -> Codec | None:
    """Return the first codec that both have, in their order or in ours."""
    if theirs_first:
        for codec in named:
            if codec.name in ours:
                return codec
        return None
    for name in ours:
        for codec in named:
            if codec.name == name:
                return codec
    return None


def _rtcp(audio: Media, address: str) -> tuple[str, int]:
    """Where the peer receives RTCP: a=rtcp (RFC 3605), a=rtcp-mux (RFC 5761), else the next port."""
    if audio.attribute("rtcp-mux") is not None:
        return (address, audio.port)
    parts = (audio.attribute("rtcp") or "").split()
    if parts and (port := whole(parts[0])) is not None and port <= 65535:
        return (parts[3] if len(parts) == 4 else address, port)
    return (address, min(audio.port + 1, 65535))


def _both(one: str, other: str) -> str:
    send = one in ("sendrecv", "sendonly") and other in ("sendrecv", "sendonly")
    receive = one in ("sendrecv", "recvonly") and other in ("sendrecv", "recvonly")
    if send:
        return "sendrecv" if receive else "sendonly"
    return "recvonly" if receive else "inactive"


def _audio(
    port: int,
    codecs: Sequence[Codec],
    digits: Sequence[Codec],
    direction: str,
    ptime_ms: int,
    protocol: str = "RTP/AVP",
    cryptos: Sequence[Crypto] = (),
) -> Media:
    formats = [str(c.payload_type) for c in codecs]
    attributes = [("rtpmap", c.rtpmap) for c in codecs]
    attributes += [("fmtp", f"{c.payload_type} {c.fmtp}") for c in codecs if c.fmtp]
    for kind in digits:
        formats.append(str(kind.payload_type))
        attributes += [("rtpmap", kind.rtpmap), ("fmtp", f"{kind.payload_type} 0-16")]
    attributes += [("crypto", str(c)) for c in cryptos]
    attributes += [("ptime", str(ptime_ms)), (direction, "")]
    return Media("audio", port, protocol, formats, "", attributes)


def _write(address: str, session_id: int, version: int, media: list[Media]) -> bytes:
    for line in media:
        line.address = address
    return Description("pbx", session_id, version, address, media, name="pbx").to_bytes()
