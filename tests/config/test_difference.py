"""What changed from one configuration to another."""

from __future__ import annotations

from pbx.config.config import Config
from pbx.config.difference import changes, same, wants_restart


def made(**values: object) -> Config:
    return Config.model_validate(values)


def test_a_line_a_topic() -> None:
    before = made(endpoints={"1": {}, "2": {}}, queues={"q": {"ring-s": 10}})
    after = made(endpoints={"2": {}, "3": {}}, queues={"q": {"ring-s": 12, "weight": 2}}, language="zh-CN")
    assert changes(before, after) == [
        "language",
        "endpoints: added 3; removed 1",
        "queues: changed q (weight, ring-s)",
    ]
    assert changes(before, before) == []


def test_many_names_are_counted() -> None:
    (told,) = changes(made(), made(endpoints={str(n): {} for n in range(20)}))
    assert told.endswith("7 and 12 more")


def test_what_only_a_restart_follows_is_named() -> None:
    before = made()
    after = made(sip={"listen": ["udp:127.0.0.1:5070"], "domain": "x.example"}, media={"codecs": ["pcmu"]})
    assert wants_restart(before, after) == ["sip.listen"]


def test_where_it_stands_in_the_file_does_not_count() -> None:
    from pbx.config.where import Table, Where

    one, other = Table({"ring-s": 10}, Where("a", 1, 1)), Table({"ring-s": 10}, Where("a", 9, 9))
    assert same(made(queues={"q": one}), made(queues={"q": other}))
