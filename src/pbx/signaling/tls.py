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
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.minimum_version = ssl.TLSVersion.TLSv1_2
        # Phones show self-signed certificates of their own, and a carrier is known by digest and address: encryption
        # without a proof of identity is still worth having.
        self.client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.client.check_hostname = False
        self.client.verify_mode = ssl.CERT_NONE
        self.client.minimum_version = ssl.TLSVersion.TLSv1_2
        self.load()

    def load(self) -> None:
        """Read the files again into the live contexts: later handshakes use them.

        :raises ConfigError: naming the file that cannot be used.
        """
        try:
            self.server.load_cert_chain(self._certificate, self._key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"sip.tls: cannot use {self._certificate} with {self._key}: {error}") from error


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
