"""Certificates: a trunk's must be good and bear its name; ours can be exchanged while we run."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pbx.config.general import Sip, Tls
from pbx.errors import ConfigError
from pbx.signaling import stream
from pbx.signaling.transports import Transports
from pbx.sip.message import Flow

pytestmark = pytest.mark.asyncio
OPTIONS = (
    b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


class Authority:
    """One that signs certificates."""

    def __init__(self, directory: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self.file = directory / "authority.pem"
        own = self._certificate("authority", self._key.public_key(), ca=True)
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def sign(self, name: str, file: Path) -> None:
        """Write a key and a certificate for *name* into one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        shown = self._certificate(name, key.public_key(), ca=False).public_bytes(serialization.Encoding.PEM)
        file.write_bytes(secret + shown)

    def _certificate(self, name: str, key: ec.EllipticCurvePublicKey, *, ca: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


class Listening:
    """Transports with one TLS listener, and what came and what broke."""

    def __init__(self, tls: Tls) -> None:
        self.transports = Transports(Sip(listen=("tls:127.0.0.1:0",), tls=tls))
        self.came: asyncio.Queue[str] = asyncio.Queue()

    async def start(self) -> None:
        await self.transports.start(
            lambda data, flow: self.came.put_nowait(data.split(b" ", 1)[0].decode()),
            lambda flow: self.came.put_nowait("closed"),
        )

    @property
    def address(self) -> tuple[str, int]:
        _, host, port = self.transports.listening[0].split(":")
        return host, int(port)


@asynccontextmanager
async def two(directory: Path, **client: str) -> AsyncIterator[tuple[Authority, Listening, Listening]]:
    """A carrier with a certificate for sip.carrier.example, and us."""
    authority = Authority(directory)
    file = directory / "carrier.pem"
    authority.sign("sip.carrier.example", file)
    carrier = Listening(Tls(certificate=str(file)))
    ours = directory / "us.pem"
    authority.sign("us.example", ours)
    us = Listening(Tls(certificate=str(ours), **client))
    await carrier.start()
    await us.start()
    try:
        yield authority, carrier, us
    finally:
        await us.transports.stop()
        await carrier.transports.stop()


async def outcome(us: Listening, carrier: Listening, name: str) -> str:
    """Connect to the carrier as *name*; return what it received, or that we closed."""
    flow = us.transports.flow_to("tls", carrier.address)
    assert isinstance(flow, Flow)
    us.transports.expect(flow.remote, name)
    us.transports.send(OPTIONS, flow)
    waits = [asyncio.ensure_future(side.came.get()) for side in (carrier, us)]
    async with asyncio.timeout(10):
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return done.pop().result()


async def test_a_trunk_whose_certificate_bears_its_name_is_talked_to(tmp_path: Path) -> None:
    async with two(tmp_path, authorities=str(tmp_path / "authority.pem")) as (_, carrier, us):
        assert await outcome(us, carrier, "sip.carrier.example") == "OPTIONS"


async def test_a_certificate_for_another_name_ends_the_connection(tmp_path: Path) -> None:
    async with two(tmp_path, authorities=str(tmp_path / "authority.pem")) as (_, carrier, us):
        assert await outcome(us, carrier, "sip.other.example") == "closed"
        assert carrier.came.empty()


async def test_a_certificate_that_no_known_authority_signed_ends_the_connection(tmp_path: Path) -> None:
    async with two(tmp_path) as (_, carrier, us):
        assert await outcome(us, carrier, "sip.carrier.example") == "closed"


async def test_a_phone_and_a_trunk_that_need_not_prove_themselves_are_talked_to(tmp_path: Path) -> None:
    async with two(tmp_path) as (_, carrier, us):
        assert await outcome(us, carrier, "") == "OPTIONS"


async def test_an_exchanged_certificate_counts_for_the_next_connection(tmp_path: Path) -> None:
    async with two(tmp_path, authorities=str(tmp_path / "authority.pem")) as (authority, carrier, us):
        authority.sign("new.carrier.example", tmp_path / "carrier.pem")
        assert await outcome(us, carrier, "new.carrier.example") == "closed"
        carrier.transports.reload_certificates()
        assert await outcome(us, carrier, "new.carrier.example") == "OPTIONS"


async def test_files_that_cannot_be_used_are_named_and_what_was_loaded_stays(tmp_path: Path) -> None:
    async with two(tmp_path, authorities=str(tmp_path / "authority.pem")) as (_, carrier, us):
        (tmp_path / "carrier.pem").write_text("nonsense")
        with pytest.raises(ConfigError, match=r"carrier\.pem"):
            carrier.transports.check_certificates()
        with pytest.raises(ConfigError, match=r"carrier\.pem"):
            carrier.transports.reload_certificates()
        assert await outcome(us, carrier, "sip.carrier.example") == "OPTIONS"
        (tmp_path / "authority.pem").write_text("nonsense")
        with pytest.raises(ConfigError, match=r"authority\.pem"):
            us.transports.check_certificates()


async def test_who_begins_a_handshake_counts_before_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half-open TLS takes no more places of one address than connections do, and gives them back."""
    monkeypatch.setattr(stream, "MAX_PER_ADDRESS", 3)
    monkeypatch.setattr(stream, "HANDSHAKE_S", 0.3)
    async with two(tmp_path) as (_, carrier, us):
        silent = [await asyncio.open_connection(*carrier.address) for _ in range(3)]
        streams = carrier.transports._streams["tls"]
        async with asyncio.timeout(5):
            while streams._shaking.total() < 3:
                await asyncio.sleep(0)
            reader, writer = await asyncio.open_connection(*carrier.address)
            assert await reader.read() == b""  # shown the door at once
            for other, _ in silent:
                assert await other.read() == b""  # when its time to shake hands is over
            while streams._shaking.total():
                await asyncio.sleep(0)
        assert streams.refused == 1
        assert await outcome(us, carrier, "") == "OPTIONS"
        for _, closing in (*silent, (reader, writer)):
            closing.close()
