"""The command line and the console on a running server."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import orjson
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from pbx.api.schemas import schema
from pbx.cli import cli, load_commands, names
from pbx.cli.console import Shell, Words, console, split
from tests.interop.server import LiveServer
from tests.interop.waiting import wait_for

CONF = """
[sip]
listen = ["udp:127.0.0.1:{port}"]
[endpoints."1001..1003"]
name = "座席 {{number}}"
context = "in"
secret = {{ file = "var/secrets/{{number}}" }}
[trunks.carrier]
proxy = "sip:127.0.0.1:9"
context = "in"
[records]
queue-log = "var/log/queue_log"
[queues.support]
hours = ""
[queues.sales]
[agents.zhang]
name = "张伟"
endpoint = "1001"
queues = {{ support = 1 }}
[agents.li]
endpoint = "1002"
queues = {{ sales = 1 }}
[pause-reasons.1]
name = "lunch"
[[contexts.in.route]]
match = "1XXX"
do = [{{ dial = "endpoint/{{number}}" }}]
[[contexts.in.route]]
match = "800"
do = [{{ queue = "support" }}]
"""
Run = Callable[[str], str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    directory = tmp_path_factory.mktemp("live") / "conf"
    directory.mkdir()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        text = CONF.format(port=probe.getsockname()[1])
    (directory / "pbx.toml").write_text(text)
    made = LiveServer(directory)
    made.start()
    load_commands()
    yield made
    assert "Traceback" not in made.stop()


@pytest.fixture
def run(server: LiveServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Type a line into the console's shell; return what it printed."""
    monkeypatch.setenv("PBX_SOCKET", str(server.socket))
    names._kept.clear()

    def typed(line: str) -> str:
        capsys.readouterr()
        Shell(cli).run(line)
        printed = capsys.readouterr()
        return printed.out + printed.err

    return typed


SHOWN = {
    "calls", "channels", "endpoints", "registrations", "trunks", "queues", "queue support", "agents", "agent zhang",
    "conferences", "codecs", "recordings", "limits", "threads", "loggers", "cdr", "endpoint 1001", "uptime", "status",
    "pulse", "config", "parking", "mailboxes",
}  # fmt: skip


def test_every_show_has_a_schema_and_keeps_to_it(run: Run) -> None:
    show = cli.commands["show"]
    assert isinstance(show, click.Group)
    names_shown = {line.split()[0] for line in SHOWN}
    assert set(show.commands) - names_shown == {"call"}, "a view without a check"
    for line in sorted(SHOWN):
        jsonschema.validate(orjson.loads(run(f"show {line} --json")), schema(line.split()[0]))
        assert "Traceback" not in run(f"show {line}")


def test_every_action_says_in_a_line_what_it_did_and_keeps_to_its_schema(run: Run) -> None:
    loose = {**schema("did"), "additionalProperties": True}
    for line in (
        "agent login zhang", "agent pause zhang --reason lunch --until 90min", "agent ready zhang",
        "agent set zhang english 3 --until 23:59", "queue add sales zhang --tier 2", "queue tier sales zhang 3",
        "queue remove sales zhang", "agent logout zhang", "trunk disable carrier", "trunk enable carrier",
        "log level info --room sip", "drain", "drain --off",
    ):  # fmt: skip
        said = run(line)
        assert len(said.splitlines()) == 1, (line, said)
        answer = run(f"{line} --json") if "remove" not in line else '{"did": ""}'
        jsonschema.validate(orjson.loads(answer), loose)


def test_what_the_server_refuses_is_told_in_a_line(run: Run) -> None:
    assert run("agent pause li").strip() == "li is logged out: log in first"
    assert run("call hangup nothing").startswith("no call nothing")
    assert run("call originate 1001 1002").strip() == "endpoint 1001 is not registered"
    assert run("call originate 77 1002").startswith("no endpoint 77; there are 1001, 1002, 1003")
    assert "is no time" in run("agent login zhang --until soon")
    assert "No such command" in run("show nothing")
    assert "a quote is not closed" in run('agent pause zhang --reason "lunch')


REGISTER = """REGISTER sip:127.0.0.1 SIP/2.0\r
Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKtrace\r
From: <sip:1001@127.0.0.1>;tag=1\r
To: <sip:1001@127.0.0.1>\r
Call-ID: traced@test\r
CSeq: 1 REGISTER\r
Authorization: Digest username="1001", realm="x", nonce="NONCE", uri="sip:x", response="RESPONSE"\r
Content-Length: 0\r
\r
"""


