"""A sweep of the size that no other simulator runs: 100 hosts, 2,000 VMs, a day, 11 ratios, 10 replicates.

    python -m benchmarks.overcommit_sweep --size full
    python -m benchmarks.overcommit_sweep --demand managed

Hosts of 64 cores and 512 GiB; VMs of 2 vCPUs and 4, 8, 16 or 32 GiB; 288 ticks of 5 minutes; ratios 1.0 to 2.0 in steps
of 0.1, placed first-fit. `uniform`: every VM touches between 20 and 80 % of its memory in every tick, drawn anew each
tick: far more than any fleet does, and no ratio above 1.4 can hold it. `managed`: the planner's own managed-hosting
generator. Prints wall and CPU time and VM-ticks per CPU second.
"""

import argparse
import json
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import yaml

from benchmarks.figures import SIZES, Figure, Measured, print_measured
from planner.cli.main import main as planner_main
from planner.units import GIB
from planner.workload.fleet_files import write_fleet
from planner.workload.fleet_records import FleetFiles, FleetInfo, VmRecord

SIZES_GIB = (4, 8, 16, 32)
DAY_TICKS, TICK_S = 288, 300
LOWEST, HIGHEST = 0.2, 0.8
FLEETS = {"tiny": (2, 30, 1), "usual": (20, 400, 3), "full": (100, 2000, 10)}
"""Hosts, VMs and replicates."""


def build_uniform_fleet(folder, n_vms, n_days):
    """Write a fleet whose demand is drawn anew in every tick; granted is what was touched at most so far that day."""
    rng = np.random.default_rng(47)
    sizes = rng.choice(SIZES_GIB, n_vms) * GIB
    shares = rng.uniform(LOWEST, HIGHEST, (n_vms, n_days * DAY_TICKS)).astype(np.float32)
    active = shares * sizes[:, None].astype(np.float32)
    granted = np.maximum.accumulate(active, axis=1)
    vms = tuple(VmRecord(f"vm-{v:05d}", int(size), "table", vcpus=2) for v, size in enumerate(sizes))
    write_fleet(folder, FleetFiles(FleetInfo("made up: uniform demand", "", TICK_S, 0), vms, active, granted))


def build_config(folder, args):
    """Write the sweep's config; returns its path."""
    vms = {"generate": "managed-hosting", "count": args.vms}
    if args.demand == "uniform":
        build_uniform_fleet(folder / "fleet", args.vms, args.replicates)
        vms = {"fleet": "fleet"}
    config = {
        "schema_version": 1,
        "seed": 1,
        "fleet": {"hosts": [{"name": "h", "count": args.hosts, "memory": "512 GiB", "cores": 64}], "vms": vms},
        "hypervisor": "esxi-8",
        "horizon": "1 days",
        "tick": "5 min",
        "warm_up": "2 h",
        "sweep": {
            "overcommit_ratio": [round(1.0 + 0.1 * step, 1) for step in range(11)],
            "placement": ["first-fit"],
            "replicates": args.replicates,
        },
    }
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def run_sweep(args):
    """Run the sweep as a user would; returns what it took."""
    with tempfile.TemporaryDirectory() as scratch:
        path = build_config(Path(scratch), args)
        out = args.out or Path(scratch) / "run"
        start_s = time.perf_counter()
        with redirect_stdout(sys.stderr):
            code = planner_main(["sweep", str(path), "--out", str(out)])
        wall_s = time.perf_counter() - start_s
        manifest = json.loads((out / "manifest.json").read_text())
    swept = [item for item in manifest["scenarios"] if item["role"] == "sweep"]
    vm_ticks = sum(item["vms_placed"] for item in swept) * DAY_TICKS * args.replicates
    return {
        "demand": args.demand,
        "exit_code": code,
        "wall_s": round(wall_s, 1),
        "cpu_s": manifest["cpu_s"],
        "host_runs": manifest["host_runs"],
        "host_problems": manifest["host_problems"],
        "vm_ticks_of_the_sweep": vm_ticks,
        "vm_ticks_per_cpu_s": round(vm_ticks / manifest["cpu_s"]),
    }


def measure(args):
    """Return the figures of the sweep."""
    found = run_sweep(args)
    from benchmarks.machine import time_of_draws  # numba reads the environment that the sweep has set

    return Measured(
        [
            Figure("wall time", found["wall_s"], "s"),
            Figure("CPU time", found["cpu_s"], "s", time_of_draws()),
            Figure("VM-ticks of the sweep per CPU second", found["vm_ticks_per_cpu_s"], "1/s"),
        ],
        found,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="usual")
    parser.add_argument("--demand", choices=("uniform", "managed"), default="uniform")
    parser.add_argument("--out", type=Path, help="keep the run directory here")
    args = parser.parse_args()
    args.hosts, args.vms, args.replicates = FLEETS[args.size]
    print_measured(measure(args))


if __name__ == "__main__":
    main()
