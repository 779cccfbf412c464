"""What the figures were measured on, and two references of the machine itself."""

import os
import platform
import resource
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.figures import Reference
from planner.kernels.compiled import kernel
from planner.kernels.draws import draw_u32

COPIED_BYTES = 1 << 28
N_DRAWS = 100_000_000


def describe_machine():
    """Describe processor, memory, versions and what else the machine is doing."""
    return {
        "cpu": _cpu_name(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("planner", "numba", "numpy", "pyarrow", "ray")},
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }


def copy_bandwidth():
    """Measure copying of memory, the best of five, by CPU time."""
    source = np.ones(COPIED_BYTES, dtype=np.uint8)
    target = np.empty_like(source)
    best_s = min(cpu_time_of(lambda: np.copyto(target, source)) for _ in range(5))
    return Reference("copying memory", COPIED_BYTES / best_s, "bytes/s")


def time_of_draws():
    """Measure what a core computes: CPU time of a thousand million draws of the planner's hash, best of three."""
    return Reference("a thousand million draws", _draw_ns(), "s")


def time_of_a_draw():
    """Measure one draw, of many in a row: several at a time are made by vector instructions."""
    return Reference("one draw", _draw_ns(), "ns")


def _draw_ns():
    sum_draws(10)
    return min(cpu_time_of(lambda: sum_draws(N_DRAWS)) for _ in range(3)) / N_DRAWS * 1e9


def peak_gib():
    """Return the most memory that this process has held. [GiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@kernel
def sum_draws(n_draws):
    total = np.uint64(0)
    for n in range(n_draws):
        total += np.uint64(draw_u32(np.uint32(1), n, n & 1023, 3))
    return total


def cpu_time_of(call):
    """Return the CPU time that a call takes in this process. [s]."""
    start_s = time.process_time()
    call()
    return time.process_time() - start_s


def _cpu_name():
    for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
