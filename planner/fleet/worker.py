"""What runs in a worker process. Imports nothing that reads numba's cache folder before that is set; no Ray either."""

import importlib
import os
import time

from planner.errors import InputError
from planner.fleet.base import SimFactory, SimulatesHosts, simulate
from planner.fleet.channel import pack_outcomes
from planner.fleet.code import code_digest
from planner.fleet.warm import simulate_first
from planner.host.problem import HostProblem
from planner.kernel_cache import use_kernel_cache
from planner.workload.source import DemandSource


class HostWorker:
    """Holds one simulation and runs batches of host problems on it, from start to end of each host.

    Made before it is known what will be simulated, so that it imports what it needs while the driver still places VMs.
    """

    def __init__(self) -> None:
        use_kernel_cache()
        importlib.import_module("planner.host.simulator")
        self._given: tuple[SimFactory, DemandSource] | None = None
        self._sim: SimulatesHosts | None = None

    def hold(self, sim_factory: SimFactory, source: DemandSource, code: str) -> int:
        """Take the simulation of the batches to come; return the number of this process.

        Raises
        ------
        InputError
            The planner here is another one than the driver's, and would find other numbers.
        """
        if code_digest() != code:
            hint = "install the same version of planner on every machine of the cluster"
            raise InputError("workers", f"{os.uname().nodename} has another version of planner", hint)
        self._given, self._sim = (sim_factory, source), None
        return os.getpid()

    def run_batch(self, problems: list[HostProblem]) -> tuple[bytes, float]:
        """Return the outcome of each problem, in order and packed, and the CPU time spent. [s]."""
        started_s = time.process_time()
        outcomes = []
        if self._sim is None:
            assert self._given is not None  # the driver sends no batch before `hold`
            sim_factory, source = self._given
            self._sim = sim_factory(source)
            outcomes.append(simulate_first(self._sim, problems[0]))
        outcomes += [simulate(self._sim, problem) for problem in problems[len(outcomes) :]]
        return pack_outcomes(outcomes), time.process_time() - started_s
