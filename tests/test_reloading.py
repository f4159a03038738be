"""Reload, history and the way back, on a directory of the test's own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from pbx import events as ev
from pbx.config.config import Config
from pbx.errors import ConfigError, StoreError
from pbx.reloading import Reloader, checked
from pbx.store.configs import Configs
from pbx.store.database import Log

pytestmark = pytest.mark.asyncio

FIRST = """
[recordings]
retain-days = 1
[endpoints.1001]
context = "in"
[[contexts.in.route]]
match = "X."
do = [{ echo = true }]
"""


class Yard:
    """A directory, a store, and who swaps."""

    def __init__(self, directory: Path, log: Log) -> None:
        self.directory = directory
        self.swapped: list[Config] = []
        self.events: list[ev.Event] = []
        self.write("pbx.toml", FIRST)
        self.reloader = Reloader(
            directory, checked(directory), Configs(log), self._prepare, self.events.append, lambda: ["agent a: paused"]
        )

    def _prepare(self, config: Config) -> Callable[[], None]:
        return lambda: self.swapped.append(config)

    def write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)

    def read(self, name: str = "pbx.toml") -> str:
        return (self.directory / name).read_text()


@pytest_asyncio.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    log = Log(tmp_path / "pbx.db", time.time, time.monotonic)
    log.start("test")
    directory = tmp_path / "conf"
    directory.mkdir()
    made = Yard(directory, log)
    await made.reloader.note_start()
    yield made
    await log.stop()


async def test_files_count_after_a_reload_and_not_before(yard: Yard) -> None:
    yard.write("pbx.toml", FIRST + "[endpoints.1002]\ncontext = 'in'\n")
    assert yard.swapped == []
    done = await yard.reloader.reload("operator")
    assert done.changes == ["endpoints: added 1002"]
    assert list(yard.swapped[0].endpoints) == ["1001", "1002"]
    (event,) = yard.events
    assert isinstance(event, ev.ConfigSwapped)
    assert (event.by, event.changes) == ("operator", ("endpoints: added 1002",))


async def test_a_mistake_changes_nothing_and_is_named(yard: Yard) -> None:
    yard.write("pbx.toml", FIRST.replace("context = ", "contxt = "))
    with pytest.raises(ConfigError, match=r'pbx.toml:5.*unknown key "contxt"[^?]*did you mean "context"'):
        await yard.reloader.reload("operator")
    assert (yard.swapped, yard.events) == ([], [])
    assert len(yard.reloader.history()) == 1


async def test_history_grows_only_with_changes(yard: Yard) -> None:
    await yard.reloader.reload("operator")
    await yard.reloader.note_start()
    assert [version.by for version in yard.reloader.history()] == ["start"]


async def test_rollback_brings_the_files_back_and_keeps_what_stood_there(yard: Yard) -> None:
    yard.write("pbx.toml", 'include = ["more.toml"]\n' + FIRST)
    yard.write("more.toml", "[endpoints.1002]\ncontext = 'in'\n")
    await yard.reloader.reload("operator")
    yard.write("more.toml", "# nobody ran this\n")
    first = yard.reloader.history()[-1]
    done = await yard.reloader.rollback(first.number, "operator")
    assert done.changes == ["endpoints: removed 1002"]
    assert yard.read() == FIRST
    assert not (yard.directory / "more.toml").exists()
    back, aside, *_ = yard.reloader.history()
    assert (back.by, back.digest) == (f"operator, back to {first.number}", first.digest)
    assert aside.by == "set aside"
    await yard.reloader.rollback(aside.number, "operator")
    assert yard.read("more.toml") == "# nobody ran this\n"


async def test_a_rollback_to_what_is_no_good_any_more_leaves_the_files(yard: Yard) -> None:
    yard.write("pbx.toml", 'include = ["more.toml"]\n' + FIRST)
    yard.write("more.toml", "[agents]\nimport = 'people.csv'\n")
    yard.write("people.csv", "key,endpoint\nzhang,1001\n")
    await yard.reloader.reload("operator")
    good = yard.reloader.history()[0]
    assert set(yard.reloader.running.texts()) == {"pbx.toml", "more.toml", "people.csv"}
    yard.write("pbx.toml", FIRST)
    await yard.reloader.reload("operator")
    (yard.directory / "people.csv").write_text("key\nli\n")
    await yard.reloader.rollback(good.number, "operator")
    assert yard.read("people.csv") == "key,endpoint\nzhang,1001\n"


async def test_an_unknown_version(yard: Yard) -> None:
    with pytest.raises(StoreError, match="no version 77"):
        await yard.reloader.rollback(77, "operator")
    with pytest.raises(StoreError, match="no version 78"):
        await yard.reloader.difference(78)


async def test_the_difference_names_files_changes_and_what_people_set(yard: Yard) -> None:
    yard.write("pbx.toml", FIRST.replace("retain-days = 1", "retain-days = 2"))
    found = await yard.reloader.difference()
    assert "-retain-days = 1" in found.files
    assert "+retain-days = 2" in found.files
    assert found.changes == ["recordings: retain-days"]
    assert found.runtime == ["agent a: paused"]
    await yard.reloader.reload("operator")
    assert (await yard.reloader.difference()).files == []
    assert "-retain-days = 1" in (await yard.reloader.difference(1)).files
    assert "+retain-days = 1" in (await yard.reloader.difference(2, 1)).files


async def test_files_that_are_no_good_are_shown_as_such(yard: Yard) -> None:
    yard.write("pbx.toml", FIRST + "oops = 1\n")
    found = await yard.reloader.difference()
    assert any("oops" in line for line in found.changes)
