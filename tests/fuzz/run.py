"""One case by its seed and number: which kind it is, its mutant, what came of it."""

import random
from pathlib import Path

from tests.fuzz.judge import Verdict, judge
from tests.fuzz.kinds import KINDS, SHARES


def kind_of(seed: int, number: int, wanted: str = "") -> str:
    """Choose the kind of a case among those wanted (names, comma between), the quick ones more often."""
    names = [name for name in wanted.split(",") if name] or list(KINDS)
    rng = random.Random(f"kind-{seed}-{number}")
    return rng.choices(names, [SHARES[name] for name in names])[0]


def run_number(seed: int, number: int, wanted: str, folder: Path, made: Path) -> tuple[str, Verdict]:
    """Make a case in an empty folder and judge it."""
    kind = kind_of(seed, number, wanted)
    rng = random.Random(f"{kind}-{seed}-{number}")
    return kind, judge(KINDS[kind](rng, folder, made), folder)
