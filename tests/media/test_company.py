"""Anything may be joined with anything while ports move between threads: nothing is lost, told twice or left behind."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pbx.media.company import company
from pbx.media.contract import Clip
from pbx.media.engine import Engine
from pbx.media.shard import ROOMS
from tests.media.phones import Phone, sine, until

CAPACITY = 16
PHONES = 6
TURNS = 250


class Chaos:
    """Random verbs on a few phones; what must be told of each in the end is written down."""

    def __init__(self, engine: Engine, seed: int, directory: Path) -> None:
        self.engine, self.chance, self.directory = engine, random.Random(seed), directory
        self.phones = [self._phone() for _ in range(PHONES)]
        self.gone: list[Phone] = []
        self.rooms = [engine.room(), engine.room()]
        self.told: dict[Phone, list[int]] = {phone: [] for phone in self.phones}
        self.count = 0
        soundfile.write(directory / "music.wav", np.full(4000, 0.1), 8000)

    def _phone(self) -> Phone:
        return Phone(self.engine, self.chance.choice(("pcma", "pcmu", "g722", "opus")))

    def turn(self) -> None:
        one, other = self.chance.choice(self.phones), self.chance.choice(self.phones)
        self.count += 1
        verbs = (self._hear, self._unhear, self._join, self._leave, self._play, self._record, self._digit, self._end)
        self.chance.choice(verbs)(one, other)

    def _hear(self, one: Phone, other: Phone) -> None:
        one.port.hear(other.port)

    def _unhear(self, one: Phone, other: Phone) -> None:
        if self.chance.random() < 0.5:
            one.port.unhear(other.port)
        else:
            one.port.deaf()

    def _join(self, one: Phone, other: Phone) -> None:
        self.chance.choice(self.rooms).join(one.port, muted=self.chance.random() < 0.3)

    def _leave(self, one: Phone, other: Phone) -> None:
        for room in self.rooms:
            room.leave(one.port)

    def _play(self, one: Phone, other: Phone) -> None:
        loop = self.chance.random() < 0.6
        self.told[one].append(one.port.play([Clip("music", self.directory / "music.wav")], loop=loop))

    def _record(self, one: Phone, other: Phone) -> None:
        path = self.directory / f"{self.count}.wav"
        self.told[one].append(one.port.record(path, other=other.port if other is not one else None, coding="auto"))

    def _digit(self, one: Phone, other: Phone) -> None:
        one.port.send_digits("12")
        one.port.consume_digits(self.chance.random() < 0.5)

    def _end(self, one: Phone, other: Phone) -> None:
        if self.chance.random() < 0.3:
            self.phones.remove(one)
            one.close()
            self.gone.append(one)
            self.phones.append(self._phone())
            self.told[self.phones[-1]] = []


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_joined_everything_is_given_back_and_told_once(seed: int, tmp_path: Path) -> None:
    engine = Engine(31000, 31999, threads=3, capacity=CAPACITY, seed=seed)
    engine.start()
    chaos = Chaos(engine, seed, tmp_path)
    packets = {codec: sine(codec, 440, 0.02)[0] for codec in ("pcma", "pcmu", "g722", "opus")}
    for at in range(TURNS):
        chaos.turn()
        for phone in chaos.phones:
            assert len({port.shard for port in company(phone.port)}) == 1, "a company is on one thread"
            if at % 3 == 0:
                phone.send(packets[phone.codec.name])
                phone.collect()
        if chaos.chance.random() < 0.6:
            await asyncio.sleep(0.001)
    for room in chaos.rooms:
        room.close()
    for phone in chaos.phones:
        phone.close()
    await until(lambda: not engine.ports)
    everybody = chaos.phones + chaos.gone
    await until(lambda: all(len(p.events.done) >= len(chaos.told[p]) for p in everybody))
    for phone in everybody:
        assert sorted(token for token, _ in phone.events.done) == chaos.told[phone]
        assert "failed" not in {how for _, how in phone.events.done}
    assert [shard.ports for shard in engine.shards] == [0, 0, 0]
    assert [shard.free for shard in engine.shards] == [(CAPACITY, ROOMS)] * 3
    for path in tmp_path.glob("*.wav"):
        soundfile.info(path)
    engine.stop()
