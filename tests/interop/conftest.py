"""Networks, servers and phones for the interop tests; everything that a test starts is stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.interop.baresip import Baresip
from tests.interop.netns import network
from tests.interop.server import ROOT, LiveServer
from tests.interop.sound import tone
from tests.interop.waiting import wait_for


@pytest.fixture
def net() -> Iterator[None]:
    """A network namespace of the test's own."""
    with network():
        yield


@pytest.fixture
def office(net: None, tmp_path: Path) -> Iterator[LiveServer]:
    """The office that `make run` starts."""
    server = LiveServer.of(ROOT / "conf", tmp_path / "office")
    server.start()
    yield server
    log = server.stop()
    assert "Traceback" not in log, log[-3000:]


@pytest.fixture
def desk(net: None, tmp_path: Path) -> Iterator[LiveServer]:
    """An office with codes, lamps, mailboxes, a queue, and a trunk that SIPp plays."""
    server = LiveServer.of(Path(__file__).parent / "deskconf", tmp_path / "desk")
    server.start()
    yield server
    log = server.stop()
    assert "Traceback" not in log, log[-3000:]


@pytest.fixture
def desk_phone(desk: LiveServer, make_phone: Callable[..., Baresip]) -> Callable[..., Baresip]:
    """Make registered phones of that office."""

    def make(number: str, hz: float, **options: Any) -> Baresip:
        made = make_phone(number, f"desk-{number}", hz, **options)
        wait_for(lambda: number in registered(desk), 10, lambda: f"not registered:\n{made.output()[-1500:]}")
        return made

    return make


# The RFC's own messages are not part of this repository; tests/sip has torture cases of the project's.
collect_ignore = [] if (ROOT.parent / "shared" / "data").is_dir() else ["test_sip_rfc4475.py"]


def registered(server: LiveServer) -> set[str]:
    """Return the endpoints that are registered."""
    return {row["endpoint"] for row in server.ask("/v1/registrations")}


@pytest.fixture
def make_phone(net: None, tmp_path: Path) -> Iterator[Callable[..., Baresip]]:
    """Make phones; each says a tone of its own."""
    with ExitStack() as stack:
        count = 0

        def make(
            number: str,
            secret: str,
            hz: float,
            *,
            rate_hz: int = 8000,
            channels: int = 1,
            voice: str = "",
            **options: Any,
        ) -> Baresip:
            nonlocal count
            count += 1
            microphone = (
                Path(voice) if voice else tone(tmp_path / f"{number}.wav", hz, rate_hz=rate_hz, channels=channels)
            )
            made = Baresip(tmp_path / f"phone{number}", count, number, secret, microphone, **options)
            stack.callback(made.stop)
            made.ready()
            return made

        yield make


@pytest.fixture
def phone(office: LiveServer, make_phone: Callable[..., Baresip]) -> Callable[..., Baresip]:
    """Make registered phones of the office."""

    def make(number: str, hz: float, **options: Any) -> Baresip:
        made = make_phone(number, office.secret(number), hz, **options)
        wait_for(lambda: number in registered(office), 10, lambda: f"not registered:\n{made.output()[-1500:]}")
        return made

    return make
