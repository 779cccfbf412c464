"""A stand-in for the host simulation: every value is a pure function of the problem and the source, and cheap."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from planner.config.catalog import expand_hypervisor
from planner.config.spec import PlannerConfig
from planner.host.problem import HostResult
from planner.schema import HOST_COLUMNS, N_SLOWDOWN_BINS, TIMELINE_COLUMNS, VM_COLUMNS
from planner.sweep.expand import expand_scenarios
from planner.sweep.placing import SweepPlanner
from planner.units import GIB, MIB
from planner.workload.fleet import Demand, VmTable
from tests.whole_source import WholeSource


@dataclass
class FakeSource(WholeSource):
    """A fleet of VMs of 4, 8 and 16 GiB with demand that nobody looks at closely."""

    count: int = 24
    n_ticks: int = 12
    vms: VmTable = field(init=False)

    def __post_init__(self):
        memory = (np.resize([4, 8, 16], self.count) * GIB).astype(np.int64)
        blank = (None,) * self.count
        self.vms = VmTable(
            tuple(f"vm-{i + 1:03d}" for i in range(self.count)), memory, np.full(self.count, 2), blank, blank,
            blank, memory // MIB * 10, np.zeros(self.count, dtype=np.int64), memory, np.ones(self.count, dtype=bool),
        )  # fmt: skip

    def whole(self, replicate):
        shape = (self.count, self.n_ticks)
        active = np.full(shape, 0.1 + 0.01 * replicate, dtype=np.float32)
        return Demand(300.0, active, np.full(shape, 0.5, dtype=np.float32), np.ones(self.count))

    def independent_replicates(self):
        return None

    def origin(self):
        return None

    def replicate_meaning(self):
        return "Nothing but the number differs."


class FakeSim:
    """Values from a hash of (VMs, replicate, ratio reached): like the real one, nothing depends on order or worker."""

    def __init__(self, source):
        self.source = source

    def run(self, problem, keep_timeline=False, ticked=None):
        names = [self.source.vms.names[vm] for vm in problem.vm_idx]
        demand = self.source.demand(problem.replicate)
        configured = self.source.vms.configured_bytes[list(problem.vm_idx)]
        ratio = configured.sum() / problem.host.memory_bytes
        level = float(np.nanmean(demand.active_fraction[:, 0])) + len(names) / 100
        level *= {"low": 0.5, "middle": 1.0, "high": 2.0}[problem.workload.tail]
        swapped = max(0.0, ratio - 1.3) * 1e9 * level
        row = {c.name: _value(c.dtype, level) for c in HOST_COLUMNS if c.simulated}
        row |= {
            "slo_is_broken": bool(swapped > 1e7),
            "slo_swap_in_is_broken": bool(swapped > 1e7),
            "swapped_bytes_mean": swapped,
            "denied_bytes": 0,
        }
        row |= {"swap_in_bytes_per_s_p99": swapped / 100, "granted_bytes_max": int(configured.sum() * 0.5)}
        row |= {"slowdown_histogram": [len(names)] + [0] * (N_SLOWDOWN_BINS - 1)}
        vm_rows = {
            c.name: (configured * level).astype(np.int64 if c.dtype == "int64" else float)
            for c in VM_COLUMNS
            if c.simulated
        }
        timeline = np.zeros((demand.n_ticks, len(TIMELINE_COLUMNS)), dtype=np.int64) if keep_timeline else None
        if timeline is not None:
            timeline[:, 0] = np.arange(demand.n_ticks)
        return HostResult(row, vm_rows, timeline)


def _value(dtype, level):
    return {"int64": int(level * 1e6), "float64": level, "bool": False}.get(dtype)


class FailingSim(FakeSim):
    """One host fails by itself, always: the one with the fleet's fifth VM, in replicate 1."""

    def run(self, problem, keep_timeline=False, ticked=None):
        if 4 in problem.vm_idx and problem.replicate == 1:
            raise ValueError("frames lost:\n 3 in use, 2 counted")
        return super().run(problem, keep_timeline)


class TimedSim(FakeSim):
    """Takes as long for each host as HOST_S says. [s]."""

    def run(self, problem, keep_timeline=False, ticked=None):
        time.sleep(float(os.environ["HOST_S"]))
        return super().run(problem, keep_timeline)


class SlowSim(FakeSim):
    """Takes 30 s for each host but those of replicate 0."""

    def run(self, problem, keep_timeline=False, ticked=None):
        if problem.replicate:
            time.sleep(30)
        return super().run(problem, keep_timeline)


class DyingSim(FakeSim):
    """Kills its worker process, as long as the file named in CRASH_MARKER does not exist; makes it first."""

    def run(self, problem, keep_timeline=False, ticked=None):
        marker = Path(os.environ["CRASH_MARKER"])
        if 4 in problem.vm_idx and problem.replicate == 1 and not marker.exists():
            marker.touch()
            os._exit(1)
        return super().run(problem, keep_timeline)


class DeadlySim(FakeSim):
    """Kills its worker process at one host, every time."""

    def run(self, problem, keep_timeline=False, ticked=None):
        if 4 in problem.vm_idx and problem.replicate == 1:
            os._exit(1)
        return super().run(problem, keep_timeline)


def fake_config(**changes):
    """Six hosts of 64 GiB for the 24 VMs (224 GiB) of the stand-in fleet: 3 ratios x 2 placements x 4 replicates."""
    values = {
        "schema_version": 1,
        "seed": 1,
        "fleet": {
            "hosts": [{"name": "esx", "count": 6, "memory": "64 GiB", "cores": 16}],
            "vms": {"generate": "managed-hosting", "count": 24},
        },
        "hypervisor": expand_hypervisor("esxi-8"),
        "horizon": "1 days",
        "sweep": {"overcommit_ratio": [1.0, 1.4, 1.8], "placement": ["first-fit", "spread"], "replicates": 4},
    }
    return PlannerConfig.model_validate({**values, **changes})


def fake_plan(**changes):
    config = fake_config(**changes)
    return SweepPlanner(config, FakeSource()).plan(expand_scenarios(config))


def outcomes_of(executor, plan, sim_factory, progress=lambda count: None):
    """Run a plan's problems; return what came of each as plain values, in order. Each must come exactly once."""
    found = {}

    def sink(position, outcome):
        assert position not in found
        found[position] = outcome

    executor.run_problems(plan.problems, sim_factory, plan.source, sink, progress)
    results = [found[position] for position in range(len(plan.problems))]
    return [(item.host_row, {name: list(column) for name, column in item.vm_rows.items()}) for item in results]


def written_config(folder, sweep, **changes):
    """Write the config of six small hosts for the VMs of `FakeSource` with this `sweep` section; return its path."""
    values = {
        "schema_version": 1,
        "seed": 1,
        "fleet": {
            "hosts": [{"name": "esx", "count": 6, "memory": "64 GiB", "cores": 16}],
            "vms": {"generate": "managed-hosting", "count": 24},
        },
        "hypervisor": "esxi-8",
        "horizon": "1 days",
        "slo": {"for_more_than": "5 min", "hosts_affected": "20 %"},
        "sweep": sweep,
    }
    path = folder / "fleet.yaml"
    path.write_text(yaml.safe_dump(values | changes))
    return path


def stand_in(patch, module, folder):
    """Let a command's module simulate `FakeSource` with `FakeSim`, with a kernel cache of its own."""
    patch.setattr(module, "HostSim", FakeSim)
    patch.setattr(module, "build_source", lambda config, base_dir: FakeSource())
    patch.setenv("NUMBA_CACHE_DIR", str(folder / "cache"))
