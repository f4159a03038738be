"""What fingers of Asterisk and FreeSWITCH type, and what it is called here: one table for shell and console.

A pattern's words are taken as they are ("_" also for a quoted blank), ``{name}`` takes one word, ``*`` the rest.
Where there is nothing that does the same, the answer is a hint, which begins with "!".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

TRACE = "!the SIP messages of a call are kept: `pbx trace CALL` draws them; nothing to switch on"

HABITS: tuple[tuple[str, str], ...] = (
    # Asterisk
    ("core show channels count", "show uptime"),
    ("core show channels *", "show channels"),
    ("core show channel {id}", "show call {id}"),
    ("core show calls *", "show uptime"),
    ("core show uptime *", "show uptime"),
    ("core show version", "show status"),
    ("core show sysinfo", "show pulse"),
    ("core show threads", "show threads"),
    ("core show settings", "show config"),
    ("core show codecs *", "show codecs"),
    ("core show hints", "show endpoints"),
    ("core show help *", "help"),
    ("core set verbose {n}", "log level info"),
    ("core set debug {n}", "log level debug"),
    ("core stop gracefully", "drain --stop"),
    ("core stop when convenient", "drain --stop"),
    ("core stop now", "!the service manager stops a server: `systemctl stop pbx`; `pbx drain --stop` loses no call"),
    ("core restart *", "!the service manager restarts a server: `systemctl restart pbx`; `pbx drain` first"),
    ("pjsip show endpoints *", "show endpoints"),
    ("pjsip show endpoint {name}", "show endpoint {name}"),
    ("pjsip show aors", "show registrations"),
    ("pjsip show contacts *", "show registrations"),
    ("pjsip show registrations *", "show trunks"),
    ("pjsip show channelstats", "show channels"),
    ("pjsip show channels", "show channels"),
    ("pjsip show subscriptions *", "show endpoints"),
    ("pjsip set logger *", TRACE),
    ("pjsip reload", "reload"),
    ("sip show peers *", "show endpoints"),
    ("sip show peer {name}", "show endpoint {name}"),
    ("sip show registry", "show trunks"),
    ("sip show channels", "show channels"),
    ("sip show users", "show endpoints"),
    ("sip reload", "reload"),
    ("sip set debug *", TRACE),
    ("queue show", "show queues"),
    ("queue show {name}", "show queue {name}"),
    ("queue add member {agent} to {queue} penalty {tier}", "queue add {queue} {agent} --tier {tier}"),
    ("queue add member {agent} to {queue}", "queue add {queue} {agent}"),
    ("queue remove member {agent} from {queue}", "queue remove {queue} {agent}"),
    ("queue pause member {agent} queue {queue} reason {reason}", "agent pause {agent} --reason {reason}"),
    ("queue pause member {agent} *", "agent pause {agent}"),
    ("queue unpause member {agent} *", "agent ready {agent}"),
    ("queue set penalty {tier} on {agent} in {queue}", "queue tier {queue} {agent} {tier}"),
    ("queue reload *", "reload"),
    ("queue reset stats *", "!figures are derived from the log and never reset: ask for the hours that you want"),
    ("agent show *", "show agents"),
    ("channel originate {target} extension {number}", "call originate {target} {number}"),
    ("channel originate {target} application *", "!give it a number in the dialplan and originate to that"),
    ("channel redirect {id} {number}", "call transfer {id} {number}"),
    ("channel request hangup {id}", "call hangup {id}"),
    ("hangup request {id}", "call hangup {id}"),
    ("confbridge list *", "show conferences"),
    ("meetme list *", "show conferences"),
    ("mixmonitor *", "!recording follows `record` of queues, agents, endpoints and steps; see `pbx recording find`"),
    ("rtp set debug *", "show channels"),
    ("rtp show stats", "show channels"),
    ("dialplan show *", "!`pbx check DIR --graph` draws the call flow; `pbx show config contexts` lists the routes"),
    ("dialplan reload", "reload"),
    ("cdr show status", "show cdr"),
    ("parking show *", "show parking"),
    ("moh show *", "!music is a prompt: `pbx show config queues` names it"),
    ("voicemail show *", "show mailboxes"),
    ("module reload *", "reload"),
    ("module show *", "show status"),
    ("logger show channels", "show loggers"),
    ("logger set level *", "show loggers"),
    ("database show *", "!`pbx sql` asks the database"),
    # FreeSWITCH
    ("status", "show status"),
    ("show codec", "show codecs"),
    ("sofia status profile {name} reg *", "show registrations"),
    ("sofia status profile *", "show endpoints"),
    ("sofia status gateway *", "show trunks"),
    ("sofia status", "show trunks"),
    ("sofia global siptrace *", TRACE),
    ("sofia profile {name} rescan *", "reload"),
    ("sofia profile *", "reload"),
    ("uuid_kill {id} *", "call hangup {id}"),
    ("uuid_transfer {id} {number} *", "call transfer {id} {number}"),
    ("uuid_dump {id}", "show call {id}"),
    ("uuid_bridge *", "!`pbx call transfer CALL NUMBER` sends a caller to anybody"),
    ("uuid_record *", "!recording follows `record` of queues, agents, endpoints and steps; see `pbx recording find`"),
    ("uuid_broadcast *", "!a prompt is a step of the dialplan: transfer the call to a number that plays it"),
    ("originate {target} {number} *", "call originate {target} {number}"),
    ("hupall *", "!`pbx drain` ends no call; `pbx call hangup CALL` ends one"),
    ("reloadxml", "reload"),
    ("fsctl pause *", "drain"),
    ("fsctl resume *", "drain --off"),
    ("fsctl shutdown elegant", "drain --stop"),
    ("fsctl shutdown *", "!the service manager stops a server: `systemctl stop pbx`; `pbx drain --stop` loses no call"),
    ("fsctl loglevel {level}", "log level {level}"),
    ("fsctl *", "show limits"),
    ("callcenter_config agent list *", "show agents"),
    ("callcenter_config agent set status {agent} Logged_Out", "agent logout {agent}"),
    ("callcenter_config agent set status {agent} On_Break", "agent pause {agent}"),
    ("callcenter_config agent set status {agent} Available", "agent login {agent}"),
    ("callcenter_config queue list agents {queue} *", "show queue {queue}"),
    ("callcenter_config queue list members {queue} *", "show queue {queue}"),
    ("callcenter_config queue list *", "show queues"),
    ("callcenter_config tier add {queue} {agent} {tier} *", "queue add {queue} {agent} --tier {tier}"),
    ("callcenter_config tier add {queue} {agent}", "queue add {queue} {agent}"),
    ("callcenter_config tier del {queue} {agent}", "queue remove {queue} {agent}"),
    ("callcenter_config tier set level {queue} {agent} {tier}", "queue tier {queue} {agent} {tier}"),
    ("callcenter_config tier list *", "show agents"),
    ("conference list *", "show conferences"),
    ("conference {name} list", "show conferences"),
)  # fmt: skip

_PREFIX = re.compile(r"^(?:(?:PJSIP|SIP|Agent|Local|user|sofia/\w+)/)", re.IGNORECASE)


def translate(words: Sequence[str]) -> list[str] | str | None:
    """Return our words for theirs, a hint, or None where the words are no habit that we know."""
    for pattern, ours in HABITS:
        taken = _match(pattern.split(), words)
        if taken is None:
            continue
        if ours.startswith("!"):
            return ours[1:]
        return [taken.get(word[1:-1], word) if word.startswith("{") else word for word in ours.split()]
    return None


def _match(pattern: list[str], words: Sequence[str]) -> dict[str, str] | None:
    if pattern and pattern[-1] == "*":
        pattern = pattern[:-1]
        if len(words) < len(pattern):
            return None
        words = words[: len(pattern)]
    if len(words) != len(pattern):
        return None
    taken: dict[str, str] = {}
    for expected, word in zip(pattern, words, strict=True):
        if expected.startswith("{"):
            taken[expected[1:-1]] = plain(word)
        elif expected.casefold() != word.casefold().replace(" ", "_"):
            return None
    return taken


def plain(word: str) -> str:
    """Take the channel's technology from a name: ``PJSIP/1001`` is 1001."""
    return _PREFIX.sub("", word)
