"""Outcomes without a simulation, for benchmarks of what is around it: values are made up and mean nothing."""

import numpy as np

from planner.host.problem import HostResult
from planner.schema import HOST_COLUMNS, N_SLOWDOWN_BINS, TIMELINE_COLUMNS, VM_COLUMNS
from planner.units import GIB, MIB
from planner.workload.fleet import Demand, VmTable

_SIMULATED = [column for column in HOST_COLUMNS if column.simulated]
_OF_VMS = [column for column in VM_COLUMNS if column.simulated]


class Fleet:
    """VMs whose demand nobody looks at."""

    def __init__(self, count):
        memory = (np.resize([4, 8, 16], count) * GIB).astype(np.int64)
        blank = (None,) * count
        self.vms = VmTable(
            tuple(f"vm-{v:06d}" for v in range(count)), memory, np.full(count, 2), blank, blank, blank,
            memory // MIB * 10, np.zeros(count, dtype=np.int64), memory, np.ones(count, dtype=bool),
        )  # fmt: skip

    def demand(self, replicate, vm_idx=None):
        count = len(self.vms) if vm_idx is None else len(vm_idx)
        shares = np.full((count, 1), 0.1, dtype=np.float32)
        return Demand(300.0, shares, shares, np.ones(count))

    def independent_replicates(self):
        return None

    def origin(self):
        return None

    def replicate_meaning(self):
        return "Nothing."


class ReadySim:
    """Has the outcome of any host ready."""

    def __init__(self, source):
        pass

    def run(self, problem, keep_timeline=False):
        outcome = make_outcome(hash(problem.vm_idx) & 0xFFFFF, problem)
        timeline = np.zeros((288, len(TIMELINE_COLUMNS)), dtype=np.int64) if keep_timeline else None
        return HostResult(outcome.host_row, outcome.vm_rows, timeline)


def make_outcome(position, problem):
    """Make an outcome whose values differ from host to host; one in a thousand is broken."""
    level = position * 2_654_435_761 % 1_000_003 / 1_000_003
    values = {"int64": int(level * 1e9), "float64": level, "bool": level < 0.001, "string": ""}
    row = {column.name: values.get(column.dtype) for column in _SIMULATED}
    row["slowdown_histogram"] = [7] * N_SLOWDOWN_BINS
    floats = np.arange(len(problem.vm_idx)) * level
    ints = (floats * 1e6).astype(np.int64)
    # Each column in an array of its own, as real ones are: one array twice would be packed once.
    vms = {column.name: (ints if column.dtype == "int64" else floats).copy() for column in _OF_VMS}
    return HostResult(row, vms)
