"""Configurations with one planted fault each: every one is found on the right line, with a helpful message."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pbx.config.loader import load
from pbx.config.where import Finding, Severity
from pbx.dialplan.check import check

TODAY = date(2026, 11, 23)

PBX = """\
include = ["dialplan.toml"]
language = "en"
[recordings]
retain-days = 30
[endpoint-defaults]
context = "internal"
country = "CN"
area-code = "021"
[emergency]
trunks = ["carrier"]
[endpoints."1001..1003"]
voicemail = {}
[endpoints.1009]
rights = ["internal"]
voicemail = {}
[trunks.carrier]
proxy = "sip:192.0.2.1"
context = "from-carrier"
country = "CN"
[agents.zhang]
endpoint = "1001"
queues = { support = 1 }
skills = { billing = 3 }
[queues.support]
hours = "office"
record = "always"
notice = "recording-notice"
on.closed = { play = "closed" }
on.no-agents = { voicemail = "1001" }
on.full = { hangup = "busy" }
on.timeout = { voicemail = "1001" }
[calendars.office]
timezone = "Asia/Shanghai"
open = ["Mon-Fri 09:00-18:00"]
closed = ["2027-01-01"]
override = "switch.night"
[switches.night]
allow = ["endpoint/1001"]
"""

DIALPLAN = """\
[contexts.internal]
include = ["outbound"]
[[contexts.internal.route]]
match = "10XX"
do = [{ dial = "endpoint/{number}" }, { voicemail = "{number}" }]
[[contexts.internal.route]]
match = "5000"
do = [{ menu = "main" }]
[[contexts.outbound.route]]
match = "+."
do = [{ dial = "trunk/carrier" }]
[[contexts.from-carrier.route]]
match = "+862161234567"
do = [
  { lookup = "customer", into = "customer" },
  { when = "open.office and customer.level == 'gold'", then = [{ queue = "support" }] },
  { menu = "main" },
]
[lookups.customer]
url = "http://127.0.0.1/{from}"
fields = { level = ["normal", "gold"], age = "number" }
[menus.main]
prompt = ["main-menu"]
exhausted = { voicemail = "1001" }
[menus.main.keys]
1 = { queue = "support" }
2 = { flow = "pay" }
9 = { repeat = true }
[flows.pay]
do = [{ collect = "card", secret = true }, { say = "{card}", as = "digits" }]
"""


def findings(tmp_path: Path, pbx: str = PBX, dialplan: str = DIALPLAN) -> list[Finding]:
    (tmp_path / "pbx.toml").write_text(pbx, encoding="utf-8")
    (tmp_path / "dialplan.toml").write_text(dialplan, encoding="utf-8")
    loaded = load(tmp_path)
    found = list(loaded.findings)
    if loaded.config is not None:
        found += check(loaded.config, tmp_path, today=TODAY)
    return [
        finding for finding in found if finding.severity is not Severity.NOTE and "not built yet" not in finding.what
    ]


def test_the_sound_configuration_has_no_finding(tmp_path: Path) -> None:
    assert [str(finding) for finding in findings(tmp_path)] == []


# what to replace, with what, a text on the line that must be named, words of the message, words of the cure
FAULTS = [
    ('match = "10XX"', 'match = "10[X"', 'match = "10[X"', "has no ]", ""),
    ('match = "10XX"', 'match = "1.X"', 'match = "1.X"', ". may stand at the end only", ""),
    ('match = "5000"', 'match = "10XX"', '"10XX"\ndo = [{ menu', "is never reached", "drop one of them"),
    ('match = "5000"', 'match-re = "5(000"', "5(000", "no regular expression", ""),
    ('match = "+."', 'match = "10X5"', '"10X5"', "is never reached", "make the other more specific"),
    ('match = "5000"', 'right = "locall"\nmatch = "5000"', 'right = "locall"', 'no right "locall"',
     "there are internal"),
    ('include = ["outbound"]', 'include = ["outbond"]', '"outbond"', 'no context "outbond"', 'did you mean "outbound"'),
    ('include = ["outbound"]', "", "[[contexts.outbound", "nothing leads to context outbound", "include it"),
    ('context = "from-carrier"', 'context = "from-carier"', "from-carier", 'trunk carrier: "from-carier"',
     "did you mean"),
    ('{ menu = "main" }]', '{ menu = "mian" }]', '"mian"', 'no menu "mian"', 'did you mean "main"'),
    ('2 = { flow = "pay" }', '2 = { flow = "pey" }', '"pey"', 'no flow "pey"', 'did you mean "pay"'),
    ('1 = { queue = "support" }', '1 = { queue = "suport" }', '"suport"', 'no queue "suport"', 'mean "support"'),
    ('prompt = ["main-menu"]', 'prompt = ["main-manu"]', "main-manu", 'no prompt "main-manu"', 'mean "main-menu"'),
    ('prompt = ["main-menu"]', 'prompt = ["zzz"]', "zzz", 'no prompt "zzz"', "pbx prompts import"),
    ('lookup = "customer"', 'lookup = "custommer"', "custommer", 'no lookup "custommer"', 'mean "customer"'),
    ('exhausted = { voicemail = "1001" }', 'exhausted = { voicemail = "1005" }', '"1005"', 'no mailbox "1005"', ""),
    ('dial = "trunk/carrier"', 'dial = "trunk/carier"', "carier", 'no trunk "carier"', 'mean "carrier"'),
    ('dial = "trunk/carrier"', 'dial = "1001"', 'dial = "1001"', "nothing to dial", "write endpoint/1001"),
    ('dial = "endpoint/{number}"', 'dial = "endpoint/{numbr}"', "numbr", 'no variable "numbr"', 'mean "number"'),
    ('say = "{card}"', 'say = "{card[0]}"', "card[0]", "is no value", ""),
    ('{ collect = "card", secret = true }, ', '{ when = "from == \'1\'", then = { collect = "card" } }, ', "{card}",
     "may be unset", "set it on every way"),
    ("customer.level == 'gold'", "customer.level == 'glod'", "'glod'", "is none of normal, gold", ""),
    ("customer.level == 'gold'", "customer.age == 'gold'", "customer.age", "compares a number with a text", ""),
    ("customer.level == 'gold'", "customer.levle == 'gold'", "levle", 'no variable "customer.levle"', "customer.level"),
    ("customer.level == 'gold'", "customer.level = 'gold'", "level = 'gold'", "write ==", ""),
    ("open.office and", "open.ofice and", "open.ofice", 'no variable "open.ofice"', 'mean "open.office"'),
    ("Mon-Fri 09:00-18:00", "Mon-Fry 09:00-18:00", "Mon-Fry", "days are Mon", ""),
    ("Mon-Fri 09:00-18:00", "Mon-Fri 9-18", "Mon-Fri 9-18", "no line of hours", ""),
    ('"Asia/Shanghai"', '"Asia/Shanghay"', "Shanghay", "no time zone", ""),
    ('closed = ["2027-01-01"]', 'closed = ["2026-01-01"]', "[calendars.office]", "no date ahead", "add them"),
    ('override = "switch.night"', 'override = "switch.nite"', "switch.nite", 'no switch "nite"', 'mean "night"'),
    ('hours = "office"', 'hours = "ofice"', '"ofice"', 'no calendar "ofice"', 'mean "office"'),
    ('on.timeout = { voicemail = "1001" }\n', "", '1 = { queue = "support" }', "no way on for timeout", "timeout ="),
    ('exhausted = { voicemail = "1001" }', 'exhausted = { menu = "main" }', "exhausted", "goes round for ever", "end"),
    ('exhausted = { voicemail = "1001" }', 'exhausted = { goto = "internal", number = "5000" }', "goto",
     "for ever", ""),
    ('do = [{ collect = "card"', 'do = [{ flow = "pay" }, { collect = "card"', '{ flow = "pay" }, {', "for ever", ""),
    ("9 = { repeat = true }", "9 = { again = true }", "9 = {", "outside of an attempt", "attempt = 3"),
    ('exhausted = { voicemail = "1001" }', "exhausted = { repeat = true }", "exhausted",
     "outside of a menu's keys", ""),
    ('2 = { flow = "pay" }', '2 = [{ hangup = "busy" }, { flow = "pay" }]', "2 = [", "never reached", "drop it"),
    ("[flows.pay]", '[flows.pay]\nrequires = "verified"', '{ flow = "pay" }', 'requires "verified"', "verified = true"),
    ("[flows.pay]", '[flows.other]\ndo = [{ hangup = "busy" }]\n[flows.pay]', "[flows.other]",
     "nothing leads to flow", ""),
    ('[emergency]\ntrunks = ["carrier"]\n', "", 'country = "CN"\narea', "cannot call for help", "[emergency]"),
    ('trunks = ["carrier"]', 'trunks = ["carier"]', '"carier"', 'no trunk "carier"', 'mean "carrier"'),
    ('country = "CN"\narea-code', 'country = "XX"\narea-code', '"XX"', 'country "XX" are not known', "known: CN"),
    ('match = "5000"', 'match = "119"', '"119"', "emergency number", "use another number"),
    ('rights = ["internal"]\n', 'rights = ["internal"]\nforward = { all = "13912345678" }\n', "forward",
     'has not the right "mobile"', 'add "mobile"'),
    ('rights = ["internal"]\n', 'rights = ["internal"]\nforward = { busy = "1009" }\n', "forward", "to itself", ""),
    ('rights = ["internal"]', 'rights = ["internal", "locl"]', '"locl"', "locl", "local"),
    ('match = "+862161234567"', 'match = "+86."\ndo = [{ dial = "trunk/carrier", number = "{number}" }]\n'
     '[[contexts.from-carrier.route]]\nmatch = "+862161234567"', "{ dial = \"trunk/carrier\", number",
     "can call out here", "dial a fixed number"),
    ("[recordings]\nretain-days = 30\n", "", "[queues.support]", "nothing says how long", "retain-days"),
    ('notice = "recording-notice"\n', "", "[queues.support]", "tells nobody", "recording-notice"),
    ('endpoint = "1001"\nqueues', 'endpoint = "1010"\nqueues', '"1010"', 'no endpoint "1010"', ""),
    ("queues = { support = 1 }", "queues = { suport = 1 }", "suport", 'no queue "suport"', "support"),
    ('allow = ["endpoint/1001"]', 'allow = ["endpoint/1011"]', "1011", 'no endpoint "1011"', ""),
    ("[agents.zhang]", "[agents.zhang]\nteam = \"flor\"", '"flor"', 'no team "flor"', ""),
    ('level = ["normal", "gold"], age = "number"', 'level = ["normal", "gold"], age = "integer"', "integer",
     'type of field "integer"', ""),
    ('url = "http://127.0.0.1/{from}"', 'url = "127.0.0.1/{from}"', "url =", "no address", "http://"),
    ('into = "customer" }', 'into = "customer", on = { wrong = { hangup = true } } }', "lookup =",
     'outcome of lookup customer: "wrong"', ""),
    ('{ menu = "main" }]', '{ menuu = "main" }]', "menuu", 'unknown step "menuu"', 'mean "menu"'),
    ('prompt = ["main-menu"]', 'promt = ["main-menu"]', "promt", 'unknown key "promt"', 'mean "prompt"'),
    ('match = "5000"', 'match = 5000!', "5000!", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "place", "message", "cure"), [fault for fault in FAULTS if fault[2]], ids=lambda text: text[:30]
)
def test_a_planted_fault_is_found(old: str, new: str, place: str, message: str, cure: str, tmp_path: Path) -> None:
    texts = {"pbx.toml": PBX, "dialplan.toml": DIALPLAN}
    (name,) = [name for name, text in texts.items() if text.count(old)]
    texts[name] = texts[name].replace(old, new, 1)
    found = findings(tmp_path, texts["pbx.toml"], texts["dialplan.toml"])
    file = next(n for n, text in texts.items() if place in text) if place not in texts[name] else name
    line = texts[file][: texts[file].index(place)].count("\n") + 1
    named = [f for f in found if f.where.file == file and f.where.line == line]
    assert named, [str(finding) for finding in found]
    assert any(message in f.what and cure in f.cure for f in named), [str(f) for f in found]


def test_there_are_enough_faults() -> None:
    assert len([fault for fault in FAULTS if fault[2]]) >= 40


EXAMPLES = Path(__file__).parents[2] / "conf"


def test_what_ships_has_no_error_and_no_warning() -> None:
    loaded = load(EXAMPLES)
    assert loaded.config is not None
    assert [f for f in check(loaded.config, EXAMPLES, today=TODAY) if f.severity is not Severity.NOTE] == []