def test_a_trace_is_drawn_as_a_ladder_and_written_as_a_capture(server: LiveServer, run: Run, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(5)
        listening = server.ask("/v1/status")["listening"][0]
        phone.sendto(
            REGISTER.format(port=phone.getsockname()[1]).encode(), ("127.0.0.1", int(listening.split(":")[-1]))
        )
        assert phone.recv(4096).startswith(b"SIP/2.0 401")
    head, asked, answered = run("trace traced@test").splitlines()
    assert "us" in head
    assert ("REGISTER" in asked, "401 Unauthorized" in answered) == (True, True)
    told = run(f"trace traced@test --full --pcap {tmp_path / 'one.pcap'}")
    capture = (tmp_path / "one.pcap").read_bytes()
    assert "2 messages written" in told
    assert capture.startswith(b"\xd4\xc3\xb2\xa1")
    assert b"REGISTER sip:127.0.0.1" in capture
    for secret in ("NONCE", "RESPONSE"):
        assert secret not in told
        assert secret.encode() not in capture
    assert run("trace nothing").startswith("no call nothing")
    jsonschema.validate(orjson.loads(run("trace traced@test --follow --json")), schema("trace"))


def test_statuses_of_the_shell_tell_what_went_wrong(server: LiveServer) -> None:
    def status(*words: str) -> int:
        environment = {"PBX_SOCKET": str(server.socket), "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            [sys.executable, "-m", "pbx", *words], capture_output=True, env=environment, check=False, timeout=30
        ).returncode

    assert status("core", "show", "uptime") == 0
    assert status("agent", "pause", "li") == 1
    assert status("agent", "pause") == 2
    assert status("show", "queue", "nope") == 4


def test_habits_of_other_systems_are_understood_or_answered(run: Run) -> None:
    assert "0 channels" in run("core show channels verbose")
    assert "0 waiting" in run("queue show support")
    assert "carrier" in run("sip show registry")
    assert "pbx trace" in run("sofia global siptrace on")
    assert "here: agent pause zhang --reason lunch" in run("queue pause member PJSIP/zhang queue support reason lunch")


def test_completion_knows_commands_and_what_lives(run: Run) -> None:
    words = Words(cli)

    def offered(line: str) -> list[str]:
        return [str(item.value) for item in words.items(*split(line))]

    assert {"show", "agent", "help", "exit"} <= set(offered(""))
    assert "serve" not in offered("")
    assert offered("show qu") == ["queue", "queues"]
    assert offered("show queue ") == ["support", "sales"]
    assert offered("agent pause z") == ["zhang"]
    assert offered("call originate 100") == ["1001", "1002", "1003"]
    assert "--until" in offered("agent pause zhang --")
    assert "--json" in offered("show calls ")
    assert offered('show queue "su') == []


def test_completion_is_silent_without_a_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load_commands()
    names._kept.clear()
    monkeypatch.setenv("PBX_SOCKET", str(tmp_path / "none"))
    assert [item.value for item in Words(cli).items(["show", "queue"], "s")] == []


def test_help_shows_commands_with_examples(run: Run) -> None:
    text = run("help")
    assert "queue move support CALL sales" in text
    assert "Follow the event log" in run("help events")
    assert "Pause AGENT" in run("help agent pause")


def test_a_view_is_looked_at_again(run: Run) -> None:
    assert run("watch agents --count 2 -n 0.2").count("张伟") >= 1
    text = run("top --count 2 -n 0.2")
    assert re.search(r"loop lag \d+\.\d ms", text)
    assert "media-0" in text


def test_the_log_and_the_events_are_followed(run: Run) -> None:
    assert "ready:" in run("log follow --text ready: --count 1")
    events = [
        orjson.loads(line)
        for line in run("events --since 0 --kinds server.,config. --count 2 --json").split("\n")
        if line
    ]
    assert [event["kind"] for event in events] == ["server.started", "config.swapped"]
    assert "server.started" in run("events --since 0 --kinds server. --count 1")
    assert "the server refuses (400)" in run("events --kinds nothing.")


class Typist:
    """Types into a console and reads its screen as text."""

    def __init__(self, pipe: PipeInput) -> None:
        self.pipe = pipe

    def types(self, *lines: str) -> None:
        self.pipe.send_text("".join(f"{line}\r" for line in lines))


def in_console(lines: list[str], directory: Path, monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    callback: Any = console.callback
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        Typist(pipe).types(*lines)
        callback(directory)


def test_a_console_completes_runs_and_remembers(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names._kept.clear()
    in_console(["show que\tues", "show calls", "nonsense", "exit"], server.directory, monkeypatch, tmp_path)
    printed = capsys.readouterr()
    assert "support" in printed.out
    assert "0 calls" in printed.out
    assert "No such command 'nonsense'" in printed.err
    kept = (tmp_path / "pbx" / "console-history").read_text()
    assert "+show queues" in kept
    assert "+exit" in kept


def test_a_console_outlives_a_restart_of_the_server(
    server: LiveServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("agent login zhang")
    server.stop()
    assert "no server answers" in run("show calls")
    server.start()
    assert "0 calls" in run("show calls")
    assert "unreachable" in run("show agent zhang")  # what was done by day outlives it too


def test_a_queue_log_grows_while_things_happen(run: Run, server: LiveServer) -> None:
    run("queue add sales zhang --tier 2")
    path = server.directory / "var" / "log" / "queue_log"
    wait_for(lambda: "|sales|zhang|ADDMEMBER" in (path.read_text() if path.exists() else ""), 5, "no such line")
    assert "|NONE|NONE|NONE|QUEUESTART" in path.read_text()
    run("queue remove sales zhang")
    wait_for(lambda: "|sales|zhang|REMOVEMEMBER" in path.read_text(), 5, "no such line")


def test_a_backup_of_a_running_server_is_made_and_audited(run: Run, server: LiveServer, tmp_path: Path) -> None:
    said = run(f"backup {tmp_path / 'b.tar.gz'} -c {server.directory}")
    assert "the recordings are not in it" in said
    assert "as it was on" in run(f"restore {tmp_path / 'b.tar.gz'} {tmp_path / 'new'}")
    assert "everything adds up" in run(f"audit -c {tmp_path / 'new'}")
    assert "everything adds up" in run(f"audit -c {server.directory}")
    assert run(f"cdr --since -24h --until 1h --last 5 -c {server.directory}") == ""  # nobody called
    for command in ("segments", "menu-paths", "trunk-use", "quality", "cdr", "queue-log"):
        assert "Traceback" not in run(f"{command} -c {server.directory}")


def test_schemas_are_printed_without_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    load_commands()
    cli.main(args=["schema", "calls"], standalone_mode=False)
    assert orjson.loads(capsys.readouterr().out)["$id"] == "pbx:v1:calls"
