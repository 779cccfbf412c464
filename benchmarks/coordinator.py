"""What the driver of a sweep needs for each host problem, when outcomes come as fast as it takes them.

    python -m benchmarks.coordinator --size full

Everything of a sweep but the simulation: placing, keys, unpacking what workers pack, the journal, tables, summary and
report. A stand-in for the cluster hands over batches of ready outcomes, packed as workers pack them. Values are made up
and mean nothing. docs/scaling.md draws conclusions from these figures.
"""

import json
import os
import pickle
import sys
import tempfile
import time
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

from planner.cli.environment import prepare_environment

prepare_environment(will_join_cluster=False)

from benchmarks.figures import Figure, Measured, run_benchmark  # noqa: E402 (numba reads the environment at import)
from benchmarks.machine import peak_gib, time_of_draws  # noqa: E402
from benchmarks.ready import Fleet, ReadySim, make_outcome  # noqa: E402
from planner.cli import run_sweep  # noqa: E402
from planner.cli.interrupt import journaled  # noqa: E402
from planner.cli.run_sweep import SweepJob, prepare_sweep  # noqa: E402
from planner.config.catalog import expand_hypervisor  # noqa: E402
from planner.config.spec import PlannerConfig  # noqa: E402
from planner.fleet.channel import pack_outcomes, unpack_outcomes  # noqa: E402
from planner.fleet.ray_pool import RayExecutor  # noqa: E402
from planner.results.identity import identify_run  # noqa: E402
from planner.results.journal import open_journal  # noqa: E402
from planner.sweep.expand import expand_scenarios  # noqa: E402
from planner.sweep.placing import SweepPlanner  # noqa: E402

VMS_PER_HOST = 26
RATIOS = (1.0, 1.2, 1.4, 1.6)
BATCH = 16
GOAL_MS = 1.0
FLEETS = {"tiny": ((20, 1),), "usual": ((100, 3), (100, 30)), "full": ((100, 3), (100, 30), (100, 300), (1800, 30))}
"""Hosts and replicates of sweeps of four ratios."""


class ReadyOutcomes:
    """An executor that hands over made-up outcomes.

    Attributes
    ----------
    made_s : float
        CPU time that making and packing them took: no work of the driver. [s]
    sent_bytes, received_bytes : int
        Size of all messages, out and back.
    """

    def __init__(self):
        self.made_s = 0.0
        self.sent_bytes = self.received_bytes = 0

    def run_problems(self, problems, sim_factory, source, sink, progress):
        for first in range(0, len(problems), BATCH):
            start_s = time.process_time()
            batch = problems[first : first + BATCH]
            packed = pack_outcomes([make_outcome(first + n, problem) for n, problem in enumerate(batch)])
            self.sent_bytes += len(pickle.dumps(batch, protocol=5))
            self.received_bytes += len(packed)
            self.made_s += time.process_time() - start_s
            for n, outcome in enumerate(unpack_outcomes(packed)):
                sink(first + n, outcome)
            progress(len(batch))

    def worker_cpu_s(self):
        return 0.0


def measure(size):
    """Measure sweeps of more and more host problems, each in a process of its own: peak memory is its own."""
    figures, details = [], []
    for hosts, replicates in FLEETS[size]:
        found = in_child(hosts, replicates)
        name = f"{found['host_problems']:,} host problems"
        figures += [
            Figure(f"{name}: driver CPU each", found["ms_per_problem"], "ms", at_most=GOAL_MS),
            Figure(f"{name}: driver peak memory", found["peak_gib"], "GiB"),
        ]
        details.append(found)
    through_ray = send_through_ray(*FLEETS[size][min(1, len(FLEETS[size]) - 1)])
    figures.append(Figure("through Ray with two workers", through_ray["host_problems_per_s"], "host problems/s"))
    cpu_s = details[-1]["ms_per_problem"] * details[-1]["host_problems"] / 1e3
    figures.append(Figure("the last sweep: driver CPU", cpu_s, "s", time_of_draws()))
    return Measured(figures, {"sweeps": details, "ray": through_ray})


