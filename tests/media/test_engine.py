"""The engine with phones on sockets: relay, transcoding, prompts, mixing, digits, recordings."""

from __future__ import annotations

import itertools
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import soundfile

from pbx.media.contract import Clip, Media, MediaPort, MediaState
from pbx.media.engine import Engine
from tests.media.phones import Phone, power, sine, talk, until


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine(31000, 31999, threads=2, capacity=64, seed=1)  # ports come to both: whoever is joined moves
    made.start()
    yield made
    made.stop()


def tone_file(path: Path, frequency_hz: float, seconds: float, rate_hz: int = 44100) -> Clip:
    times = np.arange(int(seconds * rate_hz)) / rate_hz
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * frequency_hz * times), rate_hz)
    return Clip(path.stem, path)


@pytest.mark.asyncio
async def test_the_engine_is_what_the_rooms_above_ask_for(engine: Engine) -> None:
    media: Media = engine
    phone = Phone(engine)
    port: MediaPort = phone.port
    media.room().close()
    assert port.local[1] % 2 == 0
    phone.close()


@pytest.mark.asyncio
async def test_a_bridge_of_one_codec_relays_packets_as_they_are(engine: Engine) -> None:
    one, other = Phone(engine), Phone(engine)
    one.port.hear(other.port)
    other.port.hear(one.port)
    packets = sine("pcmu", 440, 0.2)
    await talk({one: packets})
    await until(lambda: len(other.collect()) == len(packets))
    assert [packet[12:] for packet in other.received] == packets
    assert len({packet[8:12] for packet in other.received}) == 1
    one.close()
    other.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("one_codec", ["pcmu", "pcma", "g722", "opus"])
@pytest.mark.parametrize("other_codec", ["pcmu", "pcma", "g722", "opus"])
async def test_any_codec_reaches_any_other_at_its_level(engine: Engine, one_codec: str, other_codec: str) -> None:
    one, other = Phone(engine, one_codec), Phone(engine, other_codec)
    other.port.hear(one.port)
    await talk({one: sine(one_codec, 1000, 0.8)})
    rate = other.codec.rate_hz
    heard = other.heard()[rate // 5 :][: rate // 2]
    assert len(heard) == rate // 2
    assert abs(20 * np.log10(power(heard, 1000, rate) / 8000)) < 0.5
    one.close()
    other.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 40, 60])
async def test_each_side_gets_packets_of_the_length_it_wants(engine: Engine, ptime_ms: int) -> None:
    one, other = Phone(engine), Phone(engine, ptime_ms=ptime_ms)
    other.port.hear(one.port)
    await talk({one: sine("pcmu", 1000, 0.6)})
    await until(lambda: len(other.collect()) > 3)
    assert {len(packet) - 12 for packet in other.received[4:]} == {8 * ptime_ms}
    stamps = [int.from_bytes(packet[4:8], "big") for packet in other.received[4:]]
    assert {(b - a) & 0xFFFFFFFF for a, b in itertools.pairwise(stamps)} == {8 * ptime_ms}
    one.close()
    other.close()


@pytest.mark.asyncio
async def test_a_list_of_files_is_played_without_a_gap_and_its_end_is_told(engine: Engine, tmp_path: Path) -> None:
    phone = Phone(engine)
    clips = [tone_file(tmp_path / f"{name}.wav", 1000, 0.25) for name in ("one", "two")]
    token = phone.port.play(clips)
    await until(lambda: phone.events.done == [(token, "ended")])
    await until(lambda: len(phone.collect()) >= 25)
    heard = phone.heard()
    assert len(heard) == 4000
    loud = np.abs(heard).reshape(-1, 40).max(axis=1)
    assert loud[2:-2].min() > 5000
    assert abs(20 * np.log10(power(heard, 1000, 8000) / (0.3 * 32767))) < 0.5
    phone.close()


@pytest.mark.asyncio
async def test_a_loop_goes_on_until_it_is_stopped_within_a_frame(engine: Engine, tmp_path: Path) -> None:
    phone = Phone(engine, "g722")
    token = phone.port.play([tone_file(tmp_path / "short.wav", 1000, 0.05)], loop=True)
    await until(lambda: len(phone.collect()) > 20)
    phone.port.stop()
    await until(lambda: phone.events.done == [(token, "stopped")])
    count = len(phone.collect())
    await talk({phone: sine("g722", 440, 0.2)})
    assert len(phone.collect()) <= count + 1
    phone.close()


@pytest.mark.asyncio
async def test_a_new_play_ends_the_one_before_and_a_missing_file_fails(engine: Engine, tmp_path: Path) -> None:
    phone = Phone(engine)
    first = phone.port.tone("ringback")
    second = phone.port.play([Clip("none", tmp_path / "none.wav")])
    await until(lambda: len(phone.events.done) == 2)
    # The engine tells of the one, the missing file is known here: which is heard of first is chance.
    assert sorted(phone.events.done) == [(first, "stopped"), (second, "failed")]
    beep = phone.port.tone("beep")
    await until(lambda: phone.events.done[-1] == (beep, "ended"))
    phone.close()


