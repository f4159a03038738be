"""Numbers, money, dates and times as people say them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.call.spoken import english, mandarin, spoken

HAN = {
    "bai": "百",
    "qian": "千",
    "wan": "万",
    "yi": "亿",
    "liang": "两",
    "point": "点",
    "minus": "负",
    "dian": "点",
    "fen-clock": "分",
    "zheng": "整",
    "nian": "年",
    "yue": "月",
    "ri": "日",
    "ordinal": "第",
    "unit-person": "位",
    "unit-yuan": "元",
    "unit-jiao": "角",
    "unit-fen": "分",
    "unit-dollar": "美元",
    "unit-cent": "美分",
    "unit-hour": "小时",
    "unit-minute": "分钟",
    "unit-second": "秒",
    "morning": "上午",
    "noon": "中午",
    "afternoon": "下午",
    "evening": "晚上",
    "early-morning": "凌晨",
    "unit-item": "个",
    "star": "星",
    "hash": "井",
    "plus": "加",
}
DIGITS = "零一二三四五六七八九"
WEEKDAYS = "一二三四五六日"


def han(names: list[str]) -> str:
    """Write prompts as the text that they speak."""
    text = ""
    for name in names:
        kind, _, rest = name.partition("-")
        if kind == "n" and rest.isdigit():
            tens, ones = divmod(int(rest), 10)
            text += (
                (DIGITS[tens] if tens > 1 else "") + ("十" if tens else "") + (DIGITS[ones] if ones or not tens else "")
            )
        elif kind == "d":
            text += "幺" if rest == "1" else DIGITS[int(rest)]
        elif kind == "weekday":
            text += "星期" + WEEKDAYS[int(rest) - 1]
        else:
            text += HAN[name]
    return text


@pytest.mark.parametrize(
    ("value", "kind", "unit", "text"),
    [
        ("0", "number", "", "零"),
        ("2", "number", "", "二"),
        ("10", "number", "", "十"),
        ("12", "number", "", "十二"),
        ("20", "number", "", "二十"),
        ("22", "number", "", "二十二"),
        ("100", "number", "", "一百"),
        ("105", "number", "", "一百零五"),
        ("110", "number", "", "一百一十"),
        ("112", "number", "", "一百一十二"),
        ("200", "number", "", "两百"),
        ("222", "number", "", "两百二十二"),
        ("1005", "number", "", "一千零五"),
        ("1010", "number", "", "一千零一十"),
        ("1050", "number", "", "一千零五十"),
        ("1200", "number", "", "一千二百"),
        ("2000", "number", "", "两千"),
        ("2002", "number", "", "两千零二"),
        ("2200", "number", "", "两千二百"),
        ("10000", "number", "", "一万"),
        ("10005", "number", "", "一万零五"),
        ("10500", "number", "", "一万零五百"),
        ("12000", "number", "", "一万二千"),
        ("20000", "number", "", "两万"),
        ("22000", "number", "", "两万二千"),
        ("100010", "number", "", "十万零一十"),
        ("120000", "number", "", "十二万"),
        ("1100000", "number", "", "一百一十万"),
        ("2000000", "number", "", "两百万"),
        ("10010000", "number", "", "一千零一万"),
        ("200000000", "number", "", "两亿"),
        ("100000001", "number", "", "一亿零一"),
        ("105000000", "number", "", "一亿零五百万"),
        ("100050005", "number", "", "一亿零五万零五"),
        ("-3.14", "number", "", "负三点一四"),
        ("2", "number", "item", "两个"),
        ("12", "number", "item", "十二个"),
        ("22", "number", "item", "二十二个"),
        ("13800138000", "digits", "", "幺三八零零幺三八零零零"),
        ("2026-11-23", "date", "", "二零二六年十一月二十三日星期一"),
        ("2027-02-02", "date", "", "二零二七年二月二日星期二"),
        ("09:30", "time", "", "上午九点三十分"),
        ("14:02", "time", "", "下午两点零二分"),
        ("12:00", "time", "", "中午十二点整"),
        ("00:05", "time", "", "凌晨零点零五分"),
        ("20:10", "time", "", "晚上八点十分"),
        ("2", "money", "", "两元"),
        ("12.50", "money", "", "十二元五角"),
        ("1.05", "money", "", "一元零五分"),
        ("105.25", "money", "", "一百零五元两角五分"),
        ("0.2", "money", "yuan", "两角"),
        ("0", "money", "", "零元"),
        ("2.50", "money", "usd", "两美元五十美分"),
        ("120", "duration", "", "两分钟"),
        ("3725", "duration", "", "一小时两分钟五秒"),
        ("2:00:00", "duration", "", "两小时"),
        ("0", "duration", "", "零秒"),
        ("2", "position", "", "第二位"),
        ("12", "position", "", "第十二位"),
    ],
)
def test_mandarin(value: str, kind: str, unit: str, text: str) -> None:
    assert han(spoken(value, kind, unit, "zh-CN")) == text


@pytest.mark.parametrize(
    ("value", "kind", "unit", "text"),
    [
        ("0", "number", "", "n-0"),
        ("21", "number", "", "n-21"),
        ("100", "number", "", "n-1 hundred"),
        ("105", "number", "", "n-1 hundred and n-5"),
        ("1005", "number", "", "n-1 thousand and n-5"),
        ("1200", "number", "", "n-1 thousand n-2 hundred"),
        ("1000000", "number", "", "n-1 million"),
        ("2345678", "number", "", "n-2 million n-3 hundred and n-45 thousand n-6 hundred and n-78"),
        ("-0.5", "number", "", "minus n-0 point n-5"),
        ("1", "number", "minute", "n-1 unit-minute"),
        ("2", "number", "minute", "n-2 unit-minutes"),
        ("1", "position", "", "o-1"),
        ("32", "position", "", "number-word n-32"),
        ("10*", "digits", "", "d-1 d-0 star"),
        ("2026-11-23", "date", "", "weekday-1 month-11 o-23 n-20 n-26"),
        ("2005-01-01", "date", "", "weekday-6 month-1 o-1 n-2 thousand and n-5"),
        ("1905-01-01", "date", "", "weekday-7 month-1 o-1 n-19 oh n-5"),
        ("1900-01-01", "date", "", "weekday-1 month-1 o-1 n-19 hundred"),
        ("00:00", "time", "", "n-12 o-clock am"),
        ("09:05", "time", "", "n-9 oh n-5 am"),
        ("17:30", "time", "", "n-5 n-30 pm"),
        ("90", "duration", "", "n-1 unit-minute n-30 unit-seconds"),
        ("1.01", "money", "usd", "n-1 unit-dollar and n-1 unit-cent"),
        ("12.50", "money", "usd", "n-12 unit-dollars and n-50 unit-cents"),
        ("0", "money", "", "n-0 unit-yuan"),
        ("welcome", "text", "", "welcome"),
    ],
)
def test_english(value: str, kind: str, unit: str, text: str) -> None:
    assert " ".join(spoken(value, kind, unit, "en")) == text


@pytest.mark.parametrize(
    ("value", "kind"),
    [("x", "number"), ("", "money"), ("25:99", "time"), ("2026-13-01", "date"), ("0", "position"), ("1.5", "position"),
     ("1e30", "number"), ("NaN", "number"), ("a:b", "duration"), ("1", "song")],
)  # fmt: skip
def test_what_cannot_be_said_is_refused(value: str, kind: str) -> None:
    with pytest.raises(ValueError):
        spoken(value, kind, "", "en")


SCALES = {
    "bai": 100,
    "qian": 1000,
    "wan": 10**4,
    "yi": 10**8,
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
}


def counted_back(names: list[str]) -> int:
    """Understand a spoken number again, as a listener would."""
    total, section, ones = 0, 0, 0
    for name in names:
        if name == "and":
            continue
        if name in SCALES:
            scale = SCALES[name]
            if name in ("wan", "yi", "thousand", "million", "billion"):
                lifted = (section + ones) * scale
                total = (total + section + ones) * scale if name == "yi" else total + lifted
                section = ones = 0
            else:
                section += ones * scale
                ones = 0
        elif name == "liang":
            ones = 2
        else:
            ones = int(name[2:])  # 一十 is ten: the ten stands for itself
    return total + section + ones


@given(st.integers(0, 10**8 * 9999))
def test_a_listener_understands_any_number_in_mandarin(value: int) -> None:
    names = mandarin.number(value)
    assert counted_back(names) == value
    assert all(not (a == "n-0" and b == "n-0") for a, b in itertools.pairwise(names))


@given(st.integers(0, 10**12 - 1))
def test_a_listener_understands_any_number_in_english(value: int) -> None:
    assert counted_back(english.number(value)) == value
