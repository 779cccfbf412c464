"""How long commands take to answer, each in a process of its own, and the first sweep after an installation.

    python -m benchmarks.cold_start

CPU and wall time, the best of five, with the files in the system's cache. The first sweep has an empty cache folder:
what it takes beyond the second one is compiling. The reference is a Python that does nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, Measured, Reference, run_benchmark

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "cluster_configs"
COMMANDS = {
    "planner --help": (["--help"], 0.3),
    "planner --version": (["--version"], 0.3),
    "planner sweep --help": (["sweep", "--help"], 0.3),
    "planner nonsense": (["nonsense"], 0.3),
    "planner schema": (["schema"], 1.0),
    "planner check demo.yaml": (["check", str(CONFIGS / "demo.yaml")], 1.0),
    "planner check rules.yaml": (["check", str(CONFIGS / "rules.yaml")], 1.0),
}
"""Arguments, and the most CPU seconds that they may take."""
LONGEST_COMPILE_S = 30.0
ENTRY = "import sys; from planner.cli.main import main; sys.exit(main(sys.argv[1:]))"
SWEEP = {
    "schema_version": 1,
    "seed": 1,
    "fleet": {
        "hosts": [{"name": "h", "count": 2, "memory": "16 GiB", "cores": 8}],
        "vms": [{"name": "vm", "count": 4, "memory": "4 GiB"}],
    },
    "hypervisor": "esxi-8",
    "horizon": "2 h",
    "warm_up": "0 s",
    "sweep": {"overcommit_ratio": [1.0], "replicates": 1},
    "fidelity": {"pages_per_vm": 64},
}


def measure(size):
    rounds = {"tiny": 1, "usual": 5, "full": 5}[size]
    nothing = best(["-c", "pass"], rounds, {})
    reference = Reference("python -c pass", nothing["cpu_s"], "CPU s")
    times = {name: best(["-c", ENTRY, *argv], rounds, {}) for name, (argv, _) in COMMANDS.items()}
    figures = [Figure(name, times[name]["cpu_s"], "CPU s", reference, at_most=COMMANDS[name][1]) for name in COMMANDS]
    details = {"rounds": rounds, "times": times}
    if size != "tiny":
        first, second = first_sweep()
        compile_s = first["cpu_s"] - second["cpu_s"]
        figures.append(Figure("compiling, once", compile_s, "CPU s", reference, at_most=LONGEST_COMPILE_S))
        details |= {"first_sweep": first, "second_sweep": second}
    return Measured(figures, details)


def best(argv, rounds, environment):
    """Run a command some times; least CPU and wall seconds."""
    found = [timed(argv, environment) for _ in range(rounds)]
    return {key: round(min(item[key] for item in found), 4) for key in ("cpu_s", "wall_s")}


def timed(argv, environment):
    before, start_s = os.times(), time.monotonic()
    subprocess.run(
        [sys.executable, *argv], check=False, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )  # fmt: skip
    wall_s, after = time.monotonic() - start_s, os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return {"cpu_s": cpu_s, "wall_s": wall_s}


def first_sweep():
    """Run a sweep of two small hosts twice, the first time with nothing compiled."""
    with tempfile.TemporaryDirectory(prefix="planner-cold-") as folder:
        config = Path(folder) / "small.yaml"
        config.write_text(json.dumps(SWEEP))  # JSON is YAML
        environment = {"XDG_CACHE_HOME": folder, "NUMBA_CACHE_DIR": ""}
        argv = ["-c", WITHOUT_CACHE + ENTRY, "sweep", str(config), "--executor", "local", "--out", f"{folder}/run"]
        return timed(argv, environment), timed(argv, environment)


WITHOUT_CACHE = "import os; os.environ.pop('NUMBA_CACHE_DIR'); "
"""`python -m benchmarks` sets it, and an empty one is a folder for numba."""


if __name__ == "__main__":
    run_benchmark(measure, __doc__)
