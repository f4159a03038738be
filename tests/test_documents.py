"""What the documents say is what the code has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from pbx.events import KINDS

ROOT = Path(__file__).parents[1]


def test_every_kind_of_event_stands_in_its_table() -> None:
    text = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    missing = [kind for kind in KINDS if f"`{kind}`" not in text]
    assert not missing


def test_every_key_of_the_configuration_is_documented() -> None:
    made = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "reference.py")], capture_output=True, text=True, check=True
    )
    told = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    assert made.stdout == told, "python docs/reference.py > docs/keys.md"


ELSEWHERE = """
ringall leastrecent fewestcalls random rrmemory roundrobin rrordered linear wrandom longest-idle-agent round-robin
top-down agent-with-least-talk-time agent-with-fewest-calls sequentially-by-agent-order ring-all ring-progressively
enterprise oldest_call_start oldest_call_finish overall_user_level inbound_group_rank campaign_rank fewest_calls
fewest_calls_campaign longest_wait_time ring_all bullseye disregard
musicclass strategy servicelevel context penaltymemberslimit weight maxlen timeout retry timeoutpriority timeoutrestart
wrapuptime memberdelay ringinuse autopause autopausedelay autopausebusy autopauseunavail announce queue-callerannounce
reportholdtime announce-frequency min-announce-frequency periodic-announce random-periodic-announce announce-holdtime
announce-position announce-to-first-user announce-round-seconds joinempty leavewhenempty autofill shared_lastcall
persistentmembers force_longest_waiting_caller penalty
TIMEOUT FULL JOINEMPTY LEAVEEMPTY JOINUNAVAIL LEAVEUNAVAIL CONTINUE WITHDRAW
moh-sound announce-sound record-template time-base-score ring-progressively-delay tier-rules-apply
tier-rule-no-agent-no-wait discard-abandoned-after abandoned-resume-allowed max-wait-time max-wait-time-with-no-agent
agent-no-answer-status skip-agents-with-external-calls callback standby max-no-answer wrap-up-time
SL SL2 RINGINUSE AGENTDUMP SYSCOMPAT OUTCALL PAUSEALL
"""


def test_what_other_queues_call_a_thing_is_found_beside_our_name_for_it() -> None:
    text = (ROOT / "docs" / "queues.md").read_text(encoding="utf-8")
    words = set(re.findall(r"[A-Za-z0-9_][A-Za-z0-9_-]*", text))
    assert [word for word in ELSEWHERE.split() if word not in words] == []