@pytest.mark.asyncio
async def test_one_who_hears_two_hears_their_sum(engine: Engine) -> None:
    one, two, three = Phone(engine), Phone(engine, "g722"), Phone(engine, "pcma")
    three.port.hear(one.port)
    three.port.hear(two.port)
    await talk({one: sine("pcmu", 500, 0.8, 4000), two: sine("g722", 1300, 0.8, 4000), three: sine("pcma", 90, 0.8)})
    heard = three.heard()[2400:5600]
    assert power(heard, 500, 8000) == pytest.approx(4000, rel=0.06)
    assert power(heard, 1300, 8000) == pytest.approx(4000, rel=0.06)
    three.port.unhear(two.port)
    three.received.clear()
    await talk({one: sine("pcmu", 500, 0.6, 4000), two: sine("g722", 1300, 0.6, 4000)})
    heard = three.heard()[1600:]
    assert power(heard, 500, 8000) == pytest.approx(4000, rel=0.1)
    assert power(heard, 1300, 8000) < 100
    for phone in (one, two, three):
        phone.close()


@pytest.mark.asyncio
async def test_in_a_room_everybody_hears_all_others_and_not_himself(engine: Engine) -> None:
    codecs = {"pcmu": 500, "pcma": 900, "g722": 1300}
    phones = {codec: Phone(engine, codec) for codec in codecs}
    room = engine.room()
    for phone in phones.values():
        room.join(phone.port)
    await talk({phones[c]: sine(c, frequency, 0.9, 4000) for c, frequency in codecs.items()})
    for codec, phone in phones.items():
        rate = phone.codec.rate_hz
        heard = phone.heard()[rate * 3 // 10 : rate * 7 // 10]
        for other, frequency in codecs.items():
            expected = 0 if other == codec else 4000
            assert power(heard, frequency, rate) == pytest.approx(expected, abs=400), (codec, other)
    room.join(phones["pcmu"].port, muted=True)
    room.leave(phones["g722"].port)
    phones["pcma"].received.clear()
    await talk({phones[c]: sine(c, frequency, 0.6, 4000) for c, frequency in codecs.items()})
    heard = phones["pcma"].heard()[2400:]
    assert power(heard, 500, 8000) < 100
    assert power(heard, 1300, 8000) < 100
    room.join(phones["pcmu"].port, muted=False)
    phones["pcma"].received.clear()
    await talk({phones[c]: sine(c, frequency, 0.9, 4000) for c, frequency in codecs.items()})
    heard = phones["pcma"].heard()[3200:6400]
    assert power(heard, 500, 8000) == pytest.approx(4000, abs=400)
    room.close()
    for phone in phones.values():
        phone.close()


@pytest.mark.asyncio
async def test_a_digit_is_told_once_and_heard_by_the_other_side_unless_it_is_consumed(engine: Engine) -> None:
    one = Phone(engine)
    other = Phone(engine, beside=one.port)
    other.port.hear(one.port)
    one.digit(5)
    one.digit(5, ends=1)
    await until(lambda: len(one.events.digits) == 2)
    assert [digit for digit, _ in one.events.digits] == ["5", "5"]
    await until(lambda: len([p for p in other.collect() if p[1] & 0x7F == 101]) == 10)
    one.port.consume_digits(True)
    other.received.clear()
    one.digit(7)
    await until(lambda: len(one.events.digits) == 3)
    assert not [p for p in other.collect() if p[1] & 0x7F == 101]
    one.close()
    other.close()


@pytest.mark.asyncio
async def test_a_digit_with_an_older_stamp_is_new_unless_it_was_told(engine: Engine) -> None:
    phone = Phone(engine)
    start = phone.time_stamp
    for event, stamp in ((2, 23_200), (1, 13_280), (2, 23_200), (1, 13_280)):  # SIPp's files begin where they like
        phone.time_stamp = start + stamp
        phone.digit(event)
    phone.digit(3)
    await until(lambda: len(phone.events.digits) == 3)
    assert [digit for digit, _ in phone.events.digits] == ["2", "1", "3"]
    phone.close()


@pytest.mark.asyncio
async def test_a_digit_without_its_end_is_told_when_it_stops(engine: Engine) -> None:
    phone = Phone(engine)
    phone.digit(9, ends=0)
    await until(lambda: phone.events.digits == [("9", 60)])
    phone.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("codec", ["pcmu", "g722"])
async def test_a_digit_crosses_from_one_codec_to_another_exactly_once(engine: Engine, codec: str) -> None:
    one, other = Phone(engine), Phone(engine, codec, ptime_ms=40)
    other.port.hear(one.port)
    await talk({one: sine("pcmu", 440, 0.2)})
    one.digit(3)
    await talk({one: sine("pcmu", 440, 0.5)})
    events = [packet for packet in other.collect() if packet[1] & 0x7F == 101]
    assert {packet[12] for packet in events} == {3}
    assert len({packet[4:8] for packet in events}) == 1
    assert sum(packet[13] >> 7 for packet in events) == 3
    one.close()
    other.close()


@pytest.mark.asyncio
async def test_digits_beside_opus_are_counted_by_its_clock(engine: Engine) -> None:
    """Told in milliseconds; relayed to a peer of the other clock by its own; sent by ours with the clock agreed."""
    wide = Phone(engine, "opus", events_clock_hz=48000)
    narrow, other = Phone(engine, "opus"), Phone(engine, "opus", events_clock_hz=48000)
    narrow.port.hear(wide.port)
    other.port.hear(wide.port)
    await talk({wide: sine("opus", 440, 0.2)})
    wide.digit(3)
    await until(lambda: wide.events.digits == [("3", 80)])
    for phone, last in ((narrow, 640), (other, 3840)):
        await until(lambda: sum(p[13] >> 7 for p in phone.collect() if p[1] & 0x7F == 101) == 3)  # noqa: B023
        ends = {p[14:16] for p in phone.received if p[1] & 0x7F == 101 and p[13] >> 7}
        assert ends == {last.to_bytes(2, "big")}
    other.received.clear()
    other.port.send_digits("1")
    await talk({wide: sine("opus", 440, 0.4)})
    lengths = [int.from_bytes(p[14:16], "big") for p in other.collect() if p[1] & 0x7F == 101]
    assert lengths
    assert not any(length % 960 for length in lengths)
    for phone in (wide, narrow, other):
        phone.close()


@pytest.mark.asyncio
async def test_digits_are_sent_one_after_the_other_in_the_midst_of_a_relay(engine: Engine) -> None:
    one, other = Phone(engine), Phone(engine)
    other.port.hear(one.port)
    await talk({one: sine("pcmu", 440, 0.1)})
    other.port.send_digits("1#")
    await talk({one: sine("pcmu", 440, 0.7)})
    events = [packet for packet in other.collect() if packet[1] & 0x7F == 101]
    assert [e[12] for e in events if e[13] >> 7] == [1, 1, 1, 11, 11, 11]
    sequence = [int.from_bytes(p[2:4], "big") for p in other.received]
    assert {(b - a) & 0xFFFF for a, b in itertools.pairwise(sequence)} == {1}
    one.close()
    other.close()


@pytest.mark.asyncio
async def test_a_recording_has_the_caller_left_and_the_agent_right_at_the_same_instant(
    engine: Engine, tmp_path: Path
) -> None:
    one, other = Phone(engine), Phone(engine, "pcma")
    one.port.hear(other.port)
    other.port.hear(one.port)
    token = one.port.record(tmp_path / "calls" / "call.wav", other=other.port)
    await talk({one: sine("pcmu", 500, 1.0), other: sine("pcma", 900, 1.0)})
    one.port.stop_recording()
    await until(lambda: one.events.done == [(token, "stopped")])
    with wave.open(str(tmp_path / "calls" / "call.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    assert len(sound) == pytest.approx(8000, abs=640)
    assert power(sound[2000:6000, 0], 500, 8000) == pytest.approx(8000, rel=0.06)
    assert power(sound[2000:6000, 0], 900, 8000) < 100
    assert power(sound[2000:6000, 1], 900, 8000) == pytest.approx(8000, rel=0.06)
    assert len(other.received) > 45, "the call is relayed meanwhile"
    one.close()
    other.close()


@pytest.mark.asyncio
async def test_a_message_ends_by_silence_or_by_its_limit(engine: Engine, tmp_path: Path) -> None:
    phone = Phone(engine)
    first = phone.port.record(tmp_path / "one.wav", silence_s=0.3)
    await talk({phone: sine("pcmu", 500, 0.4)})
    await until(lambda: phone.events.done == [(first, "silence")])
    second = phone.port.record(tmp_path / "two.wav", limit_s=0.2)
    await until(lambda: phone.events.done[1:] == [(second, "limit")])
    with wave.open(str(tmp_path / "two.wav")) as file:
        assert (file.getnchannels(), file.getnframes()) == (1, 1600)
    phone.close()


@pytest.mark.asyncio
async def test_closing_a_port_ends_what_it_plays_and_records(engine: Engine, tmp_path: Path) -> None:
    phone = Phone(engine)
    tape = phone.port.record(tmp_path / "one.wav")
    tone = phone.port.tone("busy")
    await until(lambda: len(phone.collect()) > 2)
    phone.close()
    await until(lambda: len(phone.events.done) == 2)
    assert set(phone.events.done) == {(tape, "stopped"), (tone, "stopped")}
    assert phone.port.stats().packets_out > 2


@pytest.mark.asyncio
async def test_silence_and_a_stranger_are_told_apart_within_three_seconds(engine: Engine) -> None:
    silent, robbed = Phone(engine), Phone(engine)
    await talk({robbed: sine("pcmu", 440, 0.2)})
    stranger = Phone(engine)
    stranger.port, kept = robbed.port, stranger.port
    for _ in range(160):
        await talk({stranger: sine("pcmu", 440, 0.02)})
    await until(lambda: bool(silent.events.states and robbed.events.states))
    assert silent.events.states == [MediaState.NEVER_CAME]
    assert robbed.events.states == [MediaState.WRONG_SOURCE]
    assert robbed.port.stats().wrong_source >= 150
    kept.close()
    for phone in (silent, robbed):
        phone.close()
    stranger.socket.close()
