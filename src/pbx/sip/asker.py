"""The user of a lone request: follows challenges, reports the end once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pbx.sip.again import authorized
from pbx.sip.dialog import Dialog
from pbx.sip.message import Request, Response
from pbx.sip.outputs import ResponseReceived
from pbx.sip.transaction import ClientTransaction

if TYPE_CHECKING:
    from pbx.sip.stack import Stack


class Asker:
    """Wait for the final answer of one request, inside a dialog or outside."""

    __slots__ = ("_credentials", "_dialog", "_request", "_stack", "_token", "_tries")

    def __init__(
        self,
        stack: Stack,
        token: object,
        request: Request,
        credentials: tuple[str, str, str] | None,
        dialog: Dialog | None,
    ) -> None:
        self._stack = stack
        self._token = token
        self._request = request
        self._credentials = credentials
        self._dialog = dialog
        self._tries = 0

    def on_response(self, response: Response, transaction: ClientTransaction, now: float) -> None:
        if response.status < 200:
            return
        if response.status in (401, 407):
            cseq = self._dialog.local_seq + 1 if self._dialog is not None else 0
            again = authorized(self._request, response, self._stack.ids, self._credentials, self._tries, cseq)
            if again is not None:
                self._tries += 1
                self._request = again
                if self._dialog is not None:
                    self._dialog.local_seq = cseq
                self._stack.start_client(again, transaction.flow, self, now)
                return
        if response.status in (408, 481):
            self._lost(response.status, now)  # 12.2.1.2
        self._done(response)

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        self._lost(408, now)
        self._done(None)

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        self._done(None)

    def on_over(self, transaction: ClientTransaction) -> None: ...

    def _lost(self, status: int, now: float) -> None:
        user = self._stack.user_of(self._dialog) if self._dialog is not None else None
        if user is not None:
            user.lost(status, now)

    def _done(self, response: Response | None) -> None:
        if self._token is not None:
            self._stack.emit(ResponseReceived(self._token, response))
