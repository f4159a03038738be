"""Reload under load: nothing is dropped, nothing goes where the files do not say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from pbx.api.schemas import schema
from pbx.cli.client import ask
from pbx.errors import PbxError
from tests.interop.server import LiveServer
from tests.interop.sipp import Sipp
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop

RELOADS = 8
CALLS = 1000


@pytest.fixture
def bench(net: None, tmp_path: Path) -> Iterator[LiveServer]:
    server = LiveServer.of(Path(__file__).parent / "benchconf", tmp_path / "bench", level="warning")
    server.start()
    yield server
    log = server.stop()
    assert "Traceback" not in log, log[-3000:]


def test_reloads_under_a_hundred_calls_a_second(bench: LiveServer, tmp_path: Path) -> None:
    main = bench.directory / "pbx.toml"
    first = main.read_text()
    callee = Sipp(tmp_path / "uas", "uas", "-sn", "uas", "-p", "5070")
    try:
        caller = Sipp(
            tmp_path / "uac", "uac", "-sn", "uac", "-s", "service", "-p", "5080", "-r", "100", "-m", str(CALLS),
            "-d", "1500", "127.0.0.1:5060",
        )  # fmt: skip
        wait_for(lambda: len(bench.ask("/v1/calls")) > 50, 10, "no calls come")
        for number in range(RELOADS):
            main.write_text(first + f'\n[endpoints.{5000 + number}]\ncontext = "bench"\n')
            done = ask(bench.socket, "POST", "/v1/config/reload")
            assert done["changes"][0].startswith(f"endpoints: added {5000 + number}")
            main.write_text(first + "\n[endpoints.6000]\ncontxt = 'bench'\n")
            with pytest.raises(PbxError, match='unknown key "contxt"'):
                ask(bench.socket, "POST", "/v1/config/reload")
        assert caller.finish(60) == {"Successful call": CALLS, "Failed call": 0}, caller.errors()
    finally:
        callee.stop()
    wait_for(lambda: bench.ask("/v1/calls") == [], 10, "calls are left")
    records = bench.ask(f"/v1/cdr?limit={CALLS * 2}")
    assert [r["cause"] for r in records] == ["answered"] * CALLS
    assert {r["answered_by"] for r in records} == {"trunk/uas"}
    assert [e["endpoint"] for e in bench.ask("/v1/endpoints") if e["endpoint"] >= "5"] == [str(4999 + RELOADS)]
    history = bench.ask("/v1/config/history")
    jsonschema.validate(history, schema("versions"))
    assert len(history) == RELOADS + 1


def test_a_hang_up_signal_reloads(bench: LiveServer) -> None:
    import signal

    main = bench.directory / "pbx.toml"
    main.write_text(main.read_text() + '\n[endpoints.5000]\ncontext = "bench"\n')
    assert bench.process is not None
    bench.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(bench.ask("/v1/config/history")) == 2, 10, "no reload")
    assert "5000" in {e["endpoint"] for e in bench.ask("/v1/endpoints")}
