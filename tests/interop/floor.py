"""A hundred agents on registered SIPp phones, and callers who come twenty a second; what the log says of it."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pbx import events as ev
from pbx.cli.client import ask
from pbx.events import Logged
from tests.interop.server import LiveServer
from tests.interop.sipp import Sipp
from tests.interop.waiting import wait_for

CONFIG = """
[sip]
listen = ["udp:127.0.0.1:5060"]
domain = "floor.example"
[media]
ports = "20000-39999"
codecs = ["pcma"]
[recordings]
retain-days = 1
[limits]
max-calls = 5000
new-calls-per-s = 1000
[trunks.carrier]
match = "127.0.0.1:5080"
context = "in"
[endpoints."2001..{last}"]
secret = "seat-{{number}}"
context = "in"
[[contexts.in.route]]
match = "800"
do = [{{ queue = "support" }}]
[queues.support]
strategy = "longest-idle"
ring-s = 4
wrap-up-s = 1
max-wait-s = 120
auto-pause-after = 3
on = {{ timeout = {{ hangup = "busy" }}, no-agents = {{ hangup = "busy" }}, full = {{ hangup = "busy" }} }}
[dispositions]
sold = {{ name = "Sold" }}
[agents."2001..{last}"]
endpoint = "{{number}}"
queues = {{ support = 1 }}
login = "always"
"""

REGISTER = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="register">
  <send retrans="500"><![CDATA[
REGISTER sip:127.0.0.1 SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@127.0.0.1>;tag=[call_number]
To: <sip:[field0]@127.0.0.1>
Call-ID: [call_id]
CSeq: 1 REGISTER
Contact: <sip:[field0]@127.0.0.1:5070>
Expires: {expires}
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="401" auth="true"/>
  <send retrans="500"><![CDATA[
REGISTER sip:127.0.0.1 SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@127.0.0.1>;tag=[call_number]
To: <sip:[field0]@127.0.0.1>
Call-ID: [call_id]
CSeq: 2 REGISTER
Contact: <sip:[field0]@127.0.0.1:5070>
Expires: {expires}
Max-Forwards: 70
[field1]
Content-Length: 0

]]></send>
  <recv response="200"/>
</scenario>
"""

_REPLY = """SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
{rest}"""
_EMPTY = "Content-Length: 0\n\n"
_SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=agent 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000
"""


def _reply(status: str, rest: str = _EMPTY) -> str:
    return "<![CDATA[\n" + _REPLY.format(status=status, rest=rest) + "]]>"


# Every agent rings; 6 % refuse, 4 % never answer, the rest pick up after a while and talk for a while.
AGENT = f"""<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="agent">
  <recv request="INVITE" rrs="true">
    <action>
      <ereg regexp=".*" search_in="hdr" header="From:" assign_to="caller"/>
      <ereg regexp=".*" search_in="hdr" header="To:" assign_to="callee"/>
      <ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" assign_to="cseq"/>
    </action>
  </recv>
  <send>{_reply("180 Ringing")}</send>
  <nop next="refuse" chance="0.06"/>
  <nop next="ignore" chance="0.04"/>
  <recv request="CANCEL" timeout="400" ontimeout="pick-up" next="cancelled"/>
  <label id="pick-up"/>
  <send retrans="500">{_reply("200 OK", _SDP)}</send>
  <recv request="ACK" crlf="true"/>
  <nop next="long" chance="0.5"/>
  <recv request="BYE" timeout="1200" ontimeout="hang-up" next="ended"/>
  <label id="long"/>
  <recv request="BYE" timeout="3500" ontimeout="hang-up" next="ended"/>
  <label id="hang-up"/>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: [$callee];tag=[call_number]
