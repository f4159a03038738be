"""SRTP: encrypted on the wire, plain in the engine, and nobody without the key is heard."""

from __future__ import annotations

import os
import struct
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pylibsrtp import Policy, Session

from pbx.media.contract import MediaState
from pbx.media.engine import Engine
from pbx.native import srtp
from pbx.sdp.crypto import KEY_BYTES, OFFERED, Crypto
from pbx.sdp.negotiate import Agreed
from tests.media.phones import Phone, sine, talk, until

PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}


class SecurePhone(Phone):
    """A phone that encrypts with libsrtp by its own binding."""

    def __init__(self, engine: Engine, suite: str) -> None:
        self.mine = Crypto(suite, os.urandom(KEY_BYTES[suite]))
        self.theirs = Crypto(suite, os.urandom(KEY_BYTES[suite]))
        profile = PROFILES[suite]
        self.seal = Session(Policy(self.mine.key, Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile))
        self.open = Session(Policy(self.theirs.key, Policy.SSRC_ANY_INBOUND, srtp_profile=profile))
        self.wire: list[bytes] = []
        super().__init__(engine)

    def agree(self, direction: str = "sendrecv") -> None:
        here = self.socket.getsockname()
        self.port.send_to(Agreed(here, here, self.codec, 101, direction, 20, False, self.mine, self.theirs))

    def send(self, payload: bytes, *, pt: int | None = None, step: int | None = None, marker: bool = False) -> None:
        kind = (self.codec.payload_type if pt is None else pt) | marker << 7
        head = struct.pack("!BBHII", 0x80, kind, self.seq & 0xFFFF, self.time_stamp & 0xFFFFFFFF, self.ssrc)
        self.socket.sendto(self.seal.protect(head + payload), self.port.local)
        self.seq += 1
        self.time_stamp += len(payload) if step is None else step

    def collect(self) -> list[bytes]:
        had = len(self.received)
        super().collect()
        self.wire += self.received[had:]
        self.received[had:] = [self.open.unprotect(packet) for packet in self.received[had:]]
        return self.received


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine(31000, 31999, capacity=64, seed=3)
    made.start()
    yield made
    made.stop()


@pytest.mark.asyncio
@pytest.mark.parametrize("suite", sorted(PROFILES))
async def test_an_encrypted_phone_and_a_plain_one_hear_each_other(engine: Engine, suite: str) -> None:
    secure, plain = SecurePhone(engine, suite), Phone(engine)
    secure.port.hear(plain.port)
    plain.port.hear(secure.port)
    packets = sine("pcmu", 440, 0.3)  # the numbers wrap on the way: a rollover of the index
    await talk({secure: packets, plain: packets})
    await until(lambda: len(secure.collect()) == len(plain.collect()) == len(packets))
    assert [packet[12:] for packet in secure.received] == packets
    assert [packet[12:] for packet in plain.received] == packets
    assert all(packet[12:172] not in packets for packet in secure.wire)
    assert secure.port.stats().encrypted
    assert not plain.port.stats().encrypted
    secure.digit(7)
    await until(lambda: [digit for digit, _ in secure.events.digits] == ["7"])
    secure.close()
    plain.close()


@pytest.mark.asyncio
async def test_a_wrong_tag_is_counted_and_a_peer_without_the_key_is_told_of(engine: Engine) -> None:
    secure, plain = SecurePhone(engine, OFFERED[0]), Phone(engine)
    plain.port.hear(secure.port)
    stranger = Phone(engine)
    stranger.port, kept = secure.port, stranger.port
    for _ in range(150):
        await talk({stranger: sine("pcmu", 440, 0.02)})
    await until(lambda: secure.events.states == [MediaState.UNDECRYPTABLE])
    assert secure.port.stats().undecryptable == 150
    assert plain.collect() == []
    await talk({secure: sine("pcmu", 440, 0.1)})
    await until(lambda: secure.events.states[1:] == [MediaState.HEARD])
    assert len(plain.collect()) == 5
    kept.close()
    stranger.socket.close()
    secure.close()
    plain.close()


@pytest.mark.asyncio
async def test_a_packet_sent_again_by_somebody_is_no_second_packet(engine: Engine) -> None:
    secure, plain = SecurePhone(engine, "AES_CM_128_HMAC_SHA1_80"), Phone(engine)
    plain.port.hear(secure.port)
    head = struct.pack("!BBHII", 0x80, 0, 1, 160, 9)
    sealed = secure.seal.protect(head + b"\x55" * 160)
    secure.socket.sendto(sealed, secure.port.local)
    stranger = Phone(engine)
    for _ in range(20):
        stranger.socket.sendto(sealed, secure.port.local)
    await talk({secure: sine("pcmu", 440, 0.1)})
    assert len(plain.collect()) == 6
    assert secure.port.stats().remote == secure.socket.getsockname()
    for phone in (secure, plain, stranger):
        phone.close()


@pytest.mark.asyncio
async def test_a_key_that_stays_goes_on_counting_and_a_new_one_is_followed(engine: Engine) -> None:
    secure, plain = SecurePhone(engine, "AEAD_AES_128_GCM"), Phone(engine)
    plain.port.hear(secure.port)
    await talk({secure: sine("pcmu", 440, 0.3)})  # past the wrap of the numbers
    secure.agree()  # a re-INVITE with the same keys
    await talk({secure: sine("pcmu", 440, 0.1)})
    await until(lambda: len(plain.collect()) == 20)
    secure.mine = Crypto(secure.mine.suite, os.urandom(28))
    secure.seal = Session(
        Policy(secure.mine.key, Policy.SSRC_ANY_OUTBOUND, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM)
    )
    secure.agree()
    await talk({secure: sine("pcmu", 440, 0.1)})
    await until(lambda: len(plain.collect()) == 25)
    assert secure.port.stats().undecryptable == 0
    secure.close()
    plain.close()


@pytest.mark.parametrize(("suite", "size"), [("AES_CM_128_HMAC_SHA1_80", 29), ("NONE", 30)])
def test_a_key_that_does_not_fit_is_refused(suite: str, size: int) -> None:
    with pytest.raises(ValueError, match=r"suite|bytes"):
        srtp.create(suite, bytes(size), True)


def test_every_suite_that_we_know_can_be_used() -> None:
    for suite, size in KEY_BYTES.items():
        context = srtp.create(suite, bytes(range(size)), False)
        assert len(srtp.seal(context, bytes([0x80]) + bytes(171))) > 172
        srtp.destroy(context)
