"""Numbers as people and carriers in China write them, and as trunks want them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.dialplan.number import Wanted, emergency_numbers, national, normalise, number_class, outward

# What is dialled or delivered in Shanghai (021): the normalised form, its class, and the form for "national" trunks.
SHANGHAI = [
    ("61234567", "+862161234567", "local", "02161234567"),
    ("6123 4567", "+862161234567", "local", "02161234567"),
    ("6123-4567", "+862161234567", "local", "02161234567"),
    ("02161234567", "+862161234567", "local", "02161234567"),
    ("(021)61234567", "+862161234567", "local", "02161234567"),
    ("021-6123-4567", "+862161234567", "local", "02161234567"),
    ("862161234567", "+862161234567", "local", "02161234567"),
    ("00862161234567", "+862161234567", "local", "02161234567"),
    ("+862161234567", "+862161234567", "local", "02161234567"),
    ("+86 21 6123 4567", "+862161234567", "local", "02161234567"),
    ("+86 (0)21 61234567", "+862161234567", "local", "02161234567"),
    ("+8602161234567", "+862161234567", "local", "02161234567"),
    ("008602161234567", "+862161234567", "local", "02161234567"),
    ("86216123", "+862186216123", "local", "02186216123"),  # eight digits are local, 86 or not
    ("88886666", "+862188886666", "local", "02188886666"),
    ("02188886666", "+862188886666", "local", "02188886666"),
    ("33445566", "+862133445566", "local", "02133445566"),
    ("01012345678", "+861012345678", "national", "01012345678"),
    ("010-6552-9988", "+861065529988", "national", "01065529988"),
    ("+861065529988", "+861065529988", "national", "01065529988"),
    ("008610 65529988", "+861065529988", "national", "01065529988"),
    ("075583765566", "+8675583765566", "national", "075583765566"),
    ("0755-83765566", "+8675583765566", "national", "075583765566"),
    ("08912345678", "+868912345678", "national", "08912345678"),  # 0891, seven digits
    ("05721234567", "+865721234567", "national", "05721234567"),
    ("8675583765566", "+8675583765566", "national", "075583765566"),
    ("13912345678", "+8613912345678", "mobile", "13912345678"),
    ("139 1234 5678", "+8613912345678", "mobile", "13912345678"),
    ("139-1234-5678", "+8613912345678", "mobile", "13912345678"),
    ("013912345678", "+8613912345678", "mobile", "13912345678"),
    ("8613912345678", "+8613912345678", "mobile", "13912345678"),
    ("008613912345678", "+8613912345678", "mobile", "13912345678"),
    ("+8613912345678", "+8613912345678", "mobile", "13912345678"),
    ("+86013912345678", "+8613912345678", "mobile", "13912345678"),
    ("19912345678", "+8619912345678", "mobile", "19912345678"),
    ("16612345678", "+8616612345678", "mobile", "16612345678"),
    ("14712345678", "+8614712345678", "mobile", "14712345678"),
    ("4001234567", "4001234567", "service", "4001234567"),
    ("400-123-4567", "4001234567", "service", "4001234567"),
    ("+864001234567", "4001234567", "service", "4001234567"),
    ("864001234567", "4001234567", "service", "4001234567"),
    ("00864001234567", "4001234567", "service", "4001234567"),
    ("8001234567", "8001234567", "service", "8001234567"),
    ("95588", "95588", "service", "95588"),
    ("+8695588", "95588", "service", "95588"),
    ("95105105", "95105105", "service", "95105105"),
    ("955559", "955559", "service", "955559"),
    ("96110", "96110", "service", "96110"),
    ("962222", "962222", "service", "962222"),
    ("10086", "10086", "service", "10086"),
    ("10010", "10010", "service", "10010"),
    ("+8610086", "10086", "service", "10086"),
    ("12306", "12306", "service", "12306"),
    ("12345", "12345", "service", "12345"),
    ("02112345", "+862112345", "local", "02112345"),
    ("07552580", "07552580", "international", "07552580"),  # no number: only the widest right lets it out
    ("01095588", "+861095588", "national", "01095588"),
    ("110", "110", "service", "110"),
    ("119", "119", "service", "119"),
    ("120", "120", "service", "120"),
    ("122", "122", "service", "122"),
    ("114", "114", "service", "114"),
    ("0085223456789", "+85223456789", "international", "0085223456789"),
    ("+85223456789", "+85223456789", "international", "0085223456789"),
    ("0012125550100", "+12125550100", "international", "0012125550100"),
    ("+1 (212) 555-0100", "+12125550100", "international", "0012125550100"),
    ("+442079460000", "+442079460000", "international", "00442079460000"),
    ("1001", "1001", "service", "1001"),  # an extension: its class counts only where a route leaves the house
    ("6000", "6000", "service", "6000"),
    ("*97", "*97", "international", "*97"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "normal", "right", "as_national"), SHANGHAI)
def test_a_number_as_people_write_it(written: str, normal: str, right: str, as_national: str) -> None:
    number = normalise(written, "CN", "021")
    assert number == normal
    assert normalise(number, "CN", "021") == number  # normalising twice changes nothing
    assert number_class(normal, "CN", "021") == right
    assert national(normal, "CN") == as_national
    assert normalise(as_national, "CN", "021") == normal  # and the way back


def test_the_corpus_is_large_enough() -> None:
    assert len({written for written, *_ in SHANGHAI}) >= 60


CARRIER = Wanted("CN", "021", "national", ("+862161234567", "02161230000"), "+862161234567")
BACKUP = Wanted("CN", "021", "e164", ("+862161230000",), "+862161230000")


@pytest.mark.parametrize(
    ("number", "caller", "trunk", "expected"),
    [
        ("+8613912345678", "1001", CARRIER, ("13912345678", "02161234567")),
        ("+8613912345678", "1001", BACKUP, ("+8613912345678", "+862161230000")),
        ("02188886666", "+862161234567", CARRIER, ("02188886666", "02161234567")),
        ("+8675583765566", "02161230000", CARRIER, ("075583765566", "02161230000")),
        ("+85223456789", "1001", CARRIER, ("0085223456789", "02161234567")),
        ("10086", "1001", CARRIER, ("10086", "02161234567")),
        ("4001234567", "1001", BACKUP, ("4001234567", "+862161230000")),
        ("+8613912345678", "4001234567", CARRIER, ("13912345678", "02161234567")),  # a 400 number only receives
        ("service", "sipp", Wanted(), ("service", "sipp")),
        ("13912345678", "1001", Wanted("CN", "021"), ("+8613912345678", "1001")),
    ],
)
def test_a_trunk_gets_numbers_as_it_wants_them(
    number: str, caller: str, trunk: Wanted, expected: tuple[str, str]
) -> None:
    assert outward(number, caller, trunk) == expected
    assert outward(*expected, trunk) == expected  # done twice, nothing changes


def test_other_countries_and_other_texts_stay() -> None:
    assert normalise("02161234567", "", "021") == "02161234567"
    assert normalise("alice", "CN", "021") == "alice"
    assert normalise("61234567", "CN", "") == "61234567"
    assert number_class("+49301234567", "") == "international"
    assert number_class("0301234567", "") == "national"


def test_emergency_numbers_are_the_countrys_and_more() -> None:
    assert emergency_numbers("CN") == {"110", "119", "120", "122"}
    assert emergency_numbers("CN", ["999"]) >= {"999", "110"}
    assert emergency_numbers("") == frozenset()


@given(st.text("0123456789+-() ", max_size=22))
def test_normalising_is_stable(text: str) -> None:
    once = normalise(text, "CN", "021")
    assert normalise(once, "CN", "021") == once
    if once.startswith("+86") and len(once) > 10:
        assert normalise(national(once, "CN"), "CN", "021") == once or number_class(once, "CN") == "national"
