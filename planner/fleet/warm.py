"""Compile the simulation kernels once per machine: no worker compiles what another one is compiling."""

import pickle
from contextlib import nullcontext

from planner.fleet.base import SimFactory, SimulatesHosts, simulate
from planner.host.problem import HostProblem, HostResult, Outcome
from planner.kernel_cache import compiling_alone, forget_kernels, is_warm, mark_warm
from planner.workload.source import DemandSource

_UNREADABLE = (EOFError, pickle.UnpicklingError, UnicodeDecodeError)
"""What numba raises on files of its cache that were cut off or damaged, as a full or failing disk leaves them."""


def warm_kernels(sim_factory: SimFactory, source: DemandSource, problem: HostProblem) -> None:
    """Compile every kernel by simulating one host, and remember it. The result is thrown away.

    Notes
    -----
    Kernels are compiled for the layout of arrays that workers see (read-only, as they come out of the object store)
    and for the one of this process. A simulation that fails here fails again in the sweep, and is reported there.
    """
    with compiling_alone():
        if is_warm():
            return
        for seen in (_as_in_worker(source), source):
            try:
                _run(sim_factory(seen), problem)
            except Exception:  # reported as a failed row by the sweep itself, which must go on
                return
        mark_warm()


def simulate_first(sim: SimulatesHosts, problem: HostProblem) -> Outcome:
    """Simulate the first host of a worker: kernels are loaded, or compiled by one process of the machine at a time."""
    with nullcontext() if is_warm(is_worker=True) else compiling_alone():
        try:
            outcome: Outcome = _run(sim, problem)
        except Exception:  # once more, where it becomes this host's failure
            return simulate(sim, problem)
        mark_warm(is_worker=True)
        return outcome


def _run(sim: SimulatesHosts, problem: HostProblem) -> HostResult:
    """Simulate a host; compile anew what is in the cache but cannot be read."""
    try:
        return sim.run(problem)
    except _UNREADABLE:
        forget_kernels()
        return sim.run(problem)


def _as_in_worker(source: DemandSource) -> DemandSource:
    """Return a copy of the source whose arrays are read-only, as Ray hands them out."""
    buffers: list[pickle.PickleBuffer] = []
    text = pickle.dumps(source, protocol=5, buffer_callback=buffers.append)
    copy: DemandSource = pickle.loads(text, buffers=[bytes(buffer.raw()) for buffer in buffers])
    return copy
