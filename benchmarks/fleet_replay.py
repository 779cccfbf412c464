"""A fleet's day on the full stack, in this process alone: generate, place, simulate, build the result tables.

    python -m benchmarks.fleet_replay                          # 500 hosts, 10,000 VMs, nothing overcommitted
    python -m benchmarks.fleet_replay --overcommit 1.5         # the same VMs on fewer hosts: reclaim at work

Hosts of 64 cores and 512 GiB; VMs of 2 vCPUs and 4, 8, 16 or 32 GiB (seed 47); ticks of 300 s. In every tick each VM
touches between 20 and 80 % of its memory, drawn anew, from float32 arrays made beforehand; granted is the most touched
so far. First-fit placement at the ratio asked. Prints VM-ticks per CPU second, peak memory and CPU seconds by part;
what start-up and loading compiled kernels cost is stated apart.
"""

import argparse
import json
import resource
import sys
import time
from contextlib import contextmanager

STARTED_S = time.process_time()

import numpy as np  # noqa: E402 (start-up is measured)

from planner.cli.environment import prepare_environment  # noqa: E402

prepare_environment(will_join_cluster=False)

from planner.config.spec import PlannerConfig  # noqa: E402
from planner.host.simulator import HostSim  # noqa: E402
from planner.results.tables import host_table, vm_table  # noqa: E402
from planner.sweep.expand import expand_scenarios  # noqa: E402
from planner.sweep.placing import SweepPlanner  # noqa: E402
from planner.units import GIB  # noqa: E402
from planner.workload.fleet import Demand, plain_vms  # noqa: E402

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


def load_kernels(args, config):
    """Simulate one small host: loads, or compiles, every kernel."""
    source = UniformSource(WARM_VMS, args.ticks)
    (problem,) = SweepPlanner(config, source).plan(expand_scenarios(config)).problems[:1]
    sim = HostSim(source)
    sim.run(problem)
    sim.prepare(problem)


def run(args, clock):
    """Do the whole job; returns the plan and the tables."""
    with clock.part("generate"):
        source = UniformSource(args.vms, args.ticks)
    with clock.part("place"):
        config = build_config(args)
        plan = SweepPlanner(config, source).plan(expand_scenarios(config))
    with clock.part("simulate"):
        sim = HostSim(source)
        outcomes = [sim.run(problem) for problem in plan.problems]
    with clock.part("tables"):
        tables = host_table(plan, outcomes), vm_table(plan, outcomes)
    with clock.part("quiet"):
        quiet = sum(sim.is_quiet(problem) for problem in plan.problems)
    return plan, tables, quiet


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=500)
    parser.add_argument("--vms", type=int, default=10_000)
    parser.add_argument("--ticks", type=int, default=288)
    parser.add_argument("--overcommit", type=float, default=1.0)
    parser.add_argument("--hypervisor", default="esxi-8")
    parser.add_argument("--tail", default="middle")
    args = parser.parse_args()
    clock = Clock()
    clock.parts_s["start_up"] = time.process_time() - STARTED_S
    with clock.part("load_kernels"):
        load_kernels(args, build_config(args))
    plan, (hosts, vms), quiet = run(args, clock)
    checked_s = clock.parts_s.pop("quiet")
    apart = ("start_up", "load_kernels")
    cpu_s = sum(seconds for name, seconds in clock.parts_s.items() if name not in apart)
    vm_ticks = vms.num_rows * args.ticks
    figures = {
        "hosts": hosts.num_rows,
        "hosts_quiet": quiet,
        "vms": vms.num_rows,
        "vms_unplaced": len(plan.placed[0].unplaced),
        "ticks": args.ticks,
        "overcommit_ratio": args.overcommit,
        "page_scale": plan.placed[0].page_scale,
        "vm_ticks": vm_ticks,
        "vm_ticks_per_cpu_s": round(vm_ticks / cpu_s),
        "cpu_s": round(cpu_s, 3),
        "cpu_s_by_part": {name: round(seconds, 3) for name, seconds in clock.parts_s.items()},
        "cpu_s_to_tell_quiet_hosts": round(checked_s, 3),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
