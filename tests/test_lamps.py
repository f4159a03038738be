"""What each lamp shows, to whom, and that a change is told once to those who watch it."""

from __future__ import annotations

import asyncio
from typing import Any

from pbx.lamps import HEARD, Lamps
from pbx.signaling.subscriptions import MessageCount
from pbx.signaling.virtual import Behaviour
from tests.dialplan.floor import Floor, on_floor, refer
from tests.dialplan.test_features import ANSWERS, office


class Told:
    """Takes the place of who sends the NOTIFYs."""

    def __init__(self) -> None:
        self.changes: list[str] = []
        self.unasked: list[tuple[str, MessageCount]] = []
        self.asks = False

    def changed(self, event: str, number: str, source: str = "") -> None:
        if event == "dialog":
            self.changes.append(number)

    def watches(self, event: str, source: str) -> bool:
        return self.asks

    def messages_waiting(self, number: str, count: MessageCount) -> int:
        self.unasked.append((number, count))
        return 1


def board(floor: Floor) -> tuple[Lamps, Told]:
    told = Told()
    lamps = Lamps(lambda: floor.config, floor.calls, floor.equipment, told)  # type: ignore[arg-type]
    lamps.subscriptions = told  # type: ignore[assignment]
    floor.log.hear(lamps.take, HEARD)
    return lamps, told


def lit(lamps: Lamps, number: str, phone: str = "1001") -> list[str] | None:
    """Return the states that a lamp shows; None where it may not be watched."""
    found = lamps.dialogs(number, f"endpoint/{phone}")
    return None if found is None else [one.state for one in found]


def test_a_colleagues_lamp_follows_their_calls_and_tells_strangers_less() -> None:
    config = office()
    config["endpoints"]["1002"]["groups"] = ["sales"]
    config["endpoints"]["1003"]["groups"] = ["sales"]

    async def body() -> None:
        floor = Floor(config, {"endpoint/1002": ANSWERS})
        lamps, told = board(floor)
        assert lit(lamps, "1002") == []
        caller, _ = floor.call("trunk/line", "1002", "+8613800138000")
        await asyncio.sleep(0.5)
        assert lit(lamps, "1002") == ["early"]
        await asyncio.sleep(1)
        assert lit(lamps, "1002") == ["confirmed"]
        mate, stranger = (lamps.dialogs("1002", f"endpoint/{n}")[0] for n in ("1003", "1001"))  # type: ignore[index]
        assert mate.remote == "+8613800138000"
        assert stranger.remote == ""
        caller.hangup()
        await asyncio.sleep(1)
        assert lit(lamps, "1002") == []
        assert told.changes == ["1002"] * 3  # it rang, was answered, ended

    on_floor(body)


def test_what_may_not_be_dialled_is_not_watched() -> None:
    async def body() -> None:
        config = office()
        config["contexts"]["lobby"] = {"route": []}
        config["endpoints"]["1005"]["context"] = "lobby"
        floor = Floor(config)
        lamps, _ = board(floor)
        assert lit(lamps, "1002", "1005") is None
        assert lit(lamps, "1005", "1005") == []  # itself, always
        assert lamps.dialogs("1002", "trunk/line") is None
        assert lit(lamps, "9999") is None

    on_floor(body)


def test_lamps_of_switches_forwards_quiet_places_rooms_and_log_ins() -> None:
    async def body() -> None:
        config: dict[str, Any] = office(
            agents={"zhang": {"endpoint": "1001", "queues": {"q": 1}}}, queues={"q": {}}, conferences={"m": {}}
        )
        config["contexts"]["in"]["route"] += [
            {"match": "900", "do": {"conference": "m"}},
            {"match": "800", "do": {"queue": "q"}},
        ]
        floor = Floor(config, {"endpoint/1002": ANSWERS, "endpoint/1001": Behaviour()})
        lamps, told = board(floor)
        numbers = ("*28", "*72", "*78", "701", "900", "800", "*45", "*46")
        assert [lit(lamps, number) for number in numbers] == [[]] * len(numbers)

        floor.equipment.switches.turn("night", "closed", by="test")
        floor.equipment.forwards.set("1001", "all", "1002", by="test")
        floor.equipment.forwards.set_dnd("1001", True, by="test")
        floor.desk.login("zhang")
        floor.desk.pause("zhang", "lunch")
        floor.call("endpoint/1003", "900")
        floor.call("trunk/line", "800", "+8613700000000")
        caller, _ = floor.call("trunk/line", "1002", "+8613800138000")
        await asyncio.sleep(3)
        assert caller.peer is not None
        caller.peer.on_request(refer("701"), None)  # type: ignore[arg-type]
        await asyncio.sleep(2)
        assert [lit(lamps, number) for number in numbers] == [
            ["confirmed"], ["confirmed"], ["confirmed"], ["confirmed"], ["confirmed"], ["early"], ["confirmed"],
            ["confirmed"],
        ]  # fmt: skip
        assert set(numbers) <= set(told.changes)
        assert lit(lamps, "*78", "1003") == []  # the quiet of others is theirs

    on_floor(body)


def test_a_message_lights_its_own_lamp_and_those_of_a_shared_mailbox() -> None:
    async def body() -> None:
        config = office(mailboxes={"team": {"lamps": ["endpoint/1003", "1004"]}})
        config["contexts"]["in"]["route"].append({"match": "700", "do": {"voicemail": "1002", "greeting": "none"}})
        floor = Floor(config)
        lamps, told = board(floor)
        assert lamps.messages("1002", "endpoint/1002") == MessageCount(0, 0)
        assert lamps.messages("1002", "endpoint/1001") is None  # another's
        assert lamps.messages("team", "endpoint/1003") == MessageCount(0, 0)
        assert lamps.messages("team", "endpoint/1001") is None
        caller, _ = floor.call("endpoint/1001", "700")
        await asyncio.sleep(5)
        caller.hangup()
        await asyncio.sleep(1)
        assert lamps.messages("1002", "endpoint/1002") == MessageCount(1, 0)
        assert told.unasked == [("1002", MessageCount(1, 0))]  # a phone that does not subscribe

    on_floor(body)


def test_an_agent_logs_in_and_pauses_by_code() -> None:
    async def body() -> None:
        config = office(agents={"zhang": {"endpoint": "1001", "queues": {"q": 1}}}, queues={"q": {}})
        floor = Floor(config)
        heard = []
        for code in ("*45", "*46", "*46", "*47", "*45"):
            leg, _ = floor.call("endpoint/1001", code)
            await floor.calls.drained()
            heard.append(floor.heard(leg)[0])
        assert heard == ["agent-logged-in", "agent-paused", "agent-ready", "callers-waiting", "agent-logged-out"]

    on_floor(body)
