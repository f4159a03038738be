"""Files as editors, keyboards and other systems' users write them: read, or refused at the place with a cure."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from pbx.config.loader import load
from pbx.dialplan.check import check

GOOD = (
    '[[contexts.in.route]]\nmatch = "10XX"\ndo = [{ dial = "endpoint/1001", ring-s = 20 }]\n[endpoints.1001]\n'
    'context = "in"\n'
)


def told(folder: Path, data: bytes) -> list[str]:
    (folder / "pbx.toml").write_bytes(data)
    return [str(finding) for finding in load(folder).errors]


@pytest.mark.parametrize("data", [codecs.BOM_UTF8 + GOOD.encode(), GOOD.replace("\n", "\r\n").encode(), b""])
def test_what_windows_editors_write_is_read(tmp_path: Path, data: bytes) -> None:
    assert told(tmp_path, data) == []


@pytest.mark.parametrize(
    ("data", "place", "cure"),
    [
        (GOOD.encode("utf-16"), "1:1", "save the file as UTF-8"),
        (GOOD.encode() + "# café\n".encode("latin-1"), "6:6", "save the file as UTF-8"),
        (GOOD.replace("\n", "\r").encode(), "1:", "CR alone"),
        (GOOD.replace('"10XX"', "\u201c10XX\u201d").encode(), "2:9", "write '\"'"),
        (GOOD.replace("match =", "match \uff1d").encode(), "2:7", "write '='"),
        (GOOD.replace("match =", "match:").encode(), "2:6", "joined by ="),
        (b'{"contexts": {}}', "1:1", "this is JSON"),
        (GOOD.replace('"10XX"', '"10XX').encode(), "2:14", "no closing quote"),
        (GOOD.replace("20 }]", "20 }").encode(), "4:", 'a "," or a "]" is missing'),
        (GOOD.replace("{ dial", "{\n dial").encode(), "3:8", "must stand on one line"),
        (GOOD.replace("[[contexts.in.route]]", "[contexts.in.route]").encode(), "1:2", "[[contexts.in.route]]"),
        (GOOD.replace("ring-s = 20", "ring-s = -5").encode(), "3:33", "instead of -5"),
        (GOOD.replace("ring-s = 20", 'ring-s = "20s"').encode(), "3:33", "instead of '20s'"),
        (GOOD.replace("ring-s", "ringtime").encode(), "3:33", "known here"),
        (b'include = ["/etc/passwd"]\n', "1:1", "named from the one that includes them"),
        (b'include = ["."]\n', "1:1", '"./*.toml"'),
        (b'include = ["dialplan.toml"]\n', "1:1", "is not there"),
        (b'[queues.q]\nstrategy = "rrmemory"\n', "2:1", 'here it is called "round-robin"'),
        (b'[queues.q]\nstrategy = "agent-with-fewest-calls"\n', "2:1", 'here it is called "fewest-calls"'),
    ],
)
def test_a_mistake_is_named_where_it_stands(tmp_path: Path, data: bytes, place: str, cure: str) -> None:
    (found, *more) = told(tmp_path, data)
    assert found.startswith(f"pbx.toml:{place}"), found
    assert cure in found
    assert more == []


def findings(folder: Path, text: str) -> list[str]:
    (folder / "pbx.toml").write_text(text)
    return [str(finding) for finding in check(load(folder).valid(), folder)]


def test_a_range_without_its_context_is_one_mistake(tmp_path: Path) -> None:
    found = findings(tmp_path, '[endpoint-defaults]\ncontext = "none"\n[endpoints."1001..1050"]\n')
    assert found[0].startswith('pbx.toml:2:1: error: no context for endpoint 1001 and 49 more: "none"')
    assert len([one for one in found if "no context" in one]) == 1


def test_agents_have_numbers_of_their_own_and_a_key_one_meaning(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        '[agents.a]\nid = "7"\n[agents.b]\nid = "7"\n[trunks.t]\nproxy = "sip:192.0.2.1"\n[queues.q]\n'
        'callback = { trunk = "t" }\nexit-keys = { "1" = { hangup = true } }\n',
    )
    assert any(one.startswith("pbx.toml:4:1: error: agents a and b have the same id 7") for one in found)
    assert any(one.startswith("pbx.toml:9:1: warning: queue q: key 1 asks for a callback") for one in found)


def test_music_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    text = '[queues.a]\nmusic = "jazz"\n[queues.b]\n'
    assert any(one.startswith('pbx.toml:2:1: warning: there is no music "jazz"') for one in findings(tmp_path, text))
    (tmp_path / "prompts" / "music").mkdir(parents=True)
    (tmp_path / "prompts" / "music" / "jazz.wav").write_bytes(b"")
    assert not any("no music" in one for one in findings(tmp_path, text))


def test_who_may_supervise_exists_and_so_does_the_right(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        '[agents.ann]\nid = "1"\nrights = ["supervice"]\nteam = "t"\n[teams.t]\nsupervisors = ["anne", "ann"]\n',
    )
    assert any(one.startswith('pbx.toml:3:1: error: no right of agents "supervice"') for one in found)
    assert [one for one in found if "agent or endpoint" in one] == [
        'pbx.toml:6:1: error: no agent or endpoint "anne"\n    did you mean "ann"?'
    ]
