"""What runs on the media threads touches no Python object: looked up in the C that Cython makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from Cython.Compiler.Main import CompilationOptions, compile_single, default_options

SOURCE = Path(__file__).parents[2] / "src"
# What must never appear: objects made, called, counted or raised, and the lock taken.
PYTHON = re.compile(
    r"\b(PyObject_|PyLong_|PyFloat_|PyErr_|PyGILState_|Py_INCREF|Py_DECREF|__Pyx_XDECREF|__Pyx_Raise)\w*"
)
THREAD_SIDE = {
    "core": (), "dtmf": (), "ear": (), "jitter": (), "matrix": (), "moments": (), "receive": (), "rtcp": (), "tick": (),
    "transmit": (), "conceal": (), "commands": (), "moving": (), "g711": (), "g722": (), "pcm": (), "opus": (),
    "srtp": (), "sockets": (),
    "recorder": ("record_frame", "end_recording", "_round", "_flush", "_write", "_header"),
    "_mix": ("_run", "_gather", "_ticks", "_look_round"),
    "voice": ("mouth_reset", "play_frame", "encode_packet"),
}  # fmt: skip


def c_functions(text: str) -> dict[str, str]:
    """Return the bodies of the C functions that ``cdef`` functions became, by their Cython name."""
    heads = list(re.finditer(r"^static [^;{}()]*\b__pyx_f_\w*?_(\w+)\([^;{}]*\) \{$", text, re.MULTILINE))
    found = {}
    for head in heads:
        end = text.index("\n}\n", head.end())
        found[head.group(0)] = text[head.end() : end]
    return found


@pytest.mark.parametrize("name", sorted(THREAD_SIDE))
def test_no_function_of_the_tick_touches_a_python_object(name: str, tmp_path: Path) -> None:
    out = tmp_path / f"{name}.c"
    options = CompilationOptions(
        default_options,
        include_path=[str(SOURCE)],
        output_file=str(out),
        language_level=3,
        compiler_directives={"boundscheck": False, "wraparound": False, "cdivision": True, "initializedcheck": False},
    )
    place = ("pbx",) if name == "_mix" else ("pbx", "native")
    source = SOURCE.joinpath(*place, f"{name}.pyx")
    compile_single(str(source), options, full_module_name=".".join((*place, name)))
    functions = c_functions(out.read_text())
    only = THREAD_SIDE[name]
    looked_at = {head: body for head, body in functions.items() if not only or any(f in head for f in only)}
    assert looked_at, "nothing found to look at"
    for head, body in looked_at.items():
        assert not PYTHON.search(body), f"{head}: {PYTHON.search(body)}"
