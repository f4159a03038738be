"""Several media threads: a call is on one of them, and whoever is joined with it comes there."""

from __future__ import annotations

import os
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from pbx.errors import MediaError
from pbx.media.engine import Engine, processors
from pbx.sdp.crypto import KEY_BYTES, Crypto
from pbx.sdp.negotiate import Agreed
from tests.media.phones import Heard, Phone, power, sine, talk, until


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine(31000, 31999, threads=2, capacity=64, seed=3)
    made.start()
    yield made
    made.stop()


def bridge(one: Phone, other: Phone) -> None:
    one.port.hear(other.port)
    other.port.hear(one.port)


def sequence(phone: Phone) -> list[int]:
    return [int.from_bytes(packet[2:4], "big") for packet in phone.collect()]


@pytest.mark.asyncio
async def test_calls_are_spread_and_the_legs_of_one_are_together(engine: Engine) -> None:
    callers = [engine.open(Heard(), "127.0.0.1") for _ in range(4)]
    assert [port.shard.number for port in callers] == [0, 1, 0, 1]
    called = [engine.open(Heard(), "127.0.0.1", beside=port) for port in callers]
    assert [port.shard for port in called] == [port.shard for port in callers]
    for port in callers + called:
        port.close()
    await until(lambda: not engine.ports)
    assert [shard.ports for shard in engine.shards] == [0, 0]


@pytest.mark.asyncio
async def test_a_transfer_joins_calls_of_two_threads_and_no_stream_is_broken(engine: Engine, tmp_path: Path) -> None:
    """Caller and agent talk and are recorded; the consultation is on the other thread; the caller is handed over."""
    caller, target = Phone(engine), Phone(engine, "pcma")
    agent = Phone(engine, beside=caller.port)
    assert caller.port.shard is not target.port.shard
    bridge(caller, agent)
    token = caller.port.record(tmp_path / "call.wav", other=agent.port)
    music = target.port.tone("dial")
    await talk({caller: sine("pcmu", 500, 0.6), agent: sine("pcmu", 900, 0.6)})
    before = caller.port.shard
    agent.port.deaf()
    caller.port.deaf()
    bridge(caller, target)
    assert caller.port.shard is target.port.shard is agent.port.shard is before, "the smaller company moves"
    target.port.stop()
    await until(lambda: target.events.done == [(music, "stopped")])
    caller.port.record(tmp_path / "call2.wav", other=target.port)
    for phone in (caller, agent, target):
        phone.collect()
    agent.received.clear()
    await talk({caller: sine("pcmu", 500, 0.6), target: sine("pcma", 1300, 0.6)})
    caller.port.stop_recording()
    await until(lambda: len(caller.events.done) == 2)
    assert caller.events.done[0] == (token, "stopped")
    for phone in (caller, target):
        numbers = sequence(phone)
        assert numbers == [(numbers[0] + i) & 0xFFFF for i in range(len(numbers))], "one stream, without a gap"
        assert len({packet[8:12] for packet in phone.received}) == 1
    assert agent.collect() == []
    assert power(caller.heard()[-3200:], 1300, 8000) == pytest.approx(8000, rel=0.1)
    with wave.open(str(tmp_path / "call2.wav")) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    assert power(sound[800:, 0], 500, 8000) == pytest.approx(8000, rel=0.1)
    assert power(sound[800:, 1], 1300, 8000) == pytest.approx(8000, rel=0.1)
    for phone in (caller, agent, target):
        phone.close()


@pytest.mark.asyncio
async def test_a_moving_port_takes_its_keys_its_recording_and_what_it_plays_along(
    engine: Engine, tmp_path: Path
) -> None:
    alone, one = Phone(engine), Phone(engine)
    other = Phone(engine, beside=one.port)
    suite = "AES_CM_128_HMAC_SHA1_80"
    key = Crypto(suite, os.urandom(KEY_BYTES[suite]))
    here = alone.socket.getsockname()
    alone.port.send_to(Agreed(here, here, alone.codec, 101, "sendrecv", 20, False, None, key))
    bridge(one, other)
    token = alone.port.record(tmp_path / "alone.wav")
    tone = alone.port.tone("dial")
    await talk({alone: sine("pcmu", 500, 0.4)})
    alone.port.hear(one.port)
    assert alone.port.shard is one.port.shard
    assert alone.port.stats().packets_in > 0, "known also on the way"
    await talk({alone: sine("pcmu", 500, 0.4)})
    alone.port.stop_recording()
    await until(lambda: alone.events.done == [(token, "stopped")])
    with wave.open(str(tmp_path / "alone.wav")) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    assert len(sound) == pytest.approx(6400, abs=640)
    assert power(sound[800:], 500, 8000) == pytest.approx(8000, rel=0.05)
    alone.digit(7)
    await until(lambda: [digit for digit, _ in alone.events.digits] == ["7"])
    numbers = sequence(alone)
    assert numbers == [(numbers[0] + i) & 0xFFFF for i in range(len(numbers))]
    assert {len(packet) for packet in alone.received} == {12 + 160 + 10}, "all of it encrypted"
    alone.port.stop()
    await until(lambda: alone.events.done[1:] == [(tone, "stopped")])
    for phone in (alone, one, other):
        phone.close()


