"""A dialplan of ten thousand routes: checking it, and deciding where a number goes.

usage: python -m bench --only dialplan
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pbx.config.loader import load
from pbx.dialplan.routes import Routes

ROUTES, DECISIONS = 10_000, 200_000
HEAD = """[recordings]
retain-days = 1
[endpoints.1001]
context = "in"
[trunks.t]
proxy = "sip:192.0.2.1"
context = "in"
"""


def measure() -> dict[str, Any]:
    """Write the routes, half of them with wildcards; check them as an administrator does; decide."""
    chance = random.Random(1)
    numbers: dict[str, None] = {}
    while len(numbers) < ROUTES:
        number = str(chance.randint(2, 9)) + "".join(str(chance.randint(0, 9)) for _ in range(chance.randint(5, 9)))
        numbers[number[:-2] + "XX" if chance.random() < 0.5 else number] = None
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        routes = [
            f'[[contexts.in.route]]\nmatch = "{n}"\ndo = [{{ dial = "endpoint/1001" }}, {{ play = "goodbye" }}]\n'
            for n in numbers
        ]
        (directory / "pbx.toml").write_text(HEAD + "\n".join(routes))
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "pbx", "check", folder], check=True, capture_output=True)
        check_s = time.monotonic() - began
        made = Routes(load(directory).valid())
    dialled = [name.replace("X", str(chance.randint(0, 9))) for name in numbers]
    spent = time.process_time()
    for turn in range(DECISIONS):
        number = dialled[turn % ROUTES]
        next(made.find("in", number, number))
    spent = time.process_time() - spent
    return {
        "routes": ROUTES,
        "pbx_check_s": round(check_s, 2),
        "decisions": DECISIONS,
        "us_per_decision": round(1e6 * spent / DECISIONS, 2),
    }
