"""The one tree of errors.

PbxError
├── ConfigError            the administrator's: file, line, column, cure
├── RemoteProtocolError    the peer's fault; knows the SIP status to answer
│   └── ParseError         bytes that are no SIP message (RFC 3261 §7, RFC 4475)
├── LocalProtocolError     our own bug: a verb used where the state forbids it
├── NegotiationError       an offer that nothing of ours can answer (488)
├── MediaError             the engine refused: no port left, full ring, missing file
├── StoreError             the log or the database refused
└── CallFailed             what a call script may see and handle
    ├── CallEnded          the leg is gone
    ├── NoAnswer           rang and was not answered (480)
    ├── Busy               486, 600
    ├── Declined           603, 403
    └── Unreachable        404, 480 without ringing, 408, 5xx, no binding
"""

from __future__ import annotations


class PbxError(Exception):
    """Carry the SIP *status* that answers this error and the *reason* that a record keeps."""

    status = 500
    reason = "internal-error"

    def __init__(self, message: str = "", *, status: int | None = None, reason: str | None = None) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status
        if reason is not None:
            self.reason = reason


class ConfigError(PbxError):
    """A configuration that cannot be used; ``str()`` is what the administrator reads."""


class RemoteProtocolError(PbxError):
    """The peer broke the protocol; answer *status*."""

    status = 400
    reason = "protocol-error"


class ParseError(RemoteProtocolError):
    """These bytes are no SIP message; *message* names the place."""


class LocalProtocolError(PbxError):
    """We used a verb that the state does not allow: a bug of ours."""


class NegotiationError(PbxError):
    """No answer to this offer exists (RFC 3264)."""

    status = 488
    reason = "not-acceptable"


class MediaError(PbxError):
    """The media engine could not do what it was told."""

    status = 503
    reason = "media-unavailable"


class StoreError(PbxError):
    """The store could not do what it was told."""

    reason = "store-error"


class CallFailed(PbxError):
    """A call attempt came to nothing."""

    status = 480
    reason = "failed"
    moved_to = ""  # the number that a phone's 302 names

    @property
    def handed_on(self) -> int:
        """The status for the caller: what concerns only us and the called side becomes 480."""
        return 480 if 300 <= self.status < 400 or self.status in HOP_STATUSES else self.status


class CallEnded(CallFailed):
    """The leg is gone: its other side hung up, or we did."""

    status = 487
    reason = "ended"


class NoAnswer(CallFailed):
    """It rang and nobody answered in time."""

    status = 480
    reason = "no-answer"


class Busy(CallFailed):
    """The called side is busy (486, 600)."""

    status = 486
    reason = "busy"


class Declined(CallFailed):
    """The called side refused (603, 403)."""

    status = 603
    reason = "declined"


class Unreachable(CallFailed):
    """The called side could not be reached (no binding, 404, 408, 5xx)."""

    status = 480
    reason = "unreachable"


# A challenge, an extension or an interval that we did not settle, a dialog or transaction that the caller never knew.
HOP_STATUSES = frozenset({401, 407, *range(411, 416), 416, 420, 421, 422, 423, 481, 487, 489, 491, 493, 494})
BUSY_STATUSES = frozenset({486, 600})
DECLINED_STATUSES = frozenset({401, 402, 403, 407, 433, 603, 607, 608})
NO_ANSWER_STATUSES = frozenset({408, 480, 487})


def failure_of(status: int, *, rang: bool) -> CallFailed:
    """Return the error that a final *status* means to a script; 408 and 480 depend on whether it *rang*."""
    if status in BUSY_STATUSES:
        return Busy(f"{status}", status=status)
    if status in DECLINED_STATUSES:
        return Declined(f"{status}", status=status)
    if rang and status in NO_ANSWER_STATUSES:
        return NoAnswer(f"{status}", status=status)
    return Unreachable(f"{status}", status=status)
