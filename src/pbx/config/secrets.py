"""Secrets: from the environment, from a file, or made at the first start; never from the repository."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from pbx.config.config import Config
from pbx.config.endpoints import SecretFrom
from pbx.config.general import parse_listener
from pbx.config.phones import Provisioning
from pbx.config.where import Finding, Severity
from pbx.errors import ConfigError

LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that look alike
LENGTH = 16


def read_secret(spec: SecretFrom | str, base: Path, environment: Mapping[str, str]) -> str | None:
    """Return a secret, None where neither environment nor file has it."""
    if isinstance(spec, str):
        return spec
    if spec.env and environment.get(spec.env):
        return environment[spec.env]
    if spec.file:
        try:
            return (base / spec.file).read_text(encoding="utf-8").strip() or None
        except OSError:
            return None
    return None


def make_secret(spec: SecretFrom, base: Path, *, digits: bool = False) -> str:
    """Write a random secret where the specification says, for nobody else to read.

    :raises ConfigError: when the file cannot be written.
    """
    value = "".join(secrets.choice("0123456789" if digits else LETTERS) for _ in range(6 if digits else LENGTH))
    path = base / spec.file
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(value + "\n")
    except OSError as error:
        raise ConfigError(f"cannot write the secret {path}: {error.strerror}") from error
    return value


def endpoint_secrets(config: Config, base: Path, environment: Mapping[str, str], *, make: bool) -> dict[str, str]:
    """Return the secrets of endpoints, made where they are missing and *make* is set."""
    found = {}
    for number, endpoint in config.endpoints.items():
        spec = endpoint.secret
        if spec is None:
            continue
        secret = read_secret(spec, base, environment)
        if secret is None and make and isinstance(spec, SecretFrom) and spec.file:
            secret = make_secret(spec, base)
        if secret is not None:
            found[number] = secret
    return found


def trunk_secrets(config: Config, base: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets of trunks; what is missing is left out."""
    found = {}
    for name, trunk in config.trunks.items():
        spec = trunk.register_.secret if trunk.register_ is not None else trunk.secret
        secret = read_secret(spec, base, environment) if spec is not None else None
        if secret is not None:
            found[name] = secret
    return found


def provisioning_key(spec: Provisioning, base: Path, environment: Mapping[str, str]) -> str:
    """Return what phones' tokens are made of; made at the first start.

    :raises ConfigError: where it can be neither read nor made.
    """
    key = read_secret(spec.secret, base, environment)
    if key is None and isinstance(spec.secret, SecretFrom):
        key = make_secret(spec.secret, base)
    if not key:
        raise ConfigError(f"{spec.where_of('secret')}: no secret for provisioning")
    return key


def check_secrets(config: Config, base: Path, environment: Mapping[str, str]) -> list[Finding]:
    """Refuse literal secrets on reachable addresses; warn of those that are still to be made."""
    hosts = [parse_listener(text)[1] for text in config.sip.listen]
    local = all(host in ("127.0.0.1", "::1") or host.startswith("127.") for host in hosts)
    findings = []
    missing = []
    fetched = config.provisioning
    inside = fetched is None or fetched.http.startswith(("127.", "[::1]", "localhost"))
    if fetched is not None and isinstance(fetched.secret, str) and not inside:
        findings.append(
            Finding(
                fetched.where_of("secret"),
                Severity.ERROR,
                "the secret of provisioning is in the file, and its listener is reachable from outside",
                'write secret = { file = "var/secrets/provisioning" }, or listen on 127.0.0.1 only',
            )
        )
    for number, endpoint in config.endpoints.items():
        if isinstance(endpoint.secret, str) and not local:
            findings.append(
                Finding(
                    endpoint.where_of("secret"),
                    Severity.ERROR,
                    f"endpoint {number} has its secret in the file, and a listener is reachable from outside",
                    f'write secret = {{ file = "var/secrets/{number}" }}, or listen on 127.0.0.1 only',
                )
            )
        elif isinstance(endpoint.secret, SecretFrom) and read_secret(endpoint.secret, base, environment) is None:
            missing.append((number, endpoint))
    if missing:
        number, endpoint = missing[0]
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        findings.append(
            Finding(
                endpoint.where_of("secret"),
                Severity.WARNING,
                f"endpoint {number}{others}: the secret does not exist yet",
                "the first `pbx serve` makes it; `pbx endpoint secret NUMBER` shows it",
            )
        )
    for name, trunk in config.trunks.items():
        spec = trunk.register_.secret if trunk.register_ is not None else trunk.secret
        if spec is not None and read_secret(spec, base, environment) is None:
            findings.append(
                Finding(
                    trunk.where,
                    Severity.WARNING,
                    f"trunk {name}: its secret is missing, so it stays down",
                    f"put what the carrier gave you into {spec.file}" if isinstance(spec, SecretFrom) else "",
                )
            )
    return findings
