"""Real callers walk the call-centre example's menus in Mandarin: the prompt heard is the prompt expected."""

from __future__ import annotations

import http.server
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.cli.client import ask
from tests.interop.server import ROOT, LiveServer
from tests.interop.walker import found_at, walk

pytestmark = pytest.mark.interop


class CustomerSystem:
    """The HTTP server that the example asks who calls."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.asked: list[str] = []
        self.woken = threading.Event()
        system = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                system.asked.append(self.path)
                system.woken.wait(system.delay_s)
                body = b'{"name": "Chen", "level": "gold", "last-agent": ""}'
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # who asked did not wait

            def log_message(self, format: str, *values: object) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 9000), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.woken.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def customers(net: None) -> Iterator[CustomerSystem]:
    system = CustomerSystem()
    yield system
    system.stop()


@pytest.fixture
def hotline(net: None, tmp_path: Path) -> Iterator[LiveServer]:
    """The example, with hours that do not depend on when the test runs."""
    server = LiveServer.of(ROOT / "docs" / "examples" / "callcenter", tmp_path / "hotline")
    hours(server, "00:00-24:00")
    server.start()
    yield server
    log = server.stop()
    assert "Traceback" not in log, log[-3000:]


def hours(server: LiveServer, word: str) -> None:
    """Open the hotline at these hours, and on no other day."""
    path = server.directory / "dialplan.toml"
    path.write_text(re.sub(r"Mon-Sun \d\d:\d\d-\d\d:\d\d", f"Mon-Sun {word}", path.read_text()))


def in_order(sound: object, *names: str, language: str = "zh-CN") -> list[float]:
    """Return when each prompt began; they begin one after the other."""
    times = [found_at(sound, language, name) for name in names]  # type: ignore[arg-type]
    assert None not in times, dict(zip(names, times, strict=True))
    assert times == sorted(times), dict(zip(names, times, strict=True))  # type: ignore[type-var]
    return times  # type: ignore[return-value]


def test_a_caller_in_hours(hotline: LiveServer, customers: CustomerSystem, tmp_path: Path) -> None:
    # 2 during the welcome (barge-in), 1 during the second menu; nobody is logged in: voicemail.
    sound = walk(tmp_path / "walk", "4001234567", [(1.8, "2"), (2.2, "1")], 4.0)
    welcome, menu, mailbox = in_order(sound, "welcome", "service-menu", "voicemail-unavailable")
    assert found_at(sound, "zh-CN", "main-menu") is None  # the key came first
    assert menu - welcome == pytest.approx(1.8, abs=0.7)
    assert mailbox - menu == pytest.approx(2.2, abs=0.7)
    assert customers.asked == ["/customers?phone=%2B8613800138000"]


def test_silence_and_a_wrong_key(hotline: LiveServer, customers: CustomerSystem, tmp_path: Path) -> None:
    sound = walk(tmp_path / "walk", "4001234567", [(1.0, "7")], 6.0)
    in_order(sound, "wrong-key", "welcome", "main-menu")  # and the prompt again


def test_a_caller_whose_carrier_sends_keys_as_sound(
    hotline: LiveServer, customers: CustomerSystem, tmp_path: Path
) -> None:
    sound = walk(tmp_path / "walk", "4001234567", [(1.8, "2"), (2.2, "1")], 4.0, as_sound=True)
    in_order(sound, "welcome", "service-menu", "voicemail-unavailable")
    assert found_at(sound, "zh-CN", "wrong-key") is None


def test_english_on_request(hotline: LiveServer, customers: CustomerSystem, tmp_path: Path) -> None:
    sound = walk(tmp_path / "walk", "+862161234567", [(1.0, "8")], 4.0)
    (chinese,) = in_order(sound, "welcome")
    (english,) = in_order(sound, "welcome", language="en")
    assert chinese < english


def test_a_slow_customer_system_costs_its_time_out_and_no_more(
    hotline: LiveServer, customers: CustomerSystem, tmp_path: Path
) -> None:
    customers.delay_s = 30.0
    sound = walk(tmp_path / "walk", "4001234567", [], 3.5)
    in_order(sound, "welcome")
    assert len(customers.asked) == 1


def test_without_a_customer_system_and_at_night(hotline: LiveServer, tmp_path: Path) -> None:
    sound = walk(tmp_path / "day", "4001234567", [], 3.0)
    in_order(sound, "welcome")
    hour = time.gmtime(time.time() + 8 * 3600 + 12 * 3600).tm_hour  # in Shanghai, half a day from now
    hours(hotline, f"{hour:02}:00-{hour:02}:30")
    ask(hotline.socket, "POST", "/v1/config/reload")
    sound = walk(tmp_path / "night", "4001234567", [], 3.0)
    in_order(sound, "closed")
    assert found_at(sound, "zh-CN", "welcome") is None
