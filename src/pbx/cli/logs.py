"""Logging: readable on a terminal, JSON in production, a call id on every line of a call."""

from __future__ import annotations

import logging
import sys
import time

import orjson

from pbx.writable import writable


class Text(logging.Formatter):
    """``12:00:00.123 info  call [65a1…] > 1001 rings endpoint/1002``."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%H:%M:%S", time.localtime(record.created))
        call = getattr(record, "call", "")
        shown = f" [{call}]" if call else ""
        room = record.name.removeprefix("pbx.").partition(".")[0]
        text = f"{stamp}.{int(record.msecs):03d} {record.levelname.lower():7} {room}{shown} {record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return str(writable(text))


class Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": record.created,
            "level": record.levelname.lower(),
            "room": record.name,
            "call": getattr(record, "call", None),
            "leg": getattr(record, "leg", None),
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        said = {k: v for k, v in entry.items() if v is not None}
        try:
            return orjson.dumps(said).decode()
        except TypeError:  # a peer's half characters
            return orjson.dumps(writable(said)).decode()


def set_up(level: str, style: str = "auto") -> None:
    """Send every log line to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    as_json = style == "json" or (style == "auto" and not sys.stderr.isatty())
    handler.setFormatter(Json() if as_json else Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
