"""Who may come in, and that those who may not learn nothing."""

from __future__ import annotations

import logging
import statistics
import time

from pbx.signaling.gate import Account, AccountGate, parse_match
from pbx.sip.digest import Nonces, Secret, answer_challenge
from pbx.sip.message import Flow, Request, Response
from pbx.sip.stack import Admitted, Ids

FLOW = Flow("udp", ("192.0.2.1", 5060), ("192.0.2.9", 5060))
TRUNK = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.7", 5070))


class Door:
    """A gate, its clock, and what it noted."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.noted: list[tuple[str, str, str]] = []
        self.gate = AccountGate(
            "pbx.example", Nonces(b"k" * 32), Ids(1), lambda: self.wall, lambda *what: self.noted.append(what)
        )
        accounts = {
            "1001": Account("1001", Secret("right"), ("md5",)),
            "1002": Account("1002", None, ("md5",)),  # disabled
        }
        self.gate.configure(
            accounts, [parse_match("carrier", "198.51.100.7:5070"), parse_match("net", "198.51.100.0/24")], {}, ["md5"]
        )

    def knock(
        self, user: str, password: str = "", *, method: str = "REGISTER", flow: Flow = FLOW, account: str = ""
    ) -> object:
        """Ask; answer the challenge where a password is given, as *account* where that is not who it is from."""
        verdict = self.gate.judge(request(user, method), flow, 0.0)
        if not password or not isinstance(verdict, Response):
            return verdict
        (challenge,) = verdict.headers["WWW-Authenticate"]
        again = request(user, method)
        value = answer_challenge(
            challenge, username=account or user, password=password, method=method, uri=again.uri_text, cnonce="c"
        )
        assert value is not None
        again.headers["Authorization"] = [value]
        return self.gate.judge(again, flow, 0.0)


def request(user: str, method: str = "REGISTER") -> Request:
    made = Request(method, "sip:pbx.example" if method == "REGISTER" else "sip:1003@pbx.example")
    made.headers = {
        "Via": ["SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx;rport"],
        "From": [f"<sip:{user}@pbx.example>;tag=1"],
        "To": [f"<sip:{user}@pbx.example>"],
        "Call-ID": ["x"],
        "CSeq": [f"1 {method}"],
    }
    return made


def test_the_right_password_comes_in() -> None:
    assert Door().knock("1001", "right") == Admitted("endpoint/1001")


def test_wrong_unknown_and_disabled_look_the_same() -> None:
    door = Door()
    shapes = []
    for user, password in (("1001", "wrong"), ("9999", "wrong"), ("1002", "right")):
        verdict = door.knock(user, password)
        assert isinstance(verdict, Response)
        names = list(verdict.headers)
        shapes.append((verdict.status, verdict.reason, names, len(verdict.to_bytes())))
    assert len(set(map(str, shapes))) == 1
    assert [account for _, account, _ in door.noted] == ["1001", "9999", "1002"]


def test_wrong_unknown_and_disabled_take_the_same_time() -> None:
    """Medians of 2,000 tries each, taken in turns so that a slow moment meets all of them."""
    door = Door()
    logging.getLogger("pbx.auth").setLevel(logging.CRITICAL)
    users = ("1001", "9999", "1002")
    taken: dict[str, list[float]] = {user: [] for user in users}
    tries = {user: _answered(door, user) for user in users}
    try:
        for turn in range(2000):
            for user in users:
                began = time.perf_counter()
                door.gate.judge(tries[user], FLOW, 1000.0 * turn)  # nobody has to wait any more
                taken[user].append(time.perf_counter() - began)
    finally:
        logging.getLogger("pbx.auth").setLevel(logging.NOTSET)
    medians = [statistics.median(times) for times in taken.values()]
    assert max(medians) - min(medians) < 50e-6


def _answered(door: Door, user: str) -> Request:
    """Answer a challenge with a wrong password."""
    challenged = door.knock(user)
    assert isinstance(challenged, Response)
    made = request(user)
    made.headers["Authorization"] = [
        answer_challenge(
            challenged.headers["WWW-Authenticate"][0],
            username=user,
            password="wrong",
            method="REGISTER",
            uri=made.uri_text,
            cnonce="c",
        )
        or ""
    ]
    return made


def test_an_old_nonce_is_stale_only_for_who_knows_the_password() -> None:
    door = Door()
    verdict = door.knock("1001")
    assert isinstance(verdict, Response)
    (challenge,) = verdict.headers["WWW-Authenticate"]
    for password, stale in (("right", True), ("wrong", False)):
        again = request("1001")
        value = answer_challenge(
            challenge, username="1001", password=password, method="REGISTER", uri=again.uri_text, cnonce="c"
        )
        assert value is not None
        again.headers["Authorization"] = [value]
        door.wall += 301
        answer = door.gate.judge(again, FLOW, 0.0)
        door.wall -= 301
        assert isinstance(answer, Response)
        assert ("stale=true" in answer.headers["WWW-Authenticate"][0]) is stale


def test_a_trunk_is_known_by_the_closest_match() -> None:
    door = Door()
    other = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.7", 5071))
    assert door.knock("anybody", method="INVITE", flow=TRUNK) == Admitted("trunk/carrier")
    assert door.knock("anybody", method="INVITE", flow=other) == Admitted("trunk/net")


def test_a_from_that_names_an_endpoint_proves_itself_even_from_a_trunks_address() -> None:
    assert isinstance(Door().knock("1001", method="INVITE", flow=TRUNK), Response)


def test_register_is_never_known_by_address() -> None:
    assert isinstance(Door().knock("anybody", method="REGISTER", flow=TRUNK), Response)


def test_a_challenge_is_at_most_twice_the_request() -> None:
    verdict = Door().knock("1001", method="INVITE")
    assert isinstance(verdict, Response)
    assert len(verdict.to_bytes()) <= 2 * len(request("1001", "INVITE").to_bytes())


def test_who_asks_what_the_server_can_is_told_within_twice_the_request() -> None:
    probe = request("nobody", "OPTIONS")
    probe = Request("OPTIONS", "sip:pbx.example", probe.headers)
    told = Door().gate.judge(probe, FLOW, 0.0)
    assert isinstance(told, Response)
    assert told.status == 200
    assert "INVITE" in told.headers["Allow"][0]
    assert len(told.to_bytes()) <= 2 * len(probe.to_bytes())
    probe.headers = {
        **probe.headers,
        "Via": ["SIP/2.0/UDP a;branch=z9hG4bKx"],
        "From": ["<sip:a>;tag=1"],
        "To": ["<sip:a>"],
    }
    told = Door().gate.judge(probe, FLOW, 0.0)
    assert isinstance(told, Response)
    assert len(told.to_bytes()) <= 2 * len(probe.to_bytes())


def test_credentials_of_another_account_do_not_help() -> None:
    door = Door()
    verdict = door.knock("1002")
    assert isinstance(verdict, Response)
    (challenge,) = verdict.headers["WWW-Authenticate"]
    again = request("1002")
    value = answer_challenge(
        challenge, username="1001", password="right", method="REGISTER", uri=again.uri_text, cnonce="c"
    )
    assert value is not None
    again.headers["Authorization"] = [value]
    assert isinstance(door.gate.judge(again, FLOW, 0.0), Response)


def test_a_phone_that_hides_its_number_proves_itself_by_its_account() -> None:
    door = Door()
    assert door.knock("anonymous", "right", method="INVITE", account="1001") == Admitted("endpoint/1001")
    for account, password in (("1001", "wrong"), ("1002", "right"), ("9999", "right")):
        assert isinstance(door.knock("anonymous", password, method="INVITE", account=account), Response)
    assert isinstance(door.knock("1003", "right", method="INVITE", account="1001"), Response)  # From is another's
    assert isinstance(door.knock("anonymous", "right", account="1001"), Response)
