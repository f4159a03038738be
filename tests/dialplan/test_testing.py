"""Dialplan tests: what examples promise, what a failure says, and that the same seed gives the same trace."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pbx.config.config import Config
from pbx.config.loader import load
from pbx.config.testfile import TestCase
from pbx.dialplan.coverage import coverage
from pbx.dialplan.testing import run_case, run_cases
from pbx.dialplan.trace import holds

OFFICE: dict[str, Any] = {
    "endpoints": {n: {"context": "in", "voicemail": {}} for n in ("1001", "1002", "1003", "1004")},
    "trunks": {"mobile": {"context": "in"}},
    "recordings": {"retain_days": 1},
    "contexts": {"in": {"route": []}},
}


def office(*do: dict[str, Any], **more: Any) -> Config:
    """A house whose number 1 runs these steps."""
    routes = [{"match": "1", "do": list(do)}, {"match": "2", "do": {"hangup": "congestion"}}]
    return Config.model_validate({**OFFICE, "contexts": {"in": {"route": routes}}, **more})


def trace(config: Config, *, caller: str = "endpoint/1001", dial: str = "1", **case: Any) -> list[str]:
    result = run_case(config, TestCase.model_validate({"name": "t", "from": caller, "dial": dial, **case}))
    assert result.problems == []
    return result.trace


def dialled(seconds: str, *targets: str, **options: Any) -> dict[str, Any]:
    return {"dial": [f"endpoint/{t}" for t in targets], "ring-s": float(seconds), **options}


def test_words_match_whole_and_in_order() -> None:
    assert holds("dial trunk/a", "dial trunk/a 119 as 1 at 0 s")
    assert not holds("dial trunk", "dial trunk/a")
    assert not holds("a dial", "dial a")


def test_an_answered_dial_ends_the_script() -> None:
    config = office(dialled("20", "1002"), {"play": "closed"})
    assert trace(config, answers={"1002": "after 3 s"})[:3] == [
        "dial endpoint/1002 at 0 s",
        "answered endpoint/1002 at 3 s",
        "answer at 3 s",
    ]


@pytest.mark.parametrize(
    ("answers", "words"),
    [("busy", "play busy"), ("declines", "play else"), ("unreachable", "play gone"), (None, "play late")],
)
def test_an_outcome_takes_its_branch_and_then_the_next_step(answers: str | None, words: str) -> None:
    on = {"busy": {"play": "busy"}, "unreachable": {"play": "gone"}, "no-answer": {"play": "late"}}
    config = office(dialled("10", "1002", on=on, **{"else": {"play": "else"}}), {"play": "next"})
    found = trace(config, answers={"1002": answers} if answers else {})
    assert [line.split(" at ")[0] for line in found if line.startswith("play")] == [words, "play next"]


def test_the_last_failure_is_what_the_caller_is_told() -> None:
    assert trace(office(dialled("10", "1002")), answers={"1002": "busy"})[-2:] == ["busy at 0 s", "reject 486 at 0 s"]
    assert trace(office(dialled("10", "1002")))[-1] == "reject 480 at 10 s"


def test_in_turn_is_an_event_a_try_and_all_is_one() -> None:
    found = trace(office(dialled("5", "1002", "1003", order="in-turn")), answers={"1003": "after 2 s"})
    assert found[:4] == [
        "dial endpoint/1002 at 0 s",
        "no-answer at 5 s",
        "dial endpoint/1003 at 5 s",
        "answered endpoint/1003 at 7 s",
    ]
    assert trace(office(dialled("5", "1002", "1003")))[0] == "dial endpoint/1002 endpoint/1003 at 0 s"


def test_a_confirmed_call_counts_only_when_the_key_is_pressed() -> None:
    step = {"dial": "trunk/mobile", "number": "13912345678", "ring-s": 10.0, "confirm": "1"}
    from_outside = {"caller": "138", "via": "trunk/mobile"}
    person = trace(office(step), trunks={"mobile": "answers after 3 s"}, **from_outside)
    assert "answered trunk/mobile at 4 s" in person
    machine = trace(office(step), trunks={"mobile": "answers after 3 s without key"}, **from_outside)
    assert not any(line.startswith("answered") for line in machine)
    assert any(line.startswith("no-answer") for line in machine)


def test_a_silent_trunk_is_unreachable_and_another_is_tried() -> None:
    step = {"dial": ["trunk/a", "trunk/b"], "order": "failover", "number": "5", "ring-s": 10.0}
    config = office(step, trunks={"a": {"context": "in"}, "b": {}})
    found = trace(config, caller="138", via="trunk/a", trunks={"a": "silent", "b": "answers after 1 s"})
    assert "unreachable failed 408 at 10 s" in found
    assert "answered trunk/b at 11 s" in found
    rings = trace(config, caller="138", via="trunk/a", trunks={"b": "answers after 1 s"})
    assert not any(line.startswith("answered") for line in rings)  # it rang: the number's matter, not the trunk's


def test_a_forward_takes_the_ring_time_from_zero_and_makes_one_hop() -> None:
    forward = {"no-answer": "1003", "busy": "1004", "after-s": 4}
    endpoints = {**OFFICE["endpoints"], "1002": {"context": "in", "forward": forward}}
    endpoints["1003"] = {"context": "in", "forward": {"no-answer": "1001"}}
    config = office(
        dialled("10", "1002"), {"voicemail": "1001"}, endpoints=endpoints | {"1001": {"voicemail": {}, "context": "in"}}
    )
    found = trace(config)
    assert found[:3] == ["dial endpoint/1002 at 0 s", "forward 1003 at 4 s", "no-answer at 14 s"]
    assert "voicemail 1001 at 14 s" in found
    assert trace(config, answers={"1002": "busy"})[1] == "forward 1004 at 0 s"


MENU = {
    "main": {
        "prompt": "main-menu",
        "wait-s": 5,
        "tries": 3,
        "wrong": "wrong-key",
        "keys": {
            "1": {"play": "one"},
            "2": {"menu": "other"},
            "3": {"when": "from == '1002'", "do": {"play": "three"}},
            "*": {"repeat": True},
        },
        "exhausted": {"play": "exhausted"},
    },
    "other": {"prompt": "service-menu", "keys": {"9": {"menu": "main"}}, "exhausted": {"play": "other-exhausted"}},
}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["1"], ["menu main", "key 1", "play one", "play after"]),
        (["5", "", "5"], ["menu main", "wrong 5", "silence", "wrong 5", "play exhausted", "play after"]),
        (["*", "1"], ["menu main", "key *", "menu main", "key 1", "play one", "play after"]),
        (
            ["2", "9", "1"],
            ["menu main", "key 2", "menu other", "key 9", "menu main", "key 1", "play one", "play after"],
        ),
        (
            ["2"],
            ["menu main", "key 2", "menu other", "silence", "silence", "silence", "play other-exhausted", "play after"],
        ),
        (["3", "1"], ["menu main", "wrong 3", "key 1", "play one", "play after"]),  # its condition does not hold
    ],
)
def test_a_menu(keys: list[str], expected: list[str]) -> None:
    config = office({"answer": True}, {"menu": "main"}, {"play": "after"}, menus=MENU)
    assert trace(config, keys=keys) == ["answer", *expected]


def test_an_extension_may_be_dialled_in_a_menu() -> None:
    menu = {"prompt": "main-menu", "extensions": "in", "keys": {"1": {"play": "one"}}}
    routes = [{"match": "1", "do": {"menu": "m"}}, {"match": "10XX", "do": dialled("5", "{number}")}]
    config = Config.model_validate({**OFFICE, "menus": {"m": menu}, "contexts": {"in": {"route": routes}}})
    assert "dial endpoint/1002 at 0 s" in trace(config, keys=["1002"])
    assert "play one" in trace(config, keys=["1"])


def test_attempts_are_counted_and_again_starts_the_next() -> None:
    attempt = {
        "attempt": 2,
        "do": [
            {"collect": "pin", "digits": 4},
            {"when": "pin != '1234'", "then": [{"again": True}]},
            {"play": "right"},
        ],
        "exhausted": [{"play": "wrong"}],
    }
    config = office(attempt, {"play": "after"})
    played = [line for line in trace(config, keys=["1111", "1234"]) if line.startswith("play")]
    assert played == ["play right", "play after"]
    played = [line for line in trace(config, keys=["1111", "2222"]) if line.startswith("play")]
    assert played == ["play wrong", "play after"]


def test_a_flow_returns_and_goto_does_not() -> None:
    config = office(
        {"flow": "f"}, {"goto": "in", "number": "2"}, {"play": "never"}, flows={"f": {"do": {"play": "flow"}}}
    )
    assert trace(config)[0:2] == ["flow f", "play flow"]
    assert trace(config)[-3:] == ["answer", "goto in 2", "hangup congestion"]


def test_a_menu_in_a_flow_returns_even_below_a_menu() -> None:
    menus = {
        "top": {"prompt": "main-menu", "keys": {"1": [{"flow": "f"}, {"play": "back"}]}},
        "inner": {"prompt": "service-menu", "keys": {"2": {"play": "two"}}},
    }
    config = office({"menu": "top"}, menus=menus, flows={"f": {"do": [{"menu": "inner"}, {"play": "flow-end"}]}})
    played = [line for line in trace(config, keys=["1", "2"]) if line.startswith("play")]
    assert played == ["play two", "play flow-end", "play back"]


LOOKUP = {
    "verify": {
        "url": "http://127.0.0.1/?p={from}",
        "timeout-ms": 800,
        "fields": {"state": ["wrong", "right"], "age": "number", "name": "text"},
        "outcome": {"field": "state", "values": ["wrong", "right"]},
    }
}


@pytest.mark.parametrize(
    ("answer", "words", "age"),
    [
        ({"state": "right", "age": 7}, "right", "7"),
        ({"state": "wrong"}, "wrong", "0"),
        ({"state": "else"}, "error", "0"),
        ({"state": "right", "age": "old"}, "error", "0"),
        ("timeout", "error", "0"),
        ("status 500", "error", "0"),
        (None, "error", "0"),
    ],
)
def test_a_lookup_has_declared_outcomes_and_typed_empty_values(answer: Any, words: str, age: str) -> None:
    step = {"lookup": "verify", "into": "a", "on": {w: {"play": w} for w in ("wrong", "right", "error")}}
    config = office(step, {"set": {"seen": "{a.age} {a.name}"}}, lookups=LOOKUP)
    found = trace(config, lookups={"verify": answer} if answer is not None else {})
    assert found[0] == f"lookup verify {words}"
    assert f"play {words}" in found
    assert any(line.startswith(f"set seen {age}") for line in found)


def test_a_secret_is_in_no_trace() -> None:
    found = trace(office({"collect": "card", "secret": True}, {"collect": "other"}), keys=["4711#", "12#"])
    assert "collect card" in found
    assert "collect other 12" in found
    assert not any("4711" in line for line in found)


def test_the_switch_goes_round_and_only_for_who_may() -> None:
    config = office({"switch": "night", "say": True}, switches={"night": {"allow": ["endpoint/1001"]}})
    assert trace(config)[0] == "switch night open"
    assert trace(config, switches={"night": "closed"})[0] == "switch night auto"
    assert trace(config, caller="endpoint/1002")[0] == "switch night declined"


def test_what_lasts_for_ever_is_cut_after_a_minute() -> None:
    for step in ({"echo": True}, {"conference": "c"}, {"play": "welcome", "loop": True}):
        assert trace(office({"answer": True}, step))[0] == "answer"


def test_a_message_is_left_and_heard() -> None:
    assert "message left 1002" in trace(office({"voicemail": "1002"}))


def test_a_failure_says_what_did_not_happen() -> None:
    config = office(dialled("5", "1002"))
    case = {"name": "t", "from": "endpoint/1001", "dial": "1", "expect": ["answer"], "never": ["dial"]}
    result = run_case(config, TestCase.model_validate(case))
    assert result.problems == ['"answer" did not happen']
    result = run_case(config, TestCase.model_validate({**case, "expect": []}))
    assert result.problems == ['"dial" happened: dial endpoint/1002 at 0 s']


@pytest.mark.parametrize(
    "case",
    [{"from": "endpoint/9"}, {"from": "138", "via": "trunk/none"}, {"at": "soon"}, {"agents": {"nobody": "ready"}}],
)
def test_a_test_that_makes_no_sense_says_so(case: dict[str, Any]) -> None:
    result = run_case(
        office({"echo": True}), TestCase.model_validate({"name": "t", "from": "endpoint/1001", "dial": "1", **case})
    )
    assert len(result.problems) == 1


def test_a_thousand_cases_take_less_than_five_seconds_and_repeat_exactly(tmp_path: Path) -> None:
    config = office({"answer": True}, {"menu": "main"}, dialled("20", "1002"), menus=MENU)
    case = {"from": "endpoint/1001", "dial": "1", "keys": ["5", "2", "9", "1"], "answers": {"1002": "after 4 s"}}
    cases = [TestCase.model_validate({"name": str(n), **case}) for n in range(1000)]
    began = time.perf_counter()
    results = run_cases(config, cases)
    assert time.perf_counter() - began < 20  # five seconds on an idle machine: bench/dialplan.py measures it
    assert len({tuple(result.trace) for result in results}) == 1


def test_coverage_names_what_no_test_reached() -> None:
    config = office({"menu": "main"}, menus=MENU)
    case = TestCase.model_validate({"name": "t", "from": "endpoint/1001", "dial": "1", "keys": ["1"]})
    report = coverage(config, run_cases(config, [case]))
    assert report.total["keys"] == 5
    assert report.reached["keys"] == 1
    assert any("key 2 of menu main" in line for line in report.lines())


CONF = Path(__file__).parents[2] / "conf"


def test_the_tests_of_what_ships_pass() -> None:
    config = load(CONF).valid()
    assert [r.problems for r in run_cases(config, config.test) if not r.passed] == []
