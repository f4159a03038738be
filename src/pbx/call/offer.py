"""The offer/answer side of a leg: its session description with version discipline (RFC 3264 §8)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from pbx.media.contract import MediaPort
from pbx.sdp.codec import BY_NAME, Codec
from pbx.sdp.crypto import KEY_BYTES, OFFERED, Crypto, keys_for
from pbx.sdp.description import Description
from pbx.sdp.negotiate import ALONE, SECURE, Agreed, Layout, make_answer, make_offer, take_answer


@dataclass(frozen=True, slots=True)
class MediaWishes:
    """What the configuration wants of one party's media."""

    srtp: str = "off"  # off; optional: taken, and offered where nobody reads the keys on their way; required
    dtmf: str = "auto"  # rfc4733, info, inband; auto: rfc4733 where the peer has it, else listen to its sound

    @property
    def events(self) -> bool:
        """Whether digits may travel beside the sound (RFC 4733)."""
        return self.dtmf in ("auto", "rfc4733")

    @property
    def digits(self) -> str:
        """Where digits are, without events."""
        return {"info": "signalling", "rfc4733": ""}.get(self.dtmf, "sound")


PLAIN = MediaWishes()


class MediaSide:
    """What one leg offers and has agreed."""

    __slots__ = (
        "_address",
        "_hidden",
        "_insists",
        "_keys",
        "_last",
        "_peer",
        "_session_id",
        "_version",
        "agreed",
        "codecs",
        "holding",
        "port",
        "wishes",
    )  # fmt: skip

    def __init__(
        self,
        port: MediaPort,
        address: str,
        codecs: Sequence[str],
        session_id: int,
        wishes: MediaWishes = PLAIN,
        *,
        peer: str = "",
        hidden: bool = False,
    ) -> None:
        """Take where the *peer*'s signalling comes from, and whether that is *hidden* from others (TLS)."""
        self.port = port
        self.codecs: list[Codec] = [BY_NAME[name] for name in codecs]
        self.agreed: Agreed | None = None
        self.holding = False  # we put the peer on hold
        self.wishes = wishes
        self._insists = wishes.srtp == "required"
        self._hidden = hidden
        self._peer = peer
        self._keys: list[Crypto] = []  # what we offered, or answered with: the same for the whole session
        self._address = address
        self._session_id = session_id
        self._version = 0
        self._last = b""

    def prefer(self, names: Sequence[str]) -> None:
        """Move codecs to the front, where we have them at all: the other side's choice spares a transcoding."""
        first = [BY_NAME[n] for n in names if any(c.name == n for c in self.codecs)]
        self.codecs = first + [c for c in self.codecs if c not in first]

    def offer(self) -> bytes:
        """Write our offer; the version grows only when something changed."""
        codecs = self.codecs
        if self.agreed is not None:
            first = self.agreed.codec
            codecs = [first, *(c for c in codecs if c.name != first.name)]  # 8.3.2: keep the payload types
        direction = "sendonly" if self.holding else "sendrecv"
        keys = self._keys_to_offer()
        layout = self._layout
        return self._written(
            lambda version: make_offer(
                self._address,
                self.port.local[1],
                codecs,
                session_id=self._session_id,
                version=version,
                direction=direction,
                layout=layout,
                cryptos=keys,
                events=self.wishes.events,
            )
        )

    def insist(self) -> bytes | None:
        """Write another offer for a peer that refused the first, which left it the choice: SRTP or nothing."""
        if self.wishes.srtp != "optional" or self._insists or self.agreed is not None:
            return None
        self._insists = True
        return self.offer()

    @property
    def _layout(self) -> Layout:
        if self.agreed is not None:
            return self.agreed.layout
        return SECURE if self._insists else ALONE

    def _keys_to_offer(self) -> Sequence[Crypto]:
        if self.agreed is not None:
            return self._keys if self.agreed.crypto_out is not None else ()
        if not self._keys and (self._insists or (self._hidden and self.wishes.srtp == "optional")):
            self._keys = keys_for(OFFERED, secrets.token_bytes)
        return self._keys

    def answer(self, offer: bytes | Description) -> bytes:
        """Answer the peer's offer and follow it.

        :raises NegotiationError: where nothing fits.
        """
        found: list[Agreed] = []
        codecs = self.codecs
        if self.agreed is not None:
            codecs = [c for c in codecs if c.name == self.agreed.codec.name] + [
                c for c in codecs if c.name != self.agreed.codec.name
            ]

        def write(version: int) -> bytes:
            text, agreed = make_answer(
                offer,
                self._address,
                self.port.local[1],
                codecs,
                session_id=self._session_id,
                version=version,
                willing="sendonly" if self.holding else "sendrecv",
                srtp=self.wishes.srtp,
                make_key=self._key,
                events=self.wishes.events,
                digits=self.wishes.digits,
                before=self.agreed,
                peer=self._peer,
            )
            found.append(agreed)
            return text

        written = self._written(write)
        self._follow(found[-1])
        return written

    def take(self, answer: bytes) -> None:
        """Follow the answer to our offer.

        :raises NegotiationError: where it takes nothing we offered.
        """
        agreed = take_answer(
            answer,
            self.codecs,
            willing="sendonly" if self.holding else "sendrecv",
            layout=self._layout,
            cryptos=self._keys_to_offer(),
            digits=self.wishes.digits,
            peer=self._peer,
        )
        self._follow(agreed)

    def _key(self, suite: str, tag: int) -> Crypto:
        """Return our key for an answer: made once, kept through re-offers (RFC 4568 §7.1.4)."""
        for key in self._keys:
            if key.suite == suite:
                return Crypto(suite, key.key, tag)
        self._keys = [Crypto(suite, secrets.token_bytes(KEY_BYTES[suite]), tag)]
        return self._keys[0]

    @property
    def held(self) -> bool:
        """The peer put us on hold."""
        return self.agreed is not None and self.agreed.held

    def _follow(self, agreed: Agreed) -> None:
        self.agreed = agreed
        self.port.send_to(agreed)

    def _written(self, write: object) -> bytes:
        assert callable(write)
        if self._last:
            same: bytes = write(self._version)
            if same == self._last:
                return same
        self._version += 1
        self._last = write(self._version)
        return self._last