def in_child(hosts, replicates):
    """Run one sweep in a forked process and return what it found."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(writer, "w") as pipe:
            json.dump(run_one(hosts, replicates), pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)


def send_through_ray(hosts, replicates):
    """Send the problems of a sweep through a real Ray with two workers that have every outcome ready."""
    config = PlannerConfig.model_validate(config_of(hosts, replicates))
    source = Fleet(hosts * VMS_PER_HOST)
    problems = SweepPlanner(config, source).plan(expand_scenarios(config)).problems
    with RayExecutor(workers=2) as executor:
        executor.run_problems(problems[:BATCH], ReadySim, source, lambda *_: None, lambda _: None)
        start_s, own_s = time.perf_counter(), time.process_time()
        executor.run_problems(problems, ReadySim, source, lambda *_: None, lambda _: None)
        wall_s, own_s = time.perf_counter() - start_s, time.process_time() - own_s
    return {
        "host_problems": len(problems),
        "host_problems_per_s": len(problems) / wall_s,
        "wall_ms_per_problem": 1e3 * wall_s / len(problems),
        "own_cpu_ms_per_problem": 1e3 * own_s / len(problems),
        "worker_cpu_ms_per_problem": 1e3 * executor.worker_cpu_s() / len(problems),
    }


def run_one(hosts, replicates):
    """Run one sweep; returns CPU time by part and peak memory."""
    parts = {}
    config = PlannerConfig.model_validate(config_of(hosts, replicates))
    source, executor = Fleet(hosts * VMS_PER_HOST), ReadyOutcomes()
    with tempfile.TemporaryDirectory() as scratch, Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        job = SweepJob(config, Path("sweep.yaml"), (), Path(scratch) / "run")
        start_s = time.process_time()
        with timed(parts, "place"):
            prepared = prepare_sweep(job, source)
        identity = identify_run("sweep", config, source.vms, Path())
        with patched(parts), journaled(open_journal(job.out, identity, False, lambda text: None)) as journal:
            run_sweep.run_sweep(job, prepared, executor, ReadySim, journal)
        cpu_s = time.process_time() - start_s - executor.made_s
        sizes = {path.name: path.stat().st_size for path in job.out.iterdir() if path.is_file()}
    parts["simulate_plan"] -= executor.made_s
    n_problems = len(prepared[1].problems)
    return {
        "hosts": hosts,
        "replicates": replicates,
        "host_problems": n_problems,
        "ms_per_problem": 1e3 * cpu_s / n_problems,
        "ms_per_problem_by_part": {name: round(1e3 * s / n_problems, 4) for name, s in parts.items()},
        "peak_gib": round(peak_gib(), 3),
        "message_bytes_per_problem": [executor.sent_bytes // n_problems, executor.received_bytes // n_problems],
        "file_bytes": sizes,
    }


def config_of(hosts, replicates):
    """Write the config of a sweep of that size."""
    return {
        "schema_version": 1,
        "seed": 1,
        "fleet": {
            "hosts": [{"name": "esx", "count": hosts, "memory": "256 GiB", "cores": 64}],
            "vms": {"generate": "managed-hosting", "count": hosts * VMS_PER_HOST},
        },
        "hypervisor": expand_hypervisor("esxi-8"),
        "horizon": "1 days",
        "sweep": {"overcommit_ratio": list(RATIOS), "placement": ["first-fit"], "replicates": replicates},
    }


@contextmanager
def timed(parts, name):
    """Add the CPU time of a block to its part."""
    start_s = time.process_time()
    yield
    parts[name] = parts.get(name, 0.0) + time.process_time() - start_s


@contextmanager
def patched(parts):
    """Time the parts of a sweep, report included, while the block runs."""
    names = ("simulate_plan", "summarize_stages", "write_run", "render_report")
    kept = {name: getattr(run_sweep, name) for name in names}

    def wrap(name):
        def call(*args, **kwargs):
            with timed(parts, name):
                return kept[name](*args, **kwargs)

        return call

    for name in names:
        setattr(run_sweep, name, wrap(name))
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(run_sweep, name, function)


if __name__ == "__main__":
    sys.exit(run_benchmark(measure, __doc__))
