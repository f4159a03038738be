"""Offers and answers (RFC 3264): holds, foreign m= lines, T.38, keys."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.call.offer import MediaSide, MediaWishes
from pbx.errors import NegotiationError
from pbx.media.virtual import VirtualMedia
from pbx.sdp.codec import G722, OPUS, PCMA, PCMU
from pbx.sdp.crypto import KEY_BYTES, Crypto, parse_crypto
from pbx.sdp.description import parse_description
from pbx.sdp.negotiate import ALONE, SECURE, make_answer, make_offer, take_answer


def offer(*media: str, address: str = "192.0.2.9", session: str = "") -> bytes:
    lines = ["v=0", f"o=- 1 1 IN IP4 {address}", "s=-", f"c=IN IP4 {address}", "t=0 0", *session.split(), *media]
    return ("\r\n".join(lines) + "\r\n").encode()


KEYED = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "QUJD" * 10
AUDIO = "m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000"


def answer_to(text: bytes, **options: object):  # type: ignore[no-untyped-def]
    return make_answer(text, "192.0.2.1", 5000, [PCMA, PCMU], session_id=1, version=1, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("offered", "direction", "held"),
    [
        (offer(AUDIO), "sendrecv", False),
        (offer(AUDIO, "a=sendonly"), "recvonly", True),
        (offer(AUDIO, "a=inactive"), "inactive", True),
        (offer(AUDIO, "a=recvonly"), "sendonly", False),
        (offer(AUDIO, session="a=sendonly"), "recvonly", True),
        (offer(AUDIO, session="a=inactive"), "inactive", True),
        (offer(AUDIO, "a=sendrecv", session="a=inactive"), "sendrecv", False),
        (offer(AUDIO, address="0.0.0.0"), "recvonly", True),
        (offer(AUDIO, "c=IN IP4 0.0.0.0"), "recvonly", True),
        (offer(AUDIO, "a=sendonly", address="0.0.0.0"), "recvonly", True),
    ],
)
def test_every_form_of_hold(offered: bytes, direction: str, held: bool) -> None:
    text, agreed = answer_to(offered)
    assert (agreed.direction, agreed.held) == (direction, held)
    written = parse_description(text)
    assert written.direction_of(written.media[0]) == direction


def test_more_m_lines_are_refused_in_place() -> None:
    text, agreed = answer_to(offer("m=video 5004 RTP/AVP 31", AUDIO, "m=application 9 UDP/BFCP *"))
    assert [(m.kind, m.port) for m in parse_description(text).media] == [
        ("video", 0),
        ("audio", 5000),
        ("application", 0),
    ]
    assert agreed.layout.place == 1


def test_our_later_offer_keeps_every_m_line_in_its_place() -> None:
    _, agreed = answer_to(offer("m=video 5004 RTP/AVP 31", AUDIO))
    again = make_offer("192.0.2.1", 5000, [PCMA], session_id=1, version=2, layout=agreed.layout)
    assert [(m.kind, m.port) for m in parse_description(again).media] == [("video", 0), ("audio", 5000)]


def test_an_answer_with_fewer_m_lines_is_read_as_far_as_it_goes() -> None:
    assert take_answer(offer(AUDIO), [PCMA]).codec.name == "pcma"


def test_two_audio_streams_take_the_first_that_is_on() -> None:
    text, agreed = answer_to(offer("m=audio 0 RTP/AVP 8", "m=audio 4002 RTP/AVP 0"))
    assert agreed.remote == ("192.0.2.9", 4002)
    assert [m.port for m in parse_description(text).media] == [0, 5000]


@pytest.mark.parametrize(
    ("media", "srtp", "place"),
    [
        (["m=audio 4000 RTP/SAVP 8", f"{KEYED}|1:4", AUDIO], "optional", 1),
        ([AUDIO, "m=audio 4002 RTP/SAVP 8", KEYED], "required", 1),
        (["m=audio 4000 RTP/SAVP 8", KEYED, AUDIO], "off", 1),
        (["m=audio 4000 RTP/SAVP 8", KEYED, AUDIO], "optional", 0),
        (["m=audio 4000 RTP/AVP 18", AUDIO], "off", 1),
        (["m=audio 4000 RTP/AVP 8", "c=IN IP6 2001:db8::1", AUDIO], "off", 1),
        (["m=audio 9 UDP/TLS/RTP/SAVPF 8", "a=fingerprint:sha-256 AA", AUDIO], "optional", 1),
    ],
)  # fmt: skip
def test_of_several_audio_streams_the_first_that_fits_is_taken(media: list[str], srtp: str, place: int) -> None:
    """Phones that would rather encrypt offer RTP/SAVP and RTP/AVP; those of both families an address of each."""
    text, agreed = answer_to(offer(*media), srtp=srtp, make_key=make_key)
    assert agreed.layout.place == place
    assert [m.port for m in parse_description(text).media] == ([0, 5000] if place else [5000, 0])


def test_a_stream_of_the_other_family_alone_goes_where_the_signalling_comes_from() -> None:
    text = offer("m=audio 4000 RTP/AVP 8", "c=IN IP6 2001:db8::1")
    assert answer_to(text, peer="198.51.100.7")[1].remote == ("198.51.100.7", 4000)


@pytest.mark.parametrize(
    ("said", "ptime_ms"), [("a=maxptime:10", 10), ("a=maxptime:30", 20), ("a=ptime:40 a=maxptime:25", 20),
                           ("a=ptime:30", 30), ("a=ptime:7", 20), ("a=maxptime:5", 20)],
)  # fmt: skip
def test_packets_are_no_longer_than_the_peer_takes(said: str, ptime_ms: int) -> None:
    assert answer_to(offer(AUDIO, *said.split()))[1].ptime_ms == ptime_ms


def test_t38_alone_is_refused_with_488() -> None:
    with pytest.raises(NegotiationError) as caught:
        answer_to(offer("m=image 6000 udptl t38"))
    assert caught.value.status == 488


def test_t38_beside_audio_is_refused_and_the_audio_kept() -> None:
    text, agreed = answer_to(offer(AUDIO, "m=image 6000 udptl t38"))
    assert [(m.kind, m.port, m.protocol) for m in parse_description(text).media][1] == ("image", 0, "UDPTL")
    assert agreed.remote == ("192.0.2.9", 4000)


def test_the_version_grows_only_when_something_changed() -> None:
    side = MediaSide(VirtualMedia().open(Deaf(), "192.0.2.1"), "192.0.2.1", ["pcma"], 7)
    first, same = side.offer(), side.offer()
    assert first == same
    side.holding = True
    held = parse_description(side.offer())
    assert (held.session_id, held.version) == (7, parse_description(first).version + 1)
    assert side.answer(offer(AUDIO)) != first
    version = parse_description(side.answer(offer(AUDIO))).version
    assert parse_description(side.answer(offer(AUDIO))).version == version


KEY = Crypto("AES_CM_128_HMAC_SHA1_80", bytes(range(30)), 1)


def make_key(suite: str, tag: int) -> Crypto:
    return Crypto(suite, b"k" * KEY_BYTES[suite], tag)


def secure(*extra: str) -> bytes:
    return offer("m=audio 4000 RTP/SAVP 8", f"a=crypto:{KEY}", *extra)


def test_an_encrypted_offer_is_answered_with_a_key_of_ours() -> None:
    text, agreed = answer_to(secure(), srtp="optional", make_key=make_key)
    assert agreed.crypto_in == KEY
    assert agreed.crypto_out == make_key(KEY.suite, 1)
    media = parse_description(text).media[0]
    assert media.protocol == "RTP/SAVP"
    assert parse_crypto(media.attribute("crypto") or "") == agreed.crypto_out


@pytest.mark.parametrize(("text", "srtp"), [(secure(), "off"), (offer(AUDIO), "required")])
def test_who_insists_on_encryption_refuses_who_has_none(text: bytes, srtp: str) -> None:
    with pytest.raises(NegotiationError):
        answer_to(text, srtp=srtp, make_key=make_key)


def test_an_offer_of_ours_with_keys_reads_the_one_that_was_chosen() -> None:
    ours = [make_key("AEAD_AES_128_GCM", 1), make_key("AES_CM_128_HMAC_SHA1_80", 2)]
    made = parse_description(
        make_offer("192.0.2.1", 5000, [PCMA], session_id=1, version=1, cryptos=ours, layout=SECURE)
    )
    assert made.media[0].protocol == "RTP/SAVP"
    chosen = Crypto("AES_CM_128_HMAC_SHA1_80", b"x" * 30, 2)
    for layout, protocol in ((SECURE, "RTP/SAVP"), (ALONE, "RTP/SAVP"), (ALONE, "RTP/AVP")):
        answer = offer(f"m=audio 4000 {protocol} 8", f"a=crypto:{chosen}")
        agreed = take_answer(answer, [PCMA], cryptos=ours, layout=layout)
        assert (agreed.crypto_in, agreed.crypto_out) == (chosen, ours[1])
    plain = offer("m=audio 4000 RTP/AVP 8")
    with pytest.raises(NegotiationError):
        take_answer(plain, [PCMA], cryptos=ours, layout=SECURE)
    left = take_answer(plain, [PCMA], cryptos=ours)
    assert left.crypto_in is left.crypto_out is None
    with pytest.raises(NegotiationError):  # a key that none of ours goes with
        take_answer(offer("m=audio 4000 RTP/SAVP 8", f"a=crypto:{KEY}"), [PCMA], cryptos=ours[:1])


class Deaf:
    def on_digit(self, digit: str, duration_ms: int) -> None: ...
    def on_media(self, state: object) -> None: ...
    def on_done(self, token: int, outcome: str) -> None: ...


def side_of(srtp: str, *, hidden: bool = False) -> MediaSide:
    port = VirtualMedia().open(Deaf(), "192.0.2.1")
    return MediaSide(port, "192.0.2.1", ["pcma"], 7, MediaWishes(srtp), peer="198.51.100.7", hidden=hidden)


@pytest.mark.parametrize(
    ("srtp", "hidden", "protocol", "keys"),
    [
        ("off", True, "RTP/AVP", 0),
        ("optional", False, "RTP/AVP", 0),  # over UDP anybody on the way would read them
        ("optional", True, "RTP/AVP", 3),
        ("required", False, "RTP/SAVP", 3),
    ],
)
def test_keys_are_offered_by_wish_and_by_way(srtp: str, hidden: bool, protocol: str, keys: int) -> None:
    audio = parse_description(side_of(srtp, hidden=hidden).offer()).media[0]
    assert (audio.protocol, len(audio.all("crypto"))) == (protocol, keys)


@pytest.mark.parametrize("hidden", [False, True])
def test_who_refuses_to_choose_is_offered_nothing_but_keys_once(hidden: bool) -> None:
    side = side_of("optional", hidden=hidden)
    first = parse_description(side.offer())
    again = side.insist()
    assert again is not None
    made = parse_description(again)
    assert (made.media[0].protocol, len(made.media[0].all("crypto"))) == ("RTP/SAVP", 3)
    assert made.version == first.version + 1
    assert side.insist() is None
    with pytest.raises(NegotiationError):
        side.take(offer("m=audio 4000 RTP/AVP 8"))
    assert side_of("off").insist() is side_of("required").insist() is None


def test_a_session_stays_as_encrypted_as_it_was_agreed() -> None:
    """A hold of ours offers keys where there are some, under the protocol of the session, and none where none are."""
    side = side_of("optional", hidden=True)
    ours = parse_crypto(parse_description(side.offer()).media[0].all("crypto")[1])
    side.take(offer("m=audio 4000 RTP/AVP 8", f"a=crypto:{Crypto('AES_CM_128_HMAC_SHA1_80', b'x' * 30, 2)}"))
    side.holding = True
    audio = parse_description(side.offer()).media[0]
    assert audio.protocol == "RTP/AVP"
    assert ours in [parse_crypto(value) for value in audio.all("crypto")]
    plain = side_of("optional", hidden=True)
    plain.offer()
    plain.take(offer("m=audio 4000 RTP/AVP 8"))
    plain.holding = True
    assert parse_description(plain.offer()).media[0].all("crypto") == []


WIDE = "m=audio 4000 RTP/AVP 107 8 {}\r\na=rtpmap:107 opus/48000/2\r\n"


def test_digits_beside_opus_have_its_clock_where_the_peer_knows_no_other() -> None:
    for events, ours, clock, said in (
        ("a=rtpmap:110 telephone-event/48000", [OPUS, PCMA], 48000, "110 telephone-event/48000"),
        ("a=rtpmap:110 telephone-event/48000", [PCMA], 48000, "110 telephone-event/48000"),
        ("a=rtpmap:101 telephone-event/8000\r\na=rtpmap:110 telephone-event/48000", [OPUS], 48000,
         "110 telephone-event/48000"),
        ("a=rtpmap:101 telephone-event/8000\r\na=rtpmap:110 telephone-event/48000", [PCMA], 8000,
         "101 telephone-event/8000"),
        ("a=rtpmap:101 telephone-event/8000", [OPUS], 8000, "101 telephone-event/8000"),
    ):  # fmt: skip
        text = offer(WIDE.format("101 110") + events)
        written, agreed = make_answer(text, "192.0.2.1", 5000, ours, session_id=1, version=1)
        assert agreed.events_pt is not None
        assert agreed.events_clock_hz == clock
        assert said in parse_description(written).media[0].all("rtpmap")


def test_an_offer_with_opus_offers_digits_on_both_clocks() -> None:
    made = parse_description(make_offer("192.0.2.1", 5000, [OPUS, PCMA], session_id=1, version=1)).media[0]
    assert {"101 telephone-event/8000", "102 telephone-event/48000"} <= set(made.all("rtpmap"))
    answer = offer("m=audio 4000 RTP/AVP 107 102", "a=rtpmap:107 opus/48000/2", "a=rtpmap:102 telephone-event/48000")
    agreed = take_answer(answer, [OPUS, PCMA])
    assert (agreed.events_pt, agreed.events_clock_hz) == (102, 48000)
    narrow = make_offer("192.0.2.1", 5000, [PCMA], session_id=1, version=1)
    assert b"48000" not in narrow


@pytest.mark.parametrize("name", ["phone.example.com", "phone", "phone-7.local.", "3com.lan"])
def test_sound_for_a_host_name_goes_where_its_signalling_comes_from(name: str) -> None:
    text = offer(AUDIO, "a=rtcp-mux", address=name)
    _, agreed = answer_to(text, peer="198.51.100.7")
    assert (agreed.remote, agreed.rtcp) == (("198.51.100.7", 4000), ("198.51.100.7", 4000))
    assert take_answer(text, [PCMA], peer="198.51.100.7").remote == ("198.51.100.7", 4000)
    assert take_answer(offer(AUDIO, f"c=IN IP4 {name}"), [PCMA], peer="198.51.100.7").rtcp == ("198.51.100.7", 4001)


@pytest.mark.parametrize("name", ["999.1.2.3", "1.2.3", "-", "a..b", "ä.example", "x" * 300])
def test_what_is_neither_address_nor_name_is_refused(name: str) -> None:
    with pytest.raises(NegotiationError):
        answer_to(offer(AUDIO, address=name), peer="198.51.100.7")


@pytest.mark.parametrize(
    "value",
    ["1 UNKNOWN inline:AAAA", "x AES_CM_128_HMAC_SHA1_80 inline:AAAA", "1 AES_CM_128_HMAC_SHA1_80 inline:short",
     f"{KEY}|2^20|1:4", f"{KEY} UNENCRYPTED_SRTP", "1 AES_CM_128_HMAC_SHA1_80"],
)  # fmt: skip
def test_keys_that_we_cannot_use_are_passed_over(value: str) -> None:
    assert parse_crypto(value) is None


def test_a_key_is_never_shown() -> None:
    assert "key" not in repr(KEY)


@given(st.sampled_from(sorted(KEY_BYTES)), st.integers(1, 999), st.data())
def test_a_key_survives_writing_and_parsing(suite: str, tag: int, data: st.DataObject) -> None:
    size = KEY_BYTES[suite]
    made = Crypto(suite, data.draw(st.binary(min_size=size, max_size=size)), tag)
    assert parse_crypto(str(made)) == made


@given(st.binary(max_size=200))
def test_noise_is_answered_or_refused_and_nothing_else(noise: bytes) -> None:
    with contextlib.suppress(NegotiationError):
        answer_to(b"v=0\r\n" + noise)


@given(st.permutations([PCMA, PCMU, G722]), st.permutations([PCMA, PCMU, G722]), st.integers(1, 3))
def test_both_sides_agree_on_one_codec(theirs: list, ours: list, count: int) -> None:  # type: ignore[type-arg]
    asked = make_offer("192.0.2.1", 5000, theirs[:count], session_id=1, version=1)
    text, here = make_answer(asked, "192.0.2.2", 6000, ours, session_id=2, version=1)
    there = take_answer(text, theirs[:count])
    assert here.codec.name == there.codec.name
    assert here.remote == ("192.0.2.1", 5000)
    assert there.remote == ("192.0.2.2", 6000)
