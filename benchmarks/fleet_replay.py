"""A fleet's day on the full stack, in this process alone: generate, place, simulate, build the result tables.

    python -m benchmarks.fleet_replay                          # 500 hosts, 10,000 VMs, nothing overcommitted
    python -m benchmarks.fleet_replay --overcommit 1.5         # the same VMs on fewer hosts: reclaim at work

Hosts of 64 cores and 512 GiB; VMs of 2 vCPUs and 4, 8, 16 or 32 GiB (seed 47); ticks of 300 s. In every tick each VM
touches between 20 and 80 % of its memory, drawn anew, from float32 arrays made beforehand; granted is the most touched
so far. First-fit placement at the ratio asked. Prints VM-ticks per CPU second, peak memory and CPU seconds by part;
what start-up, imports and loading compiled kernels cost is stated apart.
"""

import argparse
import time
from contextlib import contextmanager

STARTED_S = time.process_time()

import numpy as np  # noqa: E402 (start-up is measured)

from planner.cli.environment import prepare_environment  # noqa: E402

prepare_environment(will_join_cluster=False)

from benchmarks.figures import SIZES, Figure, Measured, print_measured  # noqa: E402
from benchmarks.machine import peak_gib, time_of_a_draw  # noqa: E402
from planner.config.spec import PlannerConfig  # noqa: E402
from planner.host.simulator import HostSim  # noqa: E402
from planner.results.outcomes import KnownOutcomes  # noqa: E402
from planner.results.tables import PlanTables  # noqa: E402
from planner.sweep.expand import expand_scenarios  # noqa: E402
from planner.sweep.placing import SweepPlanner  # noqa: E402
from planner.units import GIB  # noqa: E402
from planner.workload.fleet import Demand, plain_vms  # noqa: E402

QUIET_GOAL, PRESSED_GOAL = 5e6, 1.5e6
"""VM-ticks per CPU second without overcommit, and with reclaim at work in most hosts."""
_HOSTS_AND_VMS = {"tiny": (10, 100), "usual": (500, 10_000), "full": (500, 10_000)}
SIZES_GIB = (4, 8, 16, 32)
TICK_S = 300.0
LOWEST, HIGHEST = 0.2, 0.8
BUSY_VCPUS = 2 * (0.05 + 0.55) / 2
SEED = 47
WARM_VMS = 4


class UniformSource:
    """VMs whose demand is drawn beforehand, every tick anew (a `DemandSource`)."""

    def __init__(self, n_vms, n_ticks):
        rng = np.random.default_rng(SEED)
        self.vms = plain_vms(rng.choice(SIZES_GIB, n_vms).astype(np.int64) * GIB)
        self.vms.vcpus[:] = 2
        self._active = rng.random((n_vms, n_ticks), dtype=np.float32) * np.float32(HIGHEST - LOWEST)
        self._active += np.float32(LOWEST)
        self._granted = np.maximum.accumulate(self._active, axis=1)

    def demand(self, replicate, vm_idx=None):
        rows = np.arange(len(self.vms)) if vm_idx is None else vm_idx
        return Demand(TICK_S, self._active[rows], self._granted[rows], np.full(len(rows), BUSY_VCPUS))

    def history(self, length_s, vm_idx=None):
        return self.demand(0, vm_idx)

    def history_meaning(self):
        return "The day itself."

    def independent_replicates(self):
        return 1

    def origin(self):
        return None

    def replicate_meaning(self):
        return "Nothing."


class Clock:
    """CPU seconds by part of the work."""

    def __init__(self):
        self.parts_s = {}

    @contextmanager
    def part(self, name):
        start_s = time.process_time()
        yield
        self.parts_s[name] = self.parts_s.get(name, 0.0) + time.process_time() - start_s


def build_config(args):
    host = {"name": "h", "count": args.hosts, "memory": "512 GiB", "cores": 64}
    return PlannerConfig.model_validate(
        {
            "schema_version": 1,
            "seed": 1,
            "fleet": {"hosts": [host], "vms": {"generate": "managed-hosting", "count": args.vms}},
            "hypervisor": args.hypervisor,
            "horizon": f"{args.ticks * TICK_S:g} s",
            "tick": f"{TICK_S:g} s",
            "warm_up": "0 s",
            "workload": {"tail": args.tail},
            "sweep": {"overcommit_ratio": [args.overcommit], "placement": ["first-fit"], "replicates": 1},
        }
    )


