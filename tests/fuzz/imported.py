"""What must hold of a fleet directory that an import has written: no number is negative, and its configs are right."""

import contextlib
import io
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from planner.cli.main import main

MAY_BE_REFUSED = ("larger than", "does not fit", "do not fit", "leaves nothing of", "must be on hosts of their own")
"""A mutant's VM may be larger than its hosts, and they may be too few or too small: that is for the check to say."""


def imported_problems(fleet: Path) -> list[str]:
    """List what is wrong with an imported fleet; empty where there is none."""
    problems = []
    vms = pq.read_table(fleet / "vms.parquet")
    for name in vms.column_names:
        if name.endswith(("_bytes", "_count", "vcpus")):
            least = pc.min(vms.column(name)).as_py()
            if least is not None and least < 0:
                problems.append(f"negative: {name} {least}")
    for config in sorted(fleet.glob("*.yaml")):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as err:
            code = main(["check", str(config)])
        said = err.getvalue()
        if code != 0 and not (code == 2 and any(words in said for words in MAY_BE_REFUSED)):
            problems.append(f"{config.name} is refused ({code}): {said[-600:]}")
    return problems
