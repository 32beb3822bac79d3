"""
How many changed cores the tests tell from the true one, on a sample drawn from a seed.

mutmut changes the core in some 25,000 places, and judging them all takes a day.  The sample
holds mutants of every module, more of the larger ones, and is the same for the same seed and
source.  Each is judged by the tests that reach its function, the quickest first.

    pip install --group mutation
    python benchmarks/mutants.py --sample 400 --seed 1
    python benchmarks/mutants.py --module limits     # all mutants of one module
    python benchmarks/mutants.py --report            # of what has been judged so far

mutmut copies the work tree to `mutants/` first, and goes on there when it is run again; remove
that folder to begin afresh.
"""

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

FOLDER = Path("mutants/streams/core")
# What mutmut notes: a test failed, or took far longer than it should.
KILLED = (1, 3, 24, 36, 152, 255, -24, -9)
SURVIVED = (0, 5, 33)  # All tests passed, or none reaches the mutant.
LEAST = 2  # Of every module that has so many.
FIRST = "streams.core.allocation.x_cum__mutmut_1"  # Any one: mutmut then makes them all.

Mutants = dict[str, dict[str, int | None]]


def mutants() -> Mutants:
    """Give by module every mutant and how it was judged; None is not yet."""
    found = {}
    for path in sorted(FOLDER.glob("*.meta")):
        judged = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        if judged:
            found[path.name.removesuffix(".py.meta")] = dict(sorted(judged.items()))
    return found


def drawn(found: Mutants, size: int, seed: int) -> list[str]:
    """Draw about *size* mutants: of each module its part, and at least two."""
    dice = random.Random(seed)
    whole = sum(map(len, found.values()))
    names = []
    for own in found.values():
        count = min(len(own), max(LEAST, round(size * len(own) / whole)))
        names += dice.sample(sorted(own), count)
    return names


def report(found: Mutants, chosen: frozenset[str]) -> float:
    """Print the score by module and who survived; give the share killed."""
    print(f"{'module':<16} {'mutants':>8} {'judged':>7} {'killed':>7}")
    survivors: list[str] = []
    judged_in_all = 0
    for module, own in found.items():
        judged = {name: code for name, code in own.items() if name in chosen and code is not None}
        alive = [name for name, code in judged.items() if code in SURVIVED]
        odd = [name for name, code in judged.items() if code not in (*SURVIVED, *KILLED)]
        if odd:
            print(f"not judged: {odd}")
        survivors += alive
        judged_in_all += len(judged)
        if judged:
            print(
                f"{module:<16} {len(own):>8} {len(judged):>7} "
                f"{100 * (len(judged) - len(alive)) // len(judged):>6} %"
            )
    print("\nsurvivors, to be looked at with `mutmut show NAME`:")
    print("\n".join(survivors) or "none")
    killed = judged_in_all - len(survivors)
    share = killed / max(1, judged_in_all)
    print(f"\nkilled {killed} of {judged_in_all} ({100 * share:.1f} %)")
    return share


def main() -> int:
    """Judge what is asked for; 1 where less than 85 % are killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--module", help="judge all mutants of this module of the core")
    parser.add_argument("--report", action="store_true", help="judge nothing more")
    asked = parser.parse_args()
    run = [sys.executable, "-m", "mutmut", "run", "--max-children", "1"]
    if not FOLDER.exists():
        subprocess.run([*run, FIRST], check=False)
    found = mutants()
    chosen = sorted(found[asked.module]) if asked.module else drawn(found, asked.sample, asked.seed)
    judged = {name for own in found.values() for name, code in own.items() if code is not None}
    left = [name for name in chosen if name not in judged]
    if left and not asked.report:
        subprocess.run([*run, *left], check=False)
    return int(report(mutants(), frozenset(chosen)) < 0.85)


if __name__ == "__main__":
    sys.exit(main())