def run(args, clock):
    """Do the whole job, to the result tables; returns the plan, the tables' rows and the simulation."""
    with clock.part("generate"):
        source = UniformSource(args.vms, args.ticks)
    with clock.part("place"):
        config = build_config(args)
        plan = SweepPlanner(config, source).plan(expand_scenarios(config))
    with clock.part("simulate"):
        sim = HostSim(source)
        outcomes = [sim.run(problem) for problem in plan.problems]
    with clock.part("tables"):
        known = KnownOutcomes()
        keys = [known.key(plan.source, problem) for problem in plan.problems]
        for key, outcome in zip(keys, outcomes, strict=True):
            known.store.add(key, outcome)
        tables = PlanTables(plan, known.store, known.ask(keys))
        rows = [sum(piece.num_rows for piece in pieces) for pieces in (tables.host_pieces(), tables.vm_pieces())]
    return plan, rows, sim


def load(args):
    """Do the job on a few VMs: loads, or compiles, every kernel and imports what is imported when it is needed."""
    few = argparse.Namespace(**{**vars(args), "hosts": 1, "vms": WARM_VMS})
    plan, _, sim = run(few, Clock())
    sim.prepare(plan.problems[0])


def replay(args):
    """Run the job once; returns its JSON-ready figures."""
    clock = Clock()
    clock.parts_s["start_up"] = time.process_time() - STARTED_S
    with clock.part("load"):
        load(args)
    plan, (n_hosts, n_vms), sim = run(args, clock)
    cpu_s = sum(seconds for name, seconds in clock.parts_s.items() if name not in ("start_up", "load"))
    vm_ticks = n_vms * args.ticks
    return {
        "hosts": n_hosts,
        "hosts_quiet": sum(sim.is_quiet(problem) for problem in plan.problems),
        "vms": n_vms,
        "vms_unplaced": len(plan.placed[0].unplaced),
        "ticks": args.ticks,
        "overcommit_ratio": args.overcommit,
        "hypervisor": args.hypervisor,
        "page_scale": plan.placed[0].page_scale,
        "vm_ticks": vm_ticks,
        "vm_ticks_per_cpu_s": vm_ticks / cpu_s,
        "cpu_s": cpu_s,
        "cpu_s_by_part": {name: round(seconds, 3) for name, seconds in clock.parts_s.items()},
        "peak_rss_gib": peak_gib(),
    }


def measure(size, args):
    """Run the job as asked for, or without overcommit and at 1.5; returns `Measured`."""
    hosts, vms = _HOSTS_AND_VMS[size]
    args.hosts, args.vms = args.hosts or hosts, args.vms or vms
    ratios = (1.0, 1.5) if args.overcommit is None else (args.overcommit,)
    found = [replay(argparse.Namespace(**{**vars(args), "overcommit": ratio})) for ratio in ratios]
    draw = time_of_a_draw()
    figures = []
    for entry in found:
        goal = QUIET_GOAL if entry["overcommit_ratio"] <= 1.0 else PRESSED_GOAL
        name = f"VM-ticks, overcommit {entry['overcommit_ratio']:g}"
        figures.append(Figure(name, entry["vm_ticks_per_cpu_s"], "1/CPU s", None, at_least=goal))
        ns = 1e9 / entry["vm_ticks_per_cpu_s"]
        figures.append(Figure(f"one VM-tick, overcommit {entry['overcommit_ratio']:g}", ns, "ns", draw))
    figures.append(Figure("peak memory", found[-1]["peak_rss_gib"], "GiB"))
    return Measured(figures, {"runs": found})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="usual")
    parser.add_argument("--hosts", type=int)
    parser.add_argument("--vms", type=int)
    parser.add_argument("--ticks", type=int, default=288)
    parser.add_argument("--overcommit", type=float, help="default: first 1.0, then 1.5")
    parser.add_argument("--hypervisor", default="esxi-8")
    parser.add_argument("--tail", default="middle")
    args = parser.parse_args()
    print_measured(measure(args.size, args))


if __name__ == "__main__":
    main()
