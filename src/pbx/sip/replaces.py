"""Naming a dialog in a header: Replaces (RFC 3891) and Target-Dialog (RFC 4538)."""

from __future__ import annotations

from dataclasses import dataclass

from pbx.errors import ParseError
from pbx.sip.headers import param_of, split_params
from pbx.sip.uri import unescape


@dataclass(frozen=True, slots=True)
class Replaces:
    """A dialog as its receiver sees it: *to_tag* is the receiver's own."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    def __str__(self) -> str:
        tail = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{tail}"


def parse_replaces(text: str) -> Replaces:
    """Parse a Replaces value.

    :raises ParseError: where a part is missing; a tag of 0 stands for none (§6.1).
    """
    call_id, _, tail = text.strip().partition(";")
    params = split_params(tail)
    to_tag, from_tag = param_of(params, "to-tag"), param_of(params, "from-tag")
    if not call_id or to_tag is None or from_tag is None:
        raise ParseError(f"bad Replaces {text[:60]!r}")
    early_only = param_of(params, "early-only") is not None
    return Replaces(call_id.strip(), to_tag, "" if from_tag == "0" else from_tag, early_only)


def parse_target_dialog(text: str) -> Replaces:
    """Parse a Target-Dialog value: local-tag is the sender's, so the receiver's remote tag (RFC 4538 §7).

    :raises ParseError: where a part is missing.
    """
    call_id, _, tail = text.strip().partition(";")
    params = split_params(tail)
    local_tag, remote_tag = param_of(params, "local-tag"), param_of(params, "remote-tag")
    if not call_id or local_tag is None or remote_tag is None:
        raise ParseError(f"bad Target-Dialog {text[:60]!r}")
    return Replaces(call_id.strip(), remote_tag, local_tag)


def replaces_in_uri(headers: str) -> Replaces | None:
    """Return the Replaces that a Refer-To URI's headers carry, None where there is none.

    :raises ParseError: for a broken one.
    """
    for part in headers.split("&"):
        name, _, value = part.partition("=")
        if name.strip().lower() == "replaces":
            return parse_replaces(unescape(value))
    return None
