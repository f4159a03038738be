"""The listener that phones fetch their settings from: /TOKEN/FILE, and nothing else."""

from __future__ import annotations

import hmac
import logging
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from aiohttp import web

from pbx.config.config import Config
from pbx.config.general import parse_listener
from pbx.config.phones import Phone, Provisioning
from pbx.provision.render import TYPES, Account, Renderer, asks_for, token_of
from pbx.signaling.limits import BackOff

log = logging.getLogger("pbx.provision")

_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}|\[[0-9a-fA-F:]{2,45}\]")


class PhoneSettings:
    """Serves settings; *secrets* knows the endpoints' passwords, *key* what tokens are made of."""

    def __init__(
        self,
        config: Callable[[], Config],
        secrets: Callable[[], Mapping[str, str]],
        key: str,
        own: Path,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._secrets = secrets
        self._key = key
        self._renderer = Renderer(own)
        self._now = now
        self._back_off = BackOff()
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str | None:
        """Where it listens, once it does."""
        if self._runner is None or not self._runner.addresses:
            return None
        host, port = self._runner.addresses[0][:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def start(self, http: str) -> None:
        application = web.Application(client_max_size=1024)
        application.add_routes([web.get("/{token}/{file}", self._serve)])
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        host, _, port = http.rpartition(":")
        await web.TCPSite(self._runner, host.strip("[]"), int(port)).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        source, name = request.remote or "", request.match_info["file"]
        if self._back_off.must_wait(source, "provisioning", self._now()):
            raise web.HTTPNotFound
        found = self._phone(request.match_info["token"])
        if found is None:
            self._back_off.failed(source, "provisioning", self._now())
            log.warning("failed provisioning: source=%s file=%r", source, name[:80])
            raise web.HTTPNotFound
        mac, phone = found
        spec = self._config().provisioning
        secret = self._secrets().get(phone.endpoint)
        if not asks_for(phone.model, mac, name) or secret is None or spec is None:
            raise web.HTTPNotFound  # phones ask for common files too, and do without
        account = self._account(spec, phone, secret, request.host)
        url = f"{request.scheme}://{request.host}/{request.match_info['token']}/"
        text = self._renderer.render(self._config(), phone, account, url)
        log.info("< %s of endpoint %s fetched its settings from %s", phone.model, phone.endpoint, source)
        return web.Response(text=text, content_type=TYPES[phone.model], headers={"Cache-Control": "no-store"})

    def _phone(self, token: str) -> tuple[str, Phone] | None:
        """Return the phone whose token this is; every one is compared, so that time tells nothing."""
        found = None
        for mac, phone in self._config().phones.items():
            if hmac.compare_digest(token_of(self._key, mac).encode(), token.encode()):
                found = (mac, phone)
        return found

    def _account(self, spec: Provisioning, phone: Phone, secret: str, asked: str) -> Account:
        """Say what the phone registers with, and where: what is configured, else the address by which it came."""
        config = self._config()
        listeners = [parse_listener(text) for text in config.sip.listen]
        port = next((port for transport, _, port in listeners if transport == spec.transport), 5060)
        host = spec.server or config.sip.advertise
        if host.count(":") == 1:
            host, _, number = host.partition(":")
            port = int(number)
        if not host:
            came = re.sub(r":\d+$", "", asked)
            host = came if _HOST.fullmatch(came) else config.sip.domain
        name = config.endpoints[phone.endpoint].name or phone.endpoint
        return Account(phone.endpoint, name, secret, host, port, spec.transport)
