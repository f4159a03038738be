"""Certificates for SIP over TLS (RFC 5630): given by path, or a self-signed one made for trials."""

from __future__ import annotations

import datetime
import ipaddress
import logging
import os
import ssl
from pathlib import Path

from pbx.config.general import Tls
from pbx.errors import ConfigError

log = logging.getLogger(__name__)

TRIAL_DAYS = 825


class Certificates:
    """The contexts of our listeners and of the connections that we open."""

    def __init__(self, tls: Tls, base: Path, domain: str) -> None:
        """Load, making a self-signed certificate below *base* where none is configured.

        :raises ConfigError: naming the file that cannot be used.
        """
        if tls.certificate:
            self._certificate, self._key = base / tls.certificate, base / (tls.key or tls.certificate)
        else:
            self._certificate, self._key = base / "var/tls/trial.crt", base / "var/tls/trial.key"
            if not self._certificate.exists():
                make_self_signed(self._certificate, self._key, domain)
        self._authorities = base / tls.authorities if tls.authorities else None
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.minimum_version = ssl.TLSVersion.TLSv1_2
        # Phones show self-signed certificates of their own: encryption without a proof of identity is worth having.
        self.client = _unverified()
        self.load()

    def load(self) -> None:
        """Read the files again: later handshakes use them.

        :raises ConfigError: naming the file that cannot be used; what was loaded stays.
        """
        self.check()
        self.server.load_cert_chain(self._certificate, self._key)
        self.proven = self._proven()

    def check(self) -> None:
        """Try the files.

        :raises ConfigError: naming the one that cannot be used.
        """
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._certificate, self._key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"sip.tls: cannot use {self._certificate} with {self._key}: {error}") from error
        self._proven()

    def _proven(self) -> ssl.SSLContext:
        """Make the context for peers that must prove who they are."""
        try:
            made = ssl.create_default_context(cafile=str(self._authorities) if self._authorities else None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"sip.tls: cannot use the authorities of {self._authorities}: {error}") from error
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        return made


def _unverified() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def make_self_signed(certificate: Path, key: Path, domain: str) -> None:
    """Write a key (mode 0600) and a certificate for *domain* and the loopback addresses, for trials only."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
    now = datetime.datetime.now(datetime.UTC)
    loopback = [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=TRIAL_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain), *loopback]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.parent.mkdir(parents=True, exist_ok=True)
    secret = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secret)
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    log.warning("made a self-signed certificate for trials: %s", certificate)
