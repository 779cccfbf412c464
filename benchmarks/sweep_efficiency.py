"""Where the wall time of a sweep goes: with one and with two workers, on the sweep of `overcommit_sweep`.

    python -m benchmarks.sweep_efficiency --size full
    python -m benchmarks.sweep_efficiency --config cluster_configs/demo.yaml

Efficiency is CPU time that workers spent on hosts ÷ (workers x wall time of the whole command, imports and report
included). On a machine that does other work, too, it is a lower bound. Parts are wall and CPU seconds of the planner's
own process; `simulate` is the time in which workers have hosts, and its own efficiency is given beside it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

from benchmarks.figures import SIZES, Figure, Measured, print_measured

PARTS = {
    "planner.cli.sweep": ("build_source", "prepare_sweep", "warm_up"),
    "planner.cli.run_sweep": ("summarize_stages", "simulate_timelines", "write_run"),
}
WORKERS = (1, 2)
GOAL_EFFICIENCY, GOAL_SPEED_UP, GOAL_DRIVER_MS = 0.95, 1.9, 1.0


class Clock:
    """Wall and CPU time of named parts, summed."""

    def __init__(self):
        self.parts = {}

    def around(self, name, function):
        """Return the function, timed under a name."""

        def timed(*args, **kwargs):
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                part = self.parts.setdefault(name, {"wall_s": 0.0, "cpu_s": 0.0})
                part["wall_s"] += time.perf_counter() - wall_s
                part["cpu_s"] += time.process_time() - cpu_s

        return timed


def run_once(config, workers):
    """Run the sweep in this process with so many workers; return its times."""
    import importlib

    from planner.cli.main import main as planner_main
    from planner.fleet.ray_pool import RayExecutor

    clock, executors, problems = Clock(), set(), []
    for module, names in PARTS.items():
        found = importlib.import_module(module)
        for name in names:
            setattr(found, name, clock.around(name, getattr(found, name)))
    run_problems = clock.around("simulate", RayExecutor.run_problems)

    def counted(executor, given, *args):
        executors.add(executor)
        problems.append(len(given))
        return run_problems(executor, given, *args)

    RayExecutor.run_problems = counted
    RayExecutor.__exit__ = clock.around("close", RayExecutor.__exit__)
    with tempfile.TemporaryDirectory() as scratch, redirect_stdout(sys.stderr):
        code = planner_main(["sweep", str(config), "--out", str(Path(scratch) / "run"), "--workers", str(workers)])
    worker_cpu_s = sum(executor.worker_cpu_s() for executor in executors)
    return {
        "workers": workers,
        "exit_code": code,
        "host_problems": sum(problems),
        "worker_cpu_s": worker_cpu_s,
        "own_cpu_s": time.process_time(),
        "simulate_efficiency": worker_cpu_s / workers / clock.parts["simulate"]["wall_s"],
        "parts": clock.parts,
    }


def run_apart(config, workers):
    """Run the sweep in a process of its own; return its times, with the wall time of the whole."""
    words = [sys.executable, "-m", "benchmarks.sweep_efficiency", "--config", str(config), "--once", str(workers)]
    began_s, load = time.perf_counter(), os.getloadavg()[0]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    wall_s = time.perf_counter() - began_s
    found = json.loads(done.stdout)
    return {**found, "wall_s": wall_s, "efficiency": found["worker_cpu_s"] / workers / wall_s, "load_before": load}


def measure(config):
    """Return the figures of a sweep with one and with two workers; compiled before, by a first run."""
    run_apart(config, 1)
    runs = [run_apart(config, workers) for workers in WORKERS]
    one, two = runs
    driver_ms = 1e3 * two["parts"]["simulate"]["cpu_s"] / max(1, two["host_problems"])
    return Measured(
        [
            Figure("efficiency with 2 workers", two["efficiency"], "", at_least=GOAL_EFFICIENCY),
            Figure("efficiency while simulating", two["simulate_efficiency"], ""),
            Figure("speed-up from 1 to 2 workers", one["wall_s"] / two["wall_s"], "", at_least=GOAL_SPEED_UP),
            Figure("own CPU time per host problem", driver_ms, "ms", at_most=GOAL_DRIVER_MS),
        ],
        {"runs": runs},
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="usual")
    parser.add_argument("--demand", choices=("uniform", "managed"), default="uniform")
    parser.add_argument("--config", type=Path, help="another sweep")
    parser.add_argument("--once", type=int, metavar="WORKERS", help="one run, in this process")
    args = parser.parse_args()
    if args.once:
        sys.stdout.write(json.dumps(run_once(args.config, args.once)) + "\n")
        return
    if args.config:
        print_measured(measure(args.config))
        return
    from benchmarks.overcommit_sweep import FLEETS, build_config

    args.hosts, args.vms, args.replicates = FLEETS[args.size]
    with tempfile.TemporaryDirectory() as scratch:
        print_measured(measure(build_config(Path(scratch), args)))


if __name__ == "__main__":
    main()
