"""The registrar: REGISTER in, bindings kept, a 200 only when they are durable (RFC 3261 §10)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from pbx.errors import PbxError, RemoteProtocolError
from pbx.events import Event, RegistrationAdded, RegistrationRemoved
from pbx.sip.location import Binding, Change, Location
from pbx.sip.message import Flow, Request, Response, response_to
from pbx.sip.transaction import ServerTransaction

log = logging.getLogger(__name__)


class BindingStore(Protocol):
    """Where bindings survive a restart."""

    def save(self, account: str, bindings: list[Binding]) -> Awaitable[None]:
        """Replace an account's bindings; done when durable."""

    def load(self) -> list[tuple[str, Binding]]: ...


class Registrar:
    """Handle REGISTER requests that the gate admitted."""

    def __init__(
        self,
        store: BindingStore,
        emit: Callable[[Event], object],
        wall: Callable[[], float],
        max_contacts: Callable[[str], int],
    ) -> None:
        self.location = Location()
        self._store = store
        self._emit = emit
        self._wall = wall
        self._max_contacts = max_contacts
        self._tasks: set[asyncio.Task[None]] = set()
        self.changed: list[Callable[[str], None]] = []  # told the account whose reachability changed
        self.moved: list[Callable[[Flow, Flow], None]] = []  # told how a phone was reached, and how it is now

    def restore(self) -> int:
        """Load the bindings of the run before; those over UDP are valid at once."""
        count = 0
        for account, binding in self._store.load():
            if binding.expires_at > self._wall() and not binding.flow.reliable:
                self.location.restore(account, binding)
                count += 1
        return count

    def handle(
        self,
        request: Request,
        transaction: ServerTransaction,
        source: str,
        respond: Callable[[ServerTransaction, Response], None],
    ) -> None:
        """Answer a REGISTER; *respond* is called now or when the store has it."""
        room, _, account = source.partition("/")
        if room != "endpoint" or request.to.uri.user != account:
            respond(transaction, response_to(request, 403))
            return
        try:
            change = self.location.register(
                account, request, transaction.flow, self._wall(), self._max_contacts(account)
            )
        except PbxError as error:
            respond(transaction, self._refusal(request, error))
            return
        if not (change.added or change.refreshed or change.removed):
            respond(transaction, self._accepted(request, change))  # a query
            return
        self._report(account, change, transaction.flow)
        task = asyncio.get_running_loop().create_task(self._commit(account, change, request, transaction, respond))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def expire(self) -> None:
        """Drop what ran out; call about once a second."""
        for account, binding in self.location.expire(self._wall()):
            self._removed(account, binding, "expired")

    def flow_closed(self, flow: Flow) -> None:
        """A connection is gone, and the bindings that lived on it."""
        for account, binding in self.location.remove_flow(flow):
            self._removed(account, binding, "unreachable")

    async def _commit(
        self,
        account: str,
        change: Change,
        request: Request,
        transaction: ServerTransaction,
        respond: Callable[[ServerTransaction, Response], None],
    ) -> None:
        try:
            await self._store.save(account, change.bindings)
        except PbxError as error:
            log.error("registration of %s not stored: %s", account, error)
            respond(transaction, response_to(request, 500))
            return
        respond(transaction, self._accepted(request, change))

    def _report(self, account: str, change: Change, flow: Flow) -> None:
        for binding in change.added:
            log.info("< %s registered from %s (%s)", account, flow, binding.user_agent or "unnamed")
            self._emit(
                RegistrationAdded(
                    endpoint=account,
                    contact=str(binding.contact),
                    source=str(flow),
                    user_agent=binding.user_agent,
                    expires_s=round(binding.expires_at - self._wall()),
                )
            )
        for binding, cause in change.removed:
            self._emit(RegistrationRemoved(endpoint=account, contact=str(binding.contact), cause=cause))
        for before, after in change.moved:
            for follow in self.moved:
                follow(before, after)
        if change.added or change.removed:
            for tell in self.changed:
                tell(account)

    def _removed(self, account: str, binding: Binding, cause: str) -> None:
        log.info("x %s: registration %s (%s)", account, cause, binding.flow)
        self._emit(RegistrationRemoved(endpoint=account, contact=str(binding.contact), cause=cause))
        for tell in self.changed:
            tell(account)

    def _accepted(self, request: Request, change: Change) -> Response:
        response = response_to(request, 200, to_tag="r")
        now = self._wall()
        for binding in change.bindings:
            left = max(0, round(binding.expires_at - now))
            extra = f';+sip.instance="{binding.instance}";reg-id={binding.reg_id}' if binding.reg_id else ""
            response.add("Contact", f"<{binding.contact}>;expires={left}{extra}")
        if request.headers.get("Path"):
            response.headers["Path"] = list(request.headers["Path"])
        if any(b.reg_id for b in change.bindings):
            response.headers["Require"] = ["outbound"]
        return response

    def _refusal(self, request: Request, error: PbxError) -> Response:
        response = response_to(request, error.status if isinstance(error, RemoteProtocolError) else 500, to_tag="r")
        if error.status == 423:
            response.headers["Min-Expires"] = [str(self.location.min_s)]
        return response
