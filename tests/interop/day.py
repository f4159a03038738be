"""The office of a day: phones, a queue, a rota, a secretary, mail; and how tests press keys there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pbx.store.export import read_log
from tests.interop.baresip import Baresip
from tests.interop.conftest import registered
from tests.interop.server import LiveServer
from tests.interop.sipp import Sipp
from tests.interop.waiting import wait_for

Keep = Callable[[Sipp], Sipp]


GOOD = {"Successful call": 1, "Failed call": 0}


CONFIG = """
[sip]
listen = ["udp:127.0.0.1:5060"]
domain = "day.example"
[media]
ports = "20000-20999"
codecs = ["pcma"]
[limits]
transfer-returns-s = 2
max-calls = 20
[endpoint-defaults]
context = "in"
country = "CN"
area-code = "021"
rights = ["internal", "local", "mobile"]
[endpoints."1001..1009"]
name = "Desk {number}"
secret = "day-{number}"
[endpoints.1002]
qualify-s = 1
[endpoints.1001]
secretary = "1002"
[endpoints.1007]
voicemail = { pin = "4711", mail = "boss@day.example", webhook = "http://127.0.0.1:9080/voicemail" }
[endpoints.1006]
site = "branch"
caller = "02188880006"
[emergency]
trunks = ["line"]
notify = ["endpoint/1005"]
[mail]
smtp = "127.0.0.1:9025"
from = "pbx@day.example"
[trunks.line]
proxy = "sip:127.0.0.1:5070"
match = ["127.0.0.1"]
context = "from-line"
country = "CN"
area-code = "021"
ring = "Bellcore-dr3"
max-calls = 2
[trunks.branch]
proxy = "sip:127.0.0.1:5075"
[trunks.mobile]
proxy = "sip:127.0.0.1:6010"
country = "CN"
sends = "national"
[feature-codes]
profile = "default"
[switches.night]
allow = ["endpoint/1004"]
[conferences.board]
pin = "11"
moderator-pin = "99"
[[contexts.in.route]]
match = "10XX"
do = [{ dial = "endpoint/{number}", ring-s = 15 }]
[[contexts.in.route]]
match = "600"
do = [{ page = ["endpoint/1005", "endpoint/1006"] }]
[[contexts.in.route]]
match = "800"
do = [{ queue = "sales" }]
[[contexts.in.route]]
match = "801"
do = [{ conference = "board" }]
[[contexts.in.route]]
match = "802"
do = [
    { dial = "rota/duty/now", confirm = "1", ring-s = 2 },
    { dial = "rota/duty/next", confirm = "1" },
]
[[contexts.in.route]]
match = "+."
do = [{ dial = "trunk/line", number = "{number}" }]
[[contexts.from-line.route]]
match = "10XX"
do = [{ dial = "endpoint/{number}", ring-s = 3 }, { voicemail = "{number}" }]
[[contexts.from-line.route]]
match = "803"
do = [{ voicemail-check = "1007" }]
[[contexts.from-line.route]]
match = "804"
do = [{ voicemail = "1007", greeting = "none" }]
[[contexts.from-line.route]]
match = "806"
do = [{ queue = "later" }]
[queues.later]
callback = { offer-after-s = 1, trunk = "mobile" }
on = { no-agents = { hangup = "busy" } }
[queues.sales]
name = "Sales"
ring = "Bellcore-dr2"
wrap-up-s = 20
on = { no-agents = { hangup = "busy" } }
[agents.zhang]
id = "7"
endpoint = "1002"
queues = { sales = 1, later = 1 }
login = "always"
[agents.boss]
endpoint = "1003"
rights = ["supervise"]
login = "always"
[dispositions]
sold = { name = "Sold", key = "1" }
lost = { name = "Lost", key = "2" }
[rotas.duty]
from = "2026-01-01"
every-h = 24
order = ["li", "wang"]
people = { li = "endpoint/1005", wang = "endpoint/1002" }
[recordings]
retain-days = 1
"""


@pytest.fixture
def day(net: None, tmp_path: Path) -> Iterator[LiveServer]:
    directory = tmp_path / "day"
    directory.mkdir()
    (directory / "pbx.toml").write_text(CONFIG)
    server = LiveServer(directory)
    server.start()
    yield server
    log = server.stop()
    assert "Traceback" not in log, log[-3000:]


@pytest.fixture
def make(day: LiveServer, make_phone: Callable[..., Baresip]) -> Callable[..., Baresip]:
    """Make registered phones."""

    def made(number: str, hz: float, **options: Any) -> Baresip:
        found = make_phone(number, f"day-{number}", hz, **options)
        wait_for(lambda: number in registered(day), 10, lambda: f"not registered:\n{found.output()[-1500:]}")
        return found

    return made


@pytest.fixture
def sipp() -> Iterator[Callable[[Sipp], Sipp]]:
    """Stop what a test leaves running."""
    with ExitStack() as stack:

        def kept(one: Sipp) -> Sipp:
            stack.callback(one.stop)
            return one

        yield kept


def events(server: LiveServer, kind: type[Any]) -> list[Any]:
    found = read_log(server.directory / "var" / "pbx.db")
    return [logged.event for logged in found if isinstance(logged.event, kind)]


def press(one: Baresip, keys: str, gap_s: float = 0.25) -> None:
    for key in keys:
        one.command("sndcode", key)
        time.sleep(gap_s)


def agent(server: LiveServer) -> dict[str, Any]:
    found: dict[str, Any] = server.ask("/v1/agents/zhang")
    return found
