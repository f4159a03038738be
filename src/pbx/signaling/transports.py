"""Every socket that speaks SIP, found by flow; and which of our addresses a peer should use."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from pbx.config.general import Sip, parse_listener
from pbx.errors import ConfigError
from pbx.signaling.stream import Streams
from pbx.signaling.tls import Certificates
from pbx.signaling.udp import UdpListener
from pbx.sip.framing import FramingLost
from pbx.sip.message import Flow

Receive = Callable[[bytes, Flow], None]


class Transports:
    """The configured listeners."""

    def __init__(self, sip: Sip, base: Path = Path()) -> None:
        self._tls, self._domain, self._base = sip.tls, sip.domain, base
        self._certificates: Certificates | None = None
        self._listen = [parse_listener(text) for text in sip.listen]
        self._advertise = sip.advertise
        self._local_networks = [ipaddress.ip_network(text, strict=False) for text in sip.local_networks]
        self._udp: dict[tuple[str, int], UdpListener] = {}
        self._streams: dict[str, Streams] = {}
        self._stream_locals: dict[str, list[tuple[str, int]]] = {}
        self._widened: set[tuple[str, int]] = set()  # UDP peers that are tried over TCP for what is large

    async def start(
        self,
        receive: Receive,
        closed: Callable[[Flow], None],
        broken: Callable[[FramingLost, Flow], None] = lambda error, flow: None,
    ) -> None:
        """Bind everything.

        :raises ConfigError: naming the listener that cannot be bound.
        """
        for transport, host, port in self._listen:
            try:
                if transport == "udp":
                    listener = UdpListener(host, port, receive)
                    listener.start()
                    self._udp[listener.local] = listener
                else:
                    streams = self._streams.get(transport)
                    if streams is None:
                        streams = self._streams[transport] = self._make_streams(transport, receive, closed, broken)
                    self._stream_locals.setdefault(transport, []).append(await streams.listen(host, port))
            except OSError as error:
                await self.stop()
                raise ConfigError(
                    f'cannot listen on "{transport}:{host}:{port}": {error.strerror or error}; '
                    "stop the program that uses it, or change sip.listen"
                ) from error

    def _make_streams(
        self,
        transport: str,
        receive: Receive,
        closed: Callable[[Flow], None],
        broken: Callable[[FramingLost, Flow], None],
    ) -> Streams:
        if transport == "tls":
            if self._certificates is None:
                self._certificates = Certificates(self._tls, self._base, self._domain)
            return Streams(transport, receive, closed, self._certificates, broken=broken)
        return Streams(transport, receive, closed, broken=broken)

    def expect(self, remote: tuple[str, int], name: str) -> None:
        """Let a TLS peer that we connect to prove that it is *name*; "" takes anybody (RFC 5922 §7.3)."""
        if (streams := self._streams.get("tls")) is not None:
            streams.names[remote] = name

    def check_certificates(self) -> None:
        """Try the certificate files.

        :raises ConfigError: naming the one that cannot be used.
        """
        if self._certificates is not None:
            self._certificates.check()

    def reload_certificates(self) -> None:
        """Read the certificate again: connections from now on see the new one.

        :raises ConfigError: where it cannot be read; the old one stays.
        """
        if self._certificates is not None:
            self._certificates.load()

    async def stop(self) -> None:
        for listener in self._udp.values():
            listener.stop()
        for streams in self._streams.values():
            await streams.stop()
        self._udp.clear()
        self._streams.clear()

    def send(self, data: bytes, flow: Flow) -> bool:
        """Send on a flow; False where it is broken."""
        if flow.transport == "udp":
            listener = self._udp.get(flow.local)
            return listener is not None and listener.send(data, flow)
        streams = self._streams.get(flow.transport)
        return streams is not None and streams.send(data, flow)

    def flow_to(self, transport: str, remote: tuple[str, int]) -> Flow | None:
        """Return a flow from a listener of ours to *remote*; None where no listener fits."""
        version = ":" in remote[0]
        locals_: Sequence[tuple[str, int]] = (
            list(self._udp) if transport == "udp" else self._stream_locals.get(transport, [])
        )
        fitting = [local for local in locals_ if (":" in local[0]) == version]
        source = source_address(remote[0])
        for local in fitting:
            if local[0] == source:
                return Flow(transport, local, remote)
        return Flow(transport, fitting[0], remote) if fitting else None

    def widen(self, remote: tuple[str, int]) -> None:
        """Send what is large by TCP to a UDP peer that takes it: a server of a trunk, never a phone behind NAT.

        Asked at once, so that the first large message finds the answer.
        """
        if remote not in self._widened and (beside := self.flow_to("udp", remote)) is not None:
            self._widened.add(remote)
            self.wider(beside)

    def wider(self, flow: Flow) -> Flow | None:
        """Return the TCP flow beside a UDP one, where its peer takes TCP; who is not known is asked meanwhile."""
        if flow.remote not in self._widened or (streams := self._streams.get("tcp")) is None:
            return None
        beside = self.flow_to("tcp", flow.remote)
        return beside if beside is not None and streams.takes(beside) else None

    def advertised(self, flow: Flow) -> tuple[str, int]:
        """Return the address that this flow's peer should use for us."""
        host, port = flow.local
        if flow.transport != "udp":
            listening = self._stream_locals.get(flow.transport, [])
            port = listening[0][1] if listening else port  # an outbound connection's own port is no listener
        if self._advertise and not self.is_local(flow.remote[0]):
            return self._advertise, port
        if host in ("0.0.0.0", "::"):
            host = source_address(flow.remote[0])
        return host, port

    def is_local(self, host: str) -> bool:
        """Whether an address is inside, so that no NAT of ours stands before it."""
        address = ipaddress.ip_address(host)
        return any(address.version == n.version and address in n for n in self._local_networks)

    @property
    def listening(self) -> list[str]:
        found = [f"udp:{host}:{port}" for host, port in self._udp]
        for transport, locals_ in self._stream_locals.items():
            found += [f"{transport}:{host}:{port}" for host, port in locals_]
        return found


@lru_cache(maxsize=1024)
def source_address(remote: str) -> str:
    """Ask the kernel which of our addresses it would use towards *remote*; nothing is sent."""
    family = socket.AF_INET6 if ":" in remote else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((remote, 9))
            name: str = probe.getsockname()[0]
            return name
        except OSError:
            return "::1" if family == socket.AF_INET6 else "127.0.0.1"