@pytest.mark.asyncio
async def test_a_room_takes_members_in_from_every_thread(engine: Engine) -> None:
    phones = [Phone(engine) for _ in range(4)]
    assert len({phone.port.shard for phone in phones}) == 2
    room = engine.room()
    for phone in phones:
        room.join(phone.port)
    assert len({phone.port.shard for phone in phones}) == 1
    await talk({phone: sine("pcmu", 400 + 300 * at, 0.8, 3000) for at, phone in enumerate(phones)})
    for at, phone in enumerate(phones):
        heard = phone.heard()[2400:5600]
        for other in range(4):
            level = 0 if other == at else 3000
            assert power(heard, 400 + 300 * other, 8000) == pytest.approx(level, abs=350)
    room.close()
    for phone in phones:
        phone.close()


@pytest.mark.asyncio
async def test_two_rooms_that_a_listener_joins_end_on_one_thread(engine: Engine) -> None:
    phones = [Phone(engine) for _ in range(4)]
    rooms = [engine.room(), engine.room()]
    for at, phone in enumerate(phones):
        rooms[at % 2].join(phone.port)
    assert phones[0].port.shard is not phones[1].port.shard
    phones[0].port.hear(phones[1].port)
    assert len({phone.port.shard for phone in phones}) == 1
    await talk({phones[1]: sine("pcmu", 700, 0.5, 3000), phones[2]: sine("pcmu", 1100, 0.5, 3000)})
    heard = phones[0].heard()[1600:3200]
    assert power(heard, 700, 8000) == pytest.approx(3000, abs=350)
    assert power(heard, 1100, 8000) == pytest.approx(3000, abs=350)
    heard = phones[3].heard()[1600:3200]
    assert power(heard, 700, 8000) == pytest.approx(3000, abs=350)
    assert power(heard, 1100, 8000) < 100
    for room in rooms:
        room.close()
    for phone in phones:
        phone.close()


@pytest.mark.asyncio
async def test_a_port_that_is_closed_on_its_way_gives_everything_back(engine: Engine) -> None:
    one, other = Phone(engine), Phone(engine)
    tone = one.port.tone("dial")
    await until(lambda: len(one.collect()) > 2)
    other.port.hear(one.port)
    one.port.hear(other.port)
    assert one.port.moving or other.port.moving
    one.close()
    other.close()
    await until(lambda: not engine.ports)
    assert one.events.done == [(tone, "stopped")]
    assert [shard.ports for shard in engine.shards] == [0, 0]


@pytest.mark.asyncio
async def test_a_thread_at_its_capacity_leaves_new_calls_to_another_and_refuses_when_there_is_none() -> None:
    made = Engine(31000, 31999, threads=2, capacity=2, seed=3)
    made.start()
    ports = [made.open(Heard(), "127.0.0.1") for _ in range(4)]
    with pytest.raises(MediaError, match="in use"):
        made.open(Heard(), "127.0.0.1")
    with pytest.raises(MediaError, match="in use"):
        made.open(Heard(), "127.0.0.1", beside=ports[0])
    ports[1].close()
    await until(lambda: len(made.ports) == 3)
    assert made.open(Heard(), "127.0.0.1").shard is made.shards[1]
    made.stop()


def test_threads_keep_to_processors_of_their_own_and_leave_one_to_python() -> None:
    count = len(os.sched_getaffinity(0))
    chosen = processors(count + 1)
    assert chosen[-2:] == [-1, -1]
    assert len({cpu for cpu in chosen if cpu >= 0}) == count - 1
    assert min(os.sched_getaffinity(0)) not in chosen


@pytest.mark.asyncio
async def test_the_log_says_whether_the_threads_got_their_priority(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "pbx.media.engine"):
        await until(lambda: "SCHED_FIFO" in caplog.text)
    assert ("without SCHED_FIFO" in caplog.text) is not engine.realtime
