"""Build the native engine; everything else is in pyproject.toml."""

import os
import shutil
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent
DEBUG = os.environ.get("PBX_DEBUG") == "1"  # bounds checks and assertions in the engine
SANITIZE = os.environ.get("PBX_SANITIZE") == "1"  # address and undefined-behaviour sanitizers

JOBS = os.cpu_count() or 1

COMPILE_ARGS = ["-O1", "-g"] if DEBUG or SANITIZE else ["-O3", "-g0"]
if SANITIZE:
    COMPILE_ARGS += ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"]


class build_py_with_data(build_py):
    """Carry conf/ and prompts/ inside the package, so that an installed wheel can speak."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for name in ("conf", "prompts"):
            target = Path(self.build_lib) / "pbx" / "_data" / name
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(HERE / name, target, ignore=shutil.ignore_patterns("var", "__pycache__"))


def extension(name: str, source: str, *more: str) -> Extension:
    return Extension(
        name,
        [source],
        extra_compile_args=[*COMPILE_ARGS, *more],
        extra_link_args=["-fsanitize=address,undefined"] if SANITIZE else [],
        define_macros=[("PBX_SANITIZE", "1")] if SANITIZE else [],
    )


def native_modules() -> list[Extension]:
    found = [extension("pbx._mix", "src/pbx/_mix.pyx")]
    found.append(extension("pbx.signaling.datagrams", "src/pbx/signaling/datagrams.pyx"))
    for source in sorted((HERE / "src/pbx/native").glob("*.pyx")):
        found.append(extension(f"pbx.native.{source.stem}", f"src/pbx/native/{source.name}"))
    return found


def twin_modules() -> list[Extension]:
    """Return the modules that run plain as well: every .py with a .pxd beside it (see pbx.twins)."""
    found = []
    for room in ("pbx", "pbx/sip", "pbx/sdp"):
        for types in sorted((HERE / "src" / room).glob("*.pxd")):
            name = f"{room}/{types.stem}"
            # Calls of Python objects gain nothing from -O3, which takes twice as long to compile.
            found.append(extension(name.replace("/", "."), f"src/{name}.py", "-O2"))
    return found


setup(
    ext_modules=cythonize(
        twin_modules(),
        nthreads=JOBS,
        include_path=["src"],
        annotate=DEBUG,
        compiler_directives={"language_level": 3, "binding": True},
    )
    + cythonize(
        native_modules(),
        nthreads=JOBS,
        include_path=["src"],
        annotate=DEBUG,
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": DEBUG,
            "binding": True,
        },
    ),
    options={"build_ext": {"parallel": JOBS}},
    cmdclass={"build_py": build_py_with_data, "sdist": sdist},
)
