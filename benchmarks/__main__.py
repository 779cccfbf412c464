"""Run every benchmark once, each in a process of its own, and print one table: `make bench`.

    python -m benchmarks                          all of them, in the size that takes minutes
    python -m benchmarks --size full              as long as it needs: the goals' own sizes
    python -m benchmarks --only fleet_replay --only page_kernel

A figure's last column is its ratio to a reference measured in the same process: copying memory, draws of the planner's
hash, or another program at the same job. Everything is written as JSON, too, with a description of the machine.
"""

import argparse
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.figures import SIZES
from planner.cli.environment import prepare_environment

prepare_environment(will_join_cluster=False)

from benchmarks.machine import describe_machine  # noqa: E402 (the environment is read when numba is imported)

BENCHMARKS = (
    "cold_start",
    "fleet_replay",
    "host_week",
    "exact_host",
    "translation",
    "placement",
    "overcommit_sweep",
    "sweep_efficiency",
    "coordinator",
    "page_kernel",
    "page_replacement",
    "large_fleet",
    "import_fleet",
    "growth",
)
OUT = Path("reports/benchmarks.json")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="usual")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--out", type=Path, default=OUT, help=f"JSON file to write; default {OUT}")
    given = parser.parse_args(argv)
    console = Console(stderr=True)
    found = {
        "machine": describe_machine(),
        "date": datetime.now(UTC).date().isoformat(),
        "size": given.size,
        "benchmarks": {},
    }
    for name in given.only or BENCHMARKS:
        console.print(f"{name} ...", highlight=False)
        found["benchmarks"][name] = run(name, given.size)
        # After each: hours of figures are not lost with the last one.
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    Console(width=None if sys.stdout.isatty() else 150).print(as_table(found))
    console.print(f"Written to {given.out}", highlight=False)
    return int(any("error" in entry for entry in found["benchmarks"].values()))


def run(name, size):
    """Run one benchmark; returns its JSON object and the time it took, or what went wrong."""
    start_s = time.monotonic()
    words = [sys.executable, "-m", f"benchmarks.{name}", "--size", size]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    took = {"wall_s": round(time.monotonic() - start_s, 1)}
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {**took, "figures": [], "error": lines[-1]}
    return {**took, **json.loads(done.stdout)}


def as_table(found):
    """Make the table of all figures."""
    table = Table("benchmark", "figure", "value", "unit", "goal", "", "ratio", "to", pad_edge=False)
    for name, entry in found["benchmarks"].items():
        for number, figure in enumerate(entry["figures"]):
            table.add_row("" if number else name, *cells(figure))
        if "error" in entry:
            table.add_row(name, f"failed: {entry['error']}")
        table.add_section()
    return table


def cells(figure):
    """Write the cells of one figure, after its benchmark."""
    reference = figure["reference"]
    ratio = "" if reference is None else short(figure["ratio_to_reference"])
    to = "" if reference is None else f"{reference['name']}, {short(reference['value'])} {reference['unit']}"
    is_met = {None: "", True: "met", False: "missed"}[figure["is_met"]]
    return figure["name"], short(figure["value"]), figure["unit"], goal(figure), is_met, ratio, to


def goal(figure):
    """Write the goal of a figure."""
    if figure["at_least"] is not None:
        return f">= {short(figure['at_least'])}"
    return "" if figure["at_most"] is None else f"<= {short(figure['at_most'])}"


def short(value):
    """Write a number with three digits that count, thousands apart."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}" if abs(value) < 1e7 else f"{value / 1e6:,.0f} million"
    return f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
