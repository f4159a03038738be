"""Reading Digest headers: the quick way and the thorough way agree on everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pbx.errors import ParseError
from pbx.sip.digest import _commas, _values, parse_credentials
from pbx.sip.headers import split_params, unquote

WHOLE = (
    'Digest username="1001", realm="a.example", nonce="bm9uY2U=", uri="sip:a.example;transport=tcp", '
    'response="0123", algorithm=MD5, qop=auth, nc=00000001, cnonce="x,y"'
)


def thorough(text: str) -> dict[str, str]:
    try:
        return {name: unquote(value or "") for name, value in split_params(_commas(text))}
    except ParseError:
        return {}


def test_what_phones_send_is_read() -> None:
    found = parse_credentials(WHOLE)
    assert found is not None
    assert (found.username, found.uri, found.cnonce, found.nc) == (
        "1001",
        "sip:a.example;transport=tcp",
        "x,y",
        "00000001",
    )
    assert parse_credentials('Digest username="10\\"01", realm="a", nonce="n", uri="u", response="r"') is not None
    assert parse_credentials('Digest username="1001, realm="a"') is None
    assert parse_credentials("Basic abc") is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["username", "Realm", "nonce", "qop"]),
            st.text(alphabet='ab",;= \\', max_size=8),
            st.booleans(),
        ),
        max_size=4,
    )
)
def test_both_ways_of_reading_agree(parts: list[tuple[str, str, bool]]) -> None:
    text = ", ".join(f'{name}="{value}"' if quoted else f"{name}={value}" for name, value, quoted in parts)
    assert _values(text) == thorough(text)
