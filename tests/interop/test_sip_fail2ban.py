"""The filter that ships finds every failed login, and nobody can put another's address into it."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import pytest

from pbx.cli.logs import Json, Text
from tests.interop.server import ROOT

pytestmark = pytest.mark.interop
LINES = [
    ("udp:203.0.113.9:5060", "1001"),
    ("udp:203.0.113.9:5060", "half a character: \udcff"),
    ("tls:[2001:db8::9]:5061", "x' source=udp:198.51.100.1:1 account='"),
]


def test_fail2ban_finds_failed_logins_in_text_and_in_json(tmp_path: Path) -> None:
    log = tmp_path / "pbx.log"
    written = []
    for formatter in (Text(), Json()):
        for source, account in LINES:
            record = logging.LogRecord(
                "pbx.auth", logging.WARNING, "", 0, "failed login: source=%s account=%r method=%s",
                (source, account, "REGISTER"), None,
            )  # fmt: skip
            written.append(formatter.format(record))
            record = logging.LogRecord(
                "pbx.provision", logging.WARNING, "", 0, "failed provisioning: source=%s file=%r",
                (source.split(":", 1)[1].rpartition(":")[0].strip("[]"), account), None,
            )  # fmt: skip
            written.append(formatter.format(record))
    log.write_text("\n".join([*written, "12:00:00.000 info    calls something else"]) + "\n")
    done = subprocess.run(
        ["fail2ban-regex", "-v", str(log), str(ROOT / "conf/fail2ban/filter.d/pbx.conf")],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "Lines: 13 lines, 0 ignored, 12 matched, 1 missed" in done.stdout, done.stdout
    assert done.stdout.count("203.0.113.9 ") == 8
    assert done.stdout.count("2001:db8::9 ") == 4
    assert "198.51.100.1 " not in done.stdout.split("Missed line")[0]
