"""Trunks: registered or known by address, watched by OPTIONS, several proxies with failover (RFC 3261 §10.2, §11)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import Protocol

from pbx.config.endpoints import Trunk as TrunkSpec
from pbx.errors import Unreachable
from pbx.events import Event, TrunkState
from pbx.signaling.line import Line, Proxy, State, differ, expires_of, realm_named
from pbx.signaling.resolver import Hop, Names, is_address, resolve
from pbx.sip.message import Flow, Request, Response
from pbx.sip.stack import Stack
from pbx.sip.uri import Uri

log = logging.getLogger(__name__)

TICK_S = 1.0
RESOLVE_AGAIN_S = 300.0
RETRY_S, RETRY_MAX_S = 30.0, 600.0  # after a refusal or when every proxy failed, doubled each time


class Ways(Protocol):
    """What trunks need of the transports."""

    def flow_to(self, transport: str, remote: tuple[str, int]) -> Flow | None: ...
    def advertised(self, flow: Flow) -> tuple[str, int]: ...
    def expect(self, remote: tuple[str, int], name: str) -> None: ...
    def widen(self, remote: tuple[str, int]) -> None: ...


class Trunks:
    """Every trunk of the configuration; :meth:`tick` about once a second keeps them up."""

    def __init__(
        self,
        specs: Mapping[str, TrunkSpec],
        secrets: Mapping[str, str],
        stack: Stack,
        ways: Ways,
        names: Names,
        emit: Callable[[Event], object],
        now: Callable[[], float],
        pump: Callable[[], None] = lambda: None,
    ) -> None:
        self._stack = stack
        self._ways = ways
        self._names = names
        self._emit = emit
        self._now = now
        self._pump = pump
        self._chance = random.Random(stack.ids.token())
        self._tasks: set[asyncio.Task[None]] = set()
        self.lines = {name: self._new_line(name, spec, secrets.get(name)) for name, spec in specs.items()}

    def _new_line(self, name: str, spec: TrunkSpec, secret: str | None) -> Line:
        line = Line(name, spec, secret, "t" + self._stack.ids.token(64))
        line.call_id = self._stack.ids.call_id()
        for proxy in line.proxies:
            self._resolve_address(proxy, line)
        self._begin(line)
        return line

    def configure(self, specs: Mapping[str, TrunkSpec], secrets: Mapping[str, str]) -> None:
        """Follow a new configuration: a trunk whose way there is the same stays as it is, registration and all."""
        before, self.lines = self.lines, {}
        for name, spec in specs.items():
            line = before.pop(name, None)
            if line is not None and line.secret == secrets.get(name) and not differ(line.spec, spec):
                line.spec = spec
                self.lines[name] = line
                continue
            if line is not None:
                self._deregister(line)
                line.state = State.DISABLED  # what is still under way for the old way there is nobody's
            self.lines[name] = self._new_line(name, spec, secrets.get(name))
        for line in before.values():
            self._deregister(line)
            self._became(line, State.DISABLED, "removed")
        self._pump()

    def set_by_day(self) -> list[str]:
        """Say which trunks somebody switched off that the files have on."""
        return [f"trunk {line.name}: disabled" for line in self.lines.values() if line.by_hand and line.spec.enabled]

    @property
    def tokens(self) -> dict[str, str]:
        """User part of our Contact → trunk, for the gate."""
        return {line.token: name for name, line in self.lines.items() if line.spec.register_ is not None}

    # ---- keeping up ------------------------------------------------------------------------------------------------

    def _begin(self, line: Line) -> None:
        if line.state is State.DISABLED:
            return
        if line.needs_secret and line.secret is None:
            self._became(line, State.DOWN, "its secret is missing")
        elif line.spec.register_ is not None:
            self._became(line, State.REGISTERING)
        elif line.proxies:
            self._became(line, State.UP)
        else:
            self._became(line, State.UP, "takes calls only")

    def tick(self) -> None:
        """Do what is due: look names up, register, ask whether proxies answer."""
        now = self._now()
        for line in self.lines.values():
            if line.state is State.DISABLED or (line.needs_secret and line.secret is None):
                continue
            if now >= line.resolve_at:
                line.resolve_at = now + RESOLVE_AGAIN_S
                self._look_up(line)
            if line.spec.register_ is not None and not line.busy and now >= line.register_at:
                self._register(line)
            if line.spec.qualify_s and now >= line.qualify_at:
                line.qualify_at = now + line.spec.qualify_s
                for proxy in line.proxies:
                    self._qualify(line, proxy)
        self._pump()

    def flow_closed(self, flow: Flow) -> None:
        """A connection is gone: what registered over it registers again."""
        for line in self.lines.values():
            if line.flow is not None and line.flow == flow:
                line.flow = None
                line.register_at = self._now()

    def enable(self, name: str, on: bool) -> None:
        """Switch a trunk on or off by hand.

        :raises KeyError: for an unknown one.
        """
        line = self.lines[name]
        line.by_hand = not on
        if not on:
            self._deregister(line)
            self._became(line, State.DISABLED, "operator")
        elif line.state is State.DISABLED:
            line.register_at = self._now()
            line.state = State.DOWN
            self._begin(line)

    def _resolve_address(self, proxy: Proxy, line: Line) -> bool:
        transport = line.spec.transport or proxy.uri.transport
        if is_address(proxy.uri.host):
            port = proxy.uri.port or (5061 if transport == "tls" else 5060)
            proxy.hops = [Hop(transport, proxy.uri.host, port)]
            return True
        return False

    def _look_up(self, line: Line) -> None:
        named = [proxy for proxy in line.proxies if not self._resolve_address(proxy, line)]
        for index, proxy in enumerate(line.proxies):
            if proxy not in named:
                self._flows(line, index)  # whoever takes TCP is known before the first call
        if named:
            task = asyncio.get_running_loop().create_task(self._resolve(line, named))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _resolve(self, line: Line, proxies: list[Proxy]) -> None:
        for proxy in proxies:
            hops = await resolve(proxy.uri, self._names, self._chance, transport=line.spec.transport)
            if hops:
                proxy.hops = hops
                self._flows(line, line.proxies.index(proxy))
            elif not proxy.hops:
                log.warning("x trunk %s: %s leads nowhere", line.name, proxy.uri.host)
        if not any(proxy.hops for proxy in line.proxies):
            self._became(line, State.UNREACHABLE, "no name of its proxies resolves")
            line.resolve_at = self._now() + RETRY_S

    def _became(self, line: Line, state: State, cause: str = "") -> None:
        if line.state is state and line.cause == cause:
            return
        was, line.state, line.cause = line.state, state, cause
        (log.info if state is State.UP else log.warning)(
            "trunk %s: %s%s", line.name, state.value, f" ({cause})" if cause else ""
        )
        self._emit(TrunkState(trunk=line.name, was=was.value, now=state.value, cause=cause))

    # ---- registration ----------------------------------------------------------------------------------------------

    def _register(self, line: Line) -> None:
        flow = self._flow(line, line.current)
        if flow is None:
            self._next_proxy(line, "no way there")
            return
        spec = line.spec.register_
        assert spec is not None
        line.busy = True
        self._send_register(line, flow, spec.expires_s, lambda r: self._registered(line, r))

    def _deregister(self, line: Line) -> None:
        """Take our binding back, where there is one; nobody waits for the answer."""
        if line.spec.register_ is not None and line.flow is not None and line.state is State.UP:
            self._send_register(line, line.flow, 0, lambda response: None)

    def _send_register(
        self, line: Line, flow: Flow, expires_s: int, answered: Callable[[Response | None], None]
    ) -> None:
        uri = line.proxies[line.current].uri
        line.cseq += 1
        request = Request("REGISTER", Uri(uri.scheme, "", uri.host))
        host, port = self._ways.advertised(flow)
        shown = f"[{host}]" if ":" in host else host
        transport = "" if flow.transport == "udp" else f";transport={flow.transport}"
        own = f"<sip:{line.user}@{uri.host}>"
        request.headers = {
            "Max-Forwards": ["70"],
            "From": [f"{own};tag={self._stack.ids.tag()}"],
            "To": [own],
            "Call-ID": [line.call_id],
            "CSeq": [f"{line.cseq} REGISTER"],
            "Contact": [f"<sip:{line.token}@{shown}:{port}{transport}>;expires={expires_s}"],
        }
        known = line.credentials if line.realm else None  # the realm is learned from the first challenge
        line.cseq += 1  # the stack answers a challenge with the next CSeq
        line.flow = flow
        self._stack.request(request, flow, self._now(), answered, known)

    def _registered(self, line: Line, response: Response | None) -> None:
        line.busy = False
        if line.state is State.DISABLED:
            return
        if response is None or response.status >= 500 or response.status == 408:
            self._next_proxy(line, str(response.status) if response is not None else "no answer")
        elif response.status < 300:
            line.failures = 0
            expires_s = expires_of(response, line)
            line.register_at = self._now() + max(10.0, 0.8 * expires_s)
            line.proxies[line.current].answers = True
            self._became(line, State.UP)
        elif response.status in (401, 407) and not line.realm and (realm := realm_named(response)):
            line.realm = realm
            self._register(line)
            self._pump()
        else:
            cause = f"{response.status} {response.reason}"
            if response.status in (401, 407) and realm_named(response) not in ("", line.realm):
                cause = f"challenged for the foreign realm {realm_named(response)!r}"
            self._back_off(line)
            self._became(line, State.DOWN, cause)

    def _next_proxy(self, line: Line, cause: str) -> None:
        line.proxies[line.current].answers = False
        line.current = (line.current + 1) % len(line.proxies)
        if any(proxy.answers for proxy in line.proxies):
            line.register_at = self._now()
            return
        for proxy in line.proxies:
            proxy.answers = True
        self._back_off(line)
        self._became(line, State.UNREACHABLE, cause)

    def _back_off(self, line: Line) -> None:
        wait_s = min(RETRY_S * 2**line.failures, RETRY_MAX_S)
        line.failures += 1
        line.register_at = self._now() + wait_s * self._chance.uniform(0.8, 1.0)

    # ---- qualification ---------------------------------------------------------------------------------------------

    def _qualify(self, line: Line, proxy: Proxy) -> None:
        flow = self._flow(line, line.proxies.index(proxy))
        if flow is None:
            return
        request = Request("OPTIONS", Uri(proxy.uri.scheme, "", proxy.uri.host, proxy.uri.port))
        request.headers = {
            "Max-Forwards": ["70"],
            "From": [f"<sip:ping@{self._ways.advertised(flow)[0]}>;tag={self._stack.ids.tag()}"],
            "To": [f"<{request.uri_text}>"],
            "Call-ID": [self._stack.ids.call_id()],
            "CSeq": ["1 OPTIONS"],
        }
        self._stack.request(request, flow, self._now(), lambda r: self._qualified(line, proxy, r))

    def _qualified(self, line: Line, proxy: Proxy, response: Response | None) -> None:
        # Whoever answers lives, whatever it says; but 408 and 503 come from something before a dead server.
        proxy.answers = response is not None and response.status not in (408, 503)
        if line.state not in (State.UP, State.UNREACHABLE):
            return
        if any(p.answers for p in line.proxies):
            if line.state is State.UNREACHABLE and line.spec.register_ is not None:
                line.register_at = self._now()
            elif line.state is State.UNREACHABLE:
                self._became(line, State.UP)
        else:
            self._became(line, State.UNREACHABLE, "no proxy answers OPTIONS")

    # ---- calls -----------------------------------------------------------------------------------------------------

    def flows(self, name: str) -> tuple[Line, list[Flow]]:
        """Return a trunk and the ways to it, those that answer first.

        :raises Unreachable: status 503 while it is not up.
        """
        line = self.lines.get(name)
        if line is None or not line.proxies:
            raise Unreachable(f"trunk {name} is not available", status=503)
        if line.state is not State.UP:
            raise Unreachable(f"trunk {name} is {line.state.value}: {line.cause}", status=503)
        order: list[int] = list(range(len(line.proxies)))
        if len(order) > 1:
            first = line.current if line.spec.register_ is not None else -1
            order.sort(key=lambda i: (not line.proxies[i].answers, i != first, i))
        found = [flow for i in order for flow in self._flows(line, i)]
        if not found:
            raise Unreachable(f"no way to trunk {name}", status=503)
        return line, found

    def _flow(self, line: Line, index: int) -> Flow | None:
        found = self._flows(line, index)
        return found[0] if found else None

    def _flows(self, line: Line, index: int) -> list[Flow]:
        hops = line.proxies[index].hops
        if line.hop_uri is not None and is_address(line.hop_uri.host):
            transport = line.spec.transport or line.hop_uri.transport
            hops = [Hop(transport, line.hop_uri.host, line.hop_uri.port or (5061 if transport == "tls" else 5060))]
        found = [flow for hop in hops if (flow := self._ways.flow_to(hop.transport, (hop.host, hop.port))) is not None]
        for flow in found:
            if flow.transport == "tls":
                name = (line.hop_uri or line.proxies[index].uri).host
                self._ways.expect(flow.remote, name if line.spec.verify_tls else "")
            elif flow.transport == "udp" and not line.spec.transport:
                self._ways.widen(flow.remote)  # nobody insists on UDP: what is large may go by TCP
        return found