To: [$caller]
Call-ID: [call_id]
CSeq: 9 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200" next="over"/>
  <label id="ended"/>
  <send next="over">{_reply("200 OK")}</send>
  <label id="refuse"/>
  <send retrans="500">{_reply("603 Decline")}</send>
  <recv request="ACK" next="over"/>
  <label id="ignore"/>
  <recv request="CANCEL"/>
  <label id="cancelled"/>
  <send>{_reply("200 OK")}</send>
  <send retrans="500">{_reply("487 Request Terminated").replace("[last_CSeq:]", "CSeq: [$cseq] INVITE")}</send>
  <recv request="ACK"/>
  <label id="over"/>
</scenario>
"""


@dataclass
class Seen:
    """What the log says of a run."""

    entered: int = 0
    answered: int = 0
    rings_ms: list[float] = field(default_factory=list)  # caller in → phone rings, where an agent was free
    outcomes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    faults: list[str] = field(default_factory=list)


def look(entries: Iterable[Logged]) -> Seen:
    """Check what must never be, and count the rest."""
    seen = Seen()
    entered: dict[str, Logged] = {}
    exits: dict[str, int] = defaultdict(int)
    open_offers: dict[str, str] = {}  # agent: offer
    talking: dict[str, str] = {}  # agent: entry
    states: dict[str, str] = {}
    first_leg: dict[str, Logged] = {}  # call: the first leg rung for it, where it was rung at once
    for entry in entries:
        event = entry.event
        if isinstance(event, ev.QueueEntered):
            seen.entered += 1
            entered[event.entry_id] = entry
        elif isinstance(event, ev.OfferMade):
            if event.agent in open_offers:
                seen.faults.append(f"{event.agent} is offered {event.offer_id} beside {open_offers[event.agent]}")
            if event.agent in talking:
                seen.faults.append(f"{event.agent} is offered {event.offer_id} while talking")
            open_offers[event.agent] = event.offer_id
            began = entered.get(event.entry_id)
            if began is not None and entry.at_mono - began.at_mono < 0.005:
                first_leg[event.call_id] = began
        elif isinstance(event, ev.OfferEnded):
            seen.outcomes[event.outcome] += 1
            if open_offers.pop(event.agent, "") != event.offer_id:
                seen.faults.append(f"{event.offer_id} ended and was not open")
            if event.outcome == "answered":
                talking[event.agent] = event.entry_id
        elif isinstance(event, ev.QueueLeft):
            exits[event.entry_id] += 1
            seen.answered += event.exit == "answered"
        elif isinstance(event, ev.QueueServed):
            talking.pop(event.agent, None)
        elif isinstance(event, ev.LegRinging) and event.call_id in first_leg and not event.leg_id.endswith(".1"):
            seen.rings_ms.append((entry.at_mono - first_leg.pop(event.call_id).at_mono) * 1000)
        elif isinstance(event, ev.AgentState):
            if states.get(event.agent, "logged-out") != event.was:
                seen.faults.append(f"{event.agent} was {states.get(event.agent)}, the log says {event.was}")
            states[event.agent] = event.now
    seen.faults += [f"{entry_id} has {exits[entry_id]} exits" for entry_id in entered if exits[entry_id] != 1]
    return seen


class Floor:
    """A running centre; everything that it starts is stopped."""

    def __init__(self, directory: Path, agents: int = 100) -> None:
        self.directory = directory
        self.agents = [str(2001 + n) for n in range(agents)]
        home = directory / "floor"
        home.mkdir(parents=True)
        (home / "pbx.toml").write_text(CONFIG.format(last=self.agents[-1]))
        self.server = LiveServer(home, level="warning")
        self._count = 0
        self._running: list[Sipp] = []

    def open(self) -> None:
        self.server.start()
        scenario = self.directory / "agent.xml"
        scenario.write_text(AGENT)
        self._running.append(
            Sipp(self.directory / "agents", "agents", "-sf", str(scenario), "-p", "5070", "-mp", "9000")
        )
        self.register(self.agents)
        ready = {"ready", "wrap-up"}
        wait_for(lambda: {a["state"] for a in self.server.ask("/v1/agents")} <= ready, 10, "not everybody is ready")

    def register(self, seats: Iterable[str], expires: int = 3600) -> None:
        """Let phones register, or (0) go."""
        self._count += 1
        home = self.directory / f"register{self._count}"
        home.mkdir()
        seats = list(seats)
        lines = [f"{n};[authentication username={n} password=seat-{n}]" for n in seats]
        (home / "users.csv").write_text("SEQUENTIAL\n" + "\n".join(lines) + "\n")
        (home / "register.xml").write_text(REGISTER.format(expires=expires))
        sipp = Sipp(home, "register", "-sf", str(home / "register.xml"), "-inf", str(home / "users.csv"), "-p",
                    str(15000 + self._count), "-m", str(len(seats)), "-r", "100", "127.0.0.1:5060")  # fmt: skip
        try:
            counts = sipp.finish(30)
        finally:
            sipp.stop()
        assert counts["Failed call"] == 0, sipp.errors()

    def run(self, seconds: float, rate: int = 20, *, seed: int = 1) -> dict[str, int]:
        """Let callers come, and trouble with them; return SIPp's counts of the callers."""
        rng = random.Random(seed)
        callers = self.callers(seconds, rate)
        ends = time.monotonic() + seconds
        away: list[str] = []
        while time.monotonic() < ends:
            self._trouble(rng, away)
            time.sleep(1.0)
        self.register(away)
        for agent in self.server.ask("/v1/agents"):
            if agent["state"] == "paused":
                ask(self.server.socket, "POST", f"/v1/agents/{agent['agent']}/ready")
        counts = callers.finish(180)
        wait_for(lambda: self.server.ask("/v1/calls") == [], 30, "calls are left")
        return counts

    def callers(self, seconds: float, rate: int) -> Sipp:
        """Callers wait for an agent who hangs up; one in ten gives up after three seconds."""
        path = self.directory / "callers.xml"
        path.write_text(CALLER)
        callers = Sipp(self.directory / "callers", "callers", "-sf", str(path), "-s", "800", "-p", "5080", "-mp",
                       "8000", "-r", str(rate), "-m", str(int(seconds * rate)), "127.0.0.1:5060")  # fmt: skip
        self._running.append(callers)
        return callers

    def stop_callers(self) -> None:
        self._running.pop().stop()

    def today(self) -> dict[str, int]:
        """Return what the queue has counted today."""
        counts: dict[str, int] = self.server.ask("/v1/queues/support")["today"]
        return counts

    def _trouble(self, rng: random.Random, away: list[str]) -> None:
        """Pause some, let phones vanish and come back."""
        one, two = rng.sample(self.agents, 2)
        if one not in away:
            ask(self.server.socket, "POST", f"/v1/agents/{one}/pause")
        for agent in self.server.ask("/v1/agents"):
            if agent["state"] == "paused" and rng.random() < 0.5:
                ask(self.server.socket, "POST", f"/v1/agents/{agent['agent']}/ready")
        if len(away) < 5:
            away.append(two)
            self.register([two], expires=0)
        else:
            back = away.pop(0)
            self.register([back])

    def close(self) -> str:
        for sipp in self._running:
            sipp.stop()
        return self.server.stop()


CALLER = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="caller">
  <send retrans="500"><![CDATA[
INVITE sip:800@127.0.0.1:5060 SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:138[call_number]@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:800@127.0.0.1:5060>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:caller@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=caller 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000
]]></send>
  <recv response="100" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[last_From:]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
  <nop next="impatient" chance="0.1"/>
  <recv request="BYE" next="ended"/>
  <label id="impatient"/>
  <recv request="BYE" timeout="3000" ontimeout="gives-up" next="ended"/>
  <label id="gives-up"/>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[last_From:]
[last_To:]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200" next="over"/>
  <label id="ended"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
  <label id="over"/>
</scenario>
"""
