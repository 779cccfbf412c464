"""How time and memory of a sweep grow: with hosts, VMs per host, ticks, pages per VM, ratios and workers.

    python -m benchmarks.growth

Each point is a sweep of generated managed-hosting VMs in a process of its own, on one worker but for the last series.
The exponent is the slope of log(CPU time above the fixed cost) over log(size), by least squares: 1 is linear. The fixed
cost is that of the smallest sweep there is: Python, libraries, loading the kernels, a report.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml

from benchmarks.figures import Figure, Measured, run_benchmark

LINEAR = 1.15
"""An exponent up to here passes for linear: the machine is shared."""


class Point(NamedTuple):
    """Size of a sweep."""

    hosts: int = 60
    vms_per_host: int = 25
    ticks: int = 2016
    pages_per_vm: int = 256
    ratios: int = 2
    workers: int = 0


BASES = {
    "tiny": Point(hosts=2, vms_per_host=4, ticks=144, ratios=1),
    "usual": Point(),
    "full": Point(hosts=150, ratios=4),
}
SMALLEST = {
    "tiny": Point(hosts=2, vms_per_host=4, ticks=144, ratios=1),
    "usual": Point(hosts=15, vms_per_host=8, ticks=504, ratios=1),
    "full": Point(hosts=50, vms_per_host=8, ticks=1008, ratios=1),
}
"""Where each axis starts, while the others are those of the base."""
FACTORS = {"tiny": (1, 2), "usual": (1, 2, 4, 8), "full": (1, 2, 4, 8)}
SERIES = ("hosts", "vms_per_host", "ticks", "pages_per_vm", "ratios")
WORKERS = (1, 2)


def measure(size):
    """Measure every series, from a base that is multiplied along one axis at a time."""
    base, factors = BASES[size], FACTORS[size]
    with tempfile.TemporaryDirectory() as scratch:
        fixed = run_sweep(Path(scratch), Point(hosts=2, vms_per_host=2, ticks=144, ratios=1))
        figures, details = [], {"fixed": fixed, "base": base._asdict(), "series": {}}
        for axis in SERIES:
            sizes = [getattr(SMALLEST[size], axis) * factor for factor in factors]
            points = [run_sweep(Path(scratch), base._replace(**{axis: value})) for value in sizes]
            details["series"][axis] = [{axis: value, **point} for value, point in zip(sizes, points, strict=True)]
            slope = exponent(sizes, [point["cpu_s"] - fixed["cpu_s"] for point in points])
            figures.append(Figure(f"CPU time against {axis}: exponent", slope, "", at_most=LINEAR))
            more = (points[-1]["peak_mib"] - points[0]["peak_mib"]) / (sizes[-1] / sizes[0] - 1)
            figures.append(Figure(f"memory for as much again of {axis}", more, "MiB"))
        runs = {n: run_sweep(Path(scratch), base._replace(workers=n, hosts=4 * base.hosts)) for n in WORKERS}
        details["series"]["workers"] = [{"workers": n, **point} for n, point in runs.items()]
        figures.append(Figure("wall time with 1 worker ÷ with 2", runs[1]["sweep_s"] / runs[2]["sweep_s"], ""))
    return Measured(figures, details)


def exponent(sizes, seconds):
    """Return the slope of log(seconds) over log(size)."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(seconds, 1e-3)), 1)[0])


def run_sweep(folder, point):
    """Run one sweep as a user would; returns CPU and wall time, and the peak of memory of one process."""
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(config_of(point)), encoding="utf-8")
    out = folder / "run"
    executor = ["--workers", str(point.workers)] if point.workers else ["--executor", "local"]
    words = [sys.executable, "-m", "benchmarks.growth", "--sweep", str(path), "--out", str(out), *executor]
    start_s, before = time.monotonic(), os.times()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    wall_s, after = time.monotonic() - start_s, os.times()
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        "cpu_s": round(cpu_s, 2),
        "wall_s": round(wall_s, 2),
        "sweep_s": manifest["wall_s"],
        "host_problems": manifest["host_problems"],
        "peak_mib": round(json.loads(done.stdout.splitlines()[-1])["peak_mib"]),
    }


def config_of(point):
    """Write the config of a point. Usable memory follows from the VMs, so that ratios mean the same at every size."""
    hosts = {"name": "h", "count": point.hosts, "memory": f"{max(256, point.vms_per_host * 8)} GiB", "cores": 64}
    return {
        "schema_version": 1,
        "seed": 1,
        "fleet": {
            "hosts": [hosts],
            "vms": {"generate": "managed-hosting", "count": point.hosts * point.vms_per_host},
        },
        "hypervisor": "esxi-8",
        "horizon": f"{point.ticks * 5} min",
        "tick": "5 min",
        "warm_up": "1 h",
        "sweep": {
            "overcommit_ratio": [round(1.6 + 0.05 * step, 2) for step in range(point.ratios)],
            "placement": ["first-fit"],
            "replicates": 1,
        },
        "fidelity": {"pages_per_vm": point.pages_per_vm},
    }


def sweep_and_tell(words):
    """Run the sweep in this process and print the most memory that it held."""
    from benchmarks.machine import peak_gib
    from planner.cli.main import main as planner_main

    path, *others = words
    code = planner_main(["sweep", path, *others])
    sys.stdout.write("\n" + json.dumps({"peak_mib": peak_gib() * 1024}) + "\n")
    return 0 if code in (0, 3) else code


if __name__ == "__main__":
    if "--sweep" in sys.argv:
        sys.exit(sweep_and_tell(sys.argv[2:]))
    run_benchmark(measure, __doc__)
