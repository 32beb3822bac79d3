"""
Compile the search for the best combination to machine code, beside the same sources.

    python -m streams.compiling FOLDER

The modules are compiled as they stand: what is compiled and what is not give the same
answers, node for node.  It takes a C compiler, mypy and setuptools, and a minute or two.
FOLDER becomes a copy of the packages that is found first when PYTHONPATH names it.  A
wheel is built with it where HATCH_BUILD_HOOK_ENABLE_CUSTOM says so (`hatch_build.py`).
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGES = ("schemas", "streams", "connectors")
FAST = "2"  # How much a C compiler optimises, in its own words.
ROOT = Path(__file__).parents[1]
# What runs in the inner loops.  A compiled module defines no struct: those classes are made
# by a metaclass, whose options would be lost.
MODULES = (
    "accrual_choice",
    "accrual_count",
    "accrual_search",
    "accrual_table",
    "allocation",
    "assembly",
    "components",
    "depth",
    "discounting",
    "exchanging",
    "foregone",
    "given",
    "joining",
    "laying",
    "line_part",
    "line_ways",
    "lone_lines",
    "net_accruals",
    "numbering",
    "optimum",
    "packing",
    "part",
    "rates",
    "search_budget",
    "set_gains",
    "set_lane",
    "set_part",
    "set_ways",
    "takers",
    "thresholds",
    "usual",
    "written",
)
# Reads these arguments: how much the C compiler optimises, and the modules, where they are.
BUILD = """
import sys
from mypyc.build import mypycify
from setuptools import setup
modules = mypycify(sys.argv[2:], opt_level=sys.argv[1], group_name="streams.core.compiled")
setup(name="streams", packages=[], ext_modules=modules, script_args=["build_ext", "--inplace"])
"""


class CompilingError(Exception):
    """The compiler, or what drives it, did not do its work; its last words say why."""


def missing() -> str | None:
    """Name what this machine lacks to compile with; None where it has all."""
    told = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    compiler = shlex.split(told)[0]
    if shutil.which(compiler) is None:
        return f"no C compiler: {compiler} isn't on the PATH"
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        return f"no headers of Python: {header} is missing"
    return None


def compile_search(folder: Path, effort: str = FAST) -> None:
    """
    Make *folder* a copy of the packages with the search compiled.

    Args:
        folder: It isn't there yet.
        effort: How much the C compiler optimises: FAST, or 0 where it matters how soon it ends.

    Raises:
        CompilingError: If it can't be compiled here.
    """
    folder.mkdir(parents=True)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=_no_caches)
    sources = [f"streams/core/{name}.py" for name in MODULES]
    done = subprocess.run(  # noqa: S603 - Our own interpreter and sources.
        [sys.executable, "-c", BUILD, effort, *sources],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise CompilingError("\n".join((done.stdout + done.stderr).strip().splitlines()[-3:]))
    shutil.rmtree(folder / "build")


def compiled(home: Path, effort: str = FAST) -> Path:
    """
    Give the folder below *home* that holds these sources compiled; made where it is missing.

    *effort* is that of `compile_search`.

    Raises:
        CompilingError: If it can't be compiled here.
    """
    digest = hashlib.sha256(f"{sys.version} {effort}".encode())
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(path.read_bytes())
    folder = home / "compiled" / digest.hexdigest()[:16]
    if not folder.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=home) as scratch:
            compile_search(Path(scratch) / "tree", effort)
            folder.parent.mkdir(exist_ok=True)
            # Whoever else compiled it meanwhile has made the same.
            if not folder.is_dir():
                (Path(scratch) / "tree").rename(folder)
    return folder


def _no_caches(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__"]


if __name__ == "__main__":
    compile_search(Path(sys.argv[1]))
