"""The compiled modules and their plain twins say the same, mutant for mutant."""

from __future__ import annotations

import ast
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pbx import twins
from pbx.errors import PbxError
from pbx.sip import message
from pbx.sip.message import Request, Response, response_to
from pbx.sip.parser import PartialMessage, parse_message, validate_request
from tests.fakes.wire import Wire
from tests.sip.calls import established
from tests.sip.test_torture import message as wire_message

MUTANTS = 3000
ROOT = Path(__file__).parents[2]


def mutants() -> list[bytes]:
    """Return broken and whole messages, the same ones in every process."""
    picked = random.Random(4475)
    seeds = [
        wire_message(),
        wire_message("SIP/2.0 180 Ringing", body=""),
        wire_message("REGISTER sip:a SIP/2.0", body=""),
    ]
    pieces = [
        b"\r\n",
        b"\n ",
        b":",
        b";",
        b",",
        b"<",
        b">",
        b'"',
        b"\\",
        b"\x00",
        b"\xff",
        b"%00",
        b"=",
        b"@",
        b"[::1]",
        b"99999999999",
    ]
    found = []
    for _ in range(MUTANTS):
        data = bytearray(picked.choice(seeds))
        for _ in range(picked.randint(0, 4)):
            at, act = picked.randrange(len(data)), picked.randrange(4)
            if act == 0:
                data[at : at + picked.randint(1, 8)] = b""
            elif act == 1:
                data[at:at] = picked.choice(pieces)
            elif act == 2:
                data[at] = picked.randrange(256)
            else:
                data += data[at : at + picked.randint(1, 80)]
            data = data or bytearray(b"x")
        found.append(bytes(data))
    return found


def seen(data: bytes) -> list[Any]:
    """Say all that the parser makes of a message."""
    try:
        parsed = parse_message(data)
        if isinstance(parsed, Request):
            validate_request(parsed)
            answer = response_to(parsed, 180, to_tag="t").to_bytes()
            return [
                repr(parsed),
                str(parsed.via),
                str(parsed.to),
                parsed.cseq.number,
                answer.hex(),
                parsed.to_bytes().hex(),
            ]
        assert isinstance(parsed, Response)
        return [repr(parsed), parsed.headers, parsed.body.hex(), parsed.to_bytes().hex()]
    except PartialMessage as error:
        return ["partial", str(error), error.status, error.partial.headers]
    except PbxError as error:
        return [type(error).__name__, str(error), error.status]


def verdicts() -> dict[str, Any]:
    """Say what this process makes of every mutant, and of a whole call."""
    wire = Wire(loss=0.2, seed=7)
    established(wire)
    return {
        "module": message.__file__,
        "mutants": [seen(data) for data in mutants()],
        "call": [(round(at, 6), who, data.hex()) for at, who, data in wire.sent],
    }


def _of_twin(plain: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", "import json; from tests.sip.test_twins import verdicts; print(json.dumps(verdicts()))"],
        env=os.environ | {"PBX_PLAIN": plain},
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_compiled_and_the_plain_twin_agree_on_every_mutant_and_on_a_lossy_call() -> None:
    compiled, plain = _of_twin("0"), _of_twin("1")
    assert compiled.pop("module") != plain.pop("module"), "build the extensions: pip install -e ."
    assert compiled["call"] == plain["call"]
    for data, one, other in zip(mutants(), compiled["mutants"], plain["mutants"], strict=True):
        assert one == other, data


def test_a_source_newer_than_its_extension_makes_everything_plain(tmp_path: Path) -> None:
    home = tmp_path / "src" / "pbx"
    (home / "sip").mkdir(parents=True)
    assert not twins.outdated(home)  # installed: no pyproject beside
    (tmp_path / "pyproject.toml").touch()
    source, types = home / "sip" / "timers.py", home / "sip" / "timers.pxd"
    built = home / "sip" / f"timers{twins.EXTENSION_SUFFIXES[0]}"
    for path in (source, types):
        path.touch()
    assert twins.outdated(home)  # not built at all
    built.touch()
    os.utime(source, (1000, 1000))
    os.utime(types, (1000, 1000))
    assert not twins.outdated(home)
    os.utime(built, (999, 999))
    assert twins.outdated(home)


@pytest.mark.parametrize("name", ["message", "parser", "headers", "uri", "transaction", "timers", "stack", "invite"])
def test_what_shows_in_the_profile_has_types_beside_it(name: str) -> None:
    assert (twins.HOME / "sip" / f"{name}.pxd").exists()


def _slots(source: str) -> dict[str, set[str]]:
    """Return the slots of each class of a module."""
    return {
        made.name: {element.value for element in line.value.elts}
        for made in ast.walk(ast.parse(source))
        if isinstance(made, ast.ClassDef)
        for line in made.body
        if isinstance(line, ast.Assign) and line.targets[0].id == "__slots__" and isinstance(line.value, ast.Tuple)
    }


@pytest.mark.parametrize("types", sorted(twins.HOME.glob("s[id]p/*.pxd")), ids=lambda path: path.stem)
def test_every_slot_of_a_typed_class_is_declared(types: Path) -> None:
    slots = _slots(types.with_suffix(".py").read_text())
    for block in types.read_text().split("cdef class ")[1:]:
        name = re.match(r"\w+", block).group()
        declared = set(re.findall(r"^    cdef (?:public |readonly )?\w+ (\w+)$", block, re.MULTILINE))
        if name in slots:
            assert declared == slots[name], name
