"""The search for the best combination, compiled, against the same sources interpreted."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import to_builtins

from streams import compiling
from streams.sandbox.kafka import default_home

pytestmark = pytest.mark.skipif(
    compiling.missing() is not None, reason=f"the search can't be compiled: {compiling.missing()}"
)

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "combination.py"
BASKETS = 12  # Of each size.


def benchmark():
    """Import the benchmark that makes baskets."""
    spec = importlib.util.spec_from_file_location("combination_benchmark", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def compiled():
    """
    Compile the search, once for all sessions that share a home.

    It answers the same however much is optimised, and is compiled in half the time.
    """
    return compiling.compiled(default_home(), effort="0")


def test_the_compiled_search_answers_as_the_interpreted_one_node_for_node(compiled):
    """On baskets of every size of the benchmark: objective, bound, certificate, nodes."""
    module = benchmark()
    asked = "".join(f"{at} {BASKETS}\n" for at in range(len(module.GOALS)))
    served = subprocess.run(
        [sys.executable, BENCHMARK, "--serve"],
        env={**os.environ, "PYTHONPATH": str(compiled)},
        input=asked,
        capture_output=True,
        text=True,
        check=True,
    )
    for goal, line in zip(module.GOALS, served.stdout.splitlines(), strict=True):
        stream = module.answers(goal)
        own = [to_builtins(next(stream)) for _ in range(BASKETS)]
        for one, other in zip(own, json.loads(line), strict=True):
            assert {**one, "took": 0} == {**other, "took": 0}


def test_what_is_compiled_is_machine_code(compiled):
    """And not the sources beside it, which would be imported where a module is missing."""
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import importlib, sys\n"
                "for name in sys.argv[1:]:\n"
                "    print(importlib.import_module(f'streams.core.{name}').__file__)"
            ),
            *compiling.MODULES,
        ],
        env={**os.environ, "PYTHONPATH": str(compiled)},
        cwd=compiled,
        capture_output=True,
        text=True,
        check=True,
    )
    files = told.stdout.split()
    assert len(files) == len(compiling.MODULES)
    assert all(Path(file).suffix in (".so", ".pyd") for file in files)
    assert all(Path(file).is_relative_to(compiled) for file in files)
