"""The E-model against figures that are published for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.rtp.quality import mos, r_factor, rate


def test_a_clean_line_has_the_value_of_the_recommendation() -> None:
    assert r_factor(0, 0) == pytest.approx(93.2)
    assert mos(93.2) == pytest.approx(4.41, abs=0.005)


@pytest.mark.parametrize(
    ("r", "opinion"), [(90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58), (-3, 1), (101, 4.5)]
)
def test_r_becomes_an_opinion_as_in_annex_b(r: float, opinion: float) -> None:
    assert mos(r) == pytest.approx(opinion, abs=0.01)


def test_delay_hurts_beyond_177_ms_much_more() -> None:
    assert 93.2 - r_factor(0, 150) == pytest.approx(3.6)
    assert 93.2 - r_factor(0, 277.3) == pytest.approx(17.66, abs=0.01)


def test_five_of_a_hundred_packets_lost_are_heard() -> None:
    assert mos(r_factor(0.05, 40)) == pytest.approx(3.89, abs=0.1)


def test_nothing_is_said_of_a_call_without_a_second_of_sound() -> None:
    assert rate(49, 0, jitter_ms=1, round_trip_ms=None) is None
    assert rate(0, 0, jitter_ms=None, round_trip_ms=None) is None


@given(st.integers(50, 10**6), st.integers(-100, 10**6), st.floats(0, 500), st.floats(0, 5000))
def test_every_rating_is_within_its_scale_and_more_loss_never_sounds_better(
    packets: int, lost: int, jitter_ms: float, trip_ms: float
) -> None:
    rated = rate(packets, lost, jitter_ms=jitter_ms, round_trip_ms=trip_ms)
    worse = rate(packets, max(0, lost) + 10, jitter_ms=jitter_ms, round_trip_ms=trip_ms)
    assert rated is not None
    assert worse is not None
    assert 0 <= worse <= rated <= 93.2
    assert 1 <= mos(rated) <= 4.5
