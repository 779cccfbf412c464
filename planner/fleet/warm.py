"""Compile the simulation kernels once, before workers start: otherwise every worker would compile them for itself.

numba keeps compiled kernels on disk, in the folder that NUMBA_CACHE_DIR names. A marker file there
says that it was done, so that the user is told of the wait only when there is one.
"""

import os
import pickle
from pathlib import Path

from planner.fleet.base import SimFactory
from planner.host.problem import HostProblem
from planner.workload.source import DemandSource


def is_warm() -> bool:
    """Whether kernels as they are now have been compiled into the cache folder."""
    marker = _marker()
    return marker is not None and marker.exists()


def warm_kernels(sim_factory: SimFactory, source: DemandSource, problem: HostProblem) -> None:
    """Compile every kernel by simulating one host, and remember it. The result is thrown away.

    Notes
    -----
    Kernels are compiled for the layout of arrays that workers see (read-only, as they come out of the object store)
    and for the one of this process. A simulation that fails here fails again in the sweep, and is reported there.
    """
    for seen in (_as_in_worker(source), source):
        try:
            sim_factory(seen).run(problem)
        except Exception:  # reported as a failed row by the sweep itself, which must go on
            return
    marker = _marker()
    if marker is not None:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()


def _as_in_worker(source: DemandSource) -> DemandSource:
    """Return a copy of the source whose arrays are read-only, as Ray hands them out."""
    buffers: list[pickle.PickleBuffer] = []
    text = pickle.dumps(source, protocol=5, buffer_callback=buffers.append)
    copy: DemandSource = pickle.loads(text, buffers=[bytes(buffer.raw()) for buffer in buffers])
    return copy


def _marker() -> Path | None:
    # The folder belongs to one state of the kernels (planner.cli.environment); where the user chose it, so does he.
    folder = os.environ.get("NUMBA_CACHE_DIR")
    return Path(folder) / "compiled" if folder else None
