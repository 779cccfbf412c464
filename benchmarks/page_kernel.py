"""The engine's passes over page state that lies in memory, against copying memory in the same process.

python -m benchmarks.page_kernel

One VM with every page, more of them than the caches hold, on a host without pressure: `search` looks which pages are
due, `draw` also draws when the touched ones are touched next, `touch` plays the touches in a tick of the whole stack,
`fault` backs all pages in the tick of their first touch. Bytes are those of state that each must read and write, once
each.
"""

import numpy as np

from benchmarks.figures import Figure, Measured, run_benchmark
from benchmarks.machine import copy_bandwidth, cpu_time_of
from planner.config.catalog import load_hypervisor_preset
from planner.config.hypervisor import HypervisorSpec
from planner.config.slo import SloSpec
from planner.config.spec import WorkloadSpec
from planner.host.experiment import Experiment, ExperimentRun
from planner.host.pages import UNIQUE_KEY, FleetPages
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.touches import TouchLaw, VmProcess, VmTouches
from planner.kernels.touches import append_due
from planner.units import PAGE_BYTES
from planner.workload.fleet import Demand, plain_vms
from planner.workload.popularity import load_law
from planner.workload.touch import DemandPages

N_PAGES = {"tiny": 1 << 12, "usual": 1 << 24, "full": 1 << 26}
ACTIVE_SHARES = (0.005, 0.06, 0.5)
N_TICKS = 4
TICK_S = 300.0
SHARE_OF_COPY = 0.6

SEARCH_BYTES = 4
"""Read for each page: when it is touched next."""
DRAW_BYTES = 10
"""For each page touched: its number and its next touch written, the stratum of its popularity read."""
TOUCH_BYTES = 17
"""For each page touched: its number, class, content and first content read, last touch written."""
FAULT_BYTES = 15
"""For each page: first content and guest class read, class read and written, content and last touch written."""


def measure(size):
    """Measure each pass at some shares of pages touched in a tick."""
    n_pages, copying = N_PAGES[size], copy_bandwidth()
    figures, details = [], {"pages": n_pages, "ticks": N_TICKS, "copy_gb_per_s": copying.value / 1e9}

    def add(name, state_bytes, cpu_s):
        per_s = state_bytes / cpu_s
        figures.append(Figure(name, per_s, "bytes/s", copying, at_least=SHARE_OF_COPY * copying.value))
        details[name] = {"share_of_copy": per_s / copying.value, "ns_per_page": cpu_s / n_pages * 1e9}

    for share in ACTIVE_SHARES:
        touches, times_s = draw(n_pages, share)
        n_touched = float(np.diff(touches.start)[1:].mean())
        label = f"{n_touched / n_pages:.1%} touched"
        add(f"search, {label}", n_pages * SEARCH_BYTES + n_touched * 4, times_s["search"])
        draw_bytes = n_pages * SEARCH_BYTES + n_touched * DRAW_BYTES
        add(f"draw, {label}", draw_bytes, times_s["draw"])
        fault_s, touch_s = play(n_pages, touches)
        add(f"touch, {label}", n_touched * TOUCH_BYTES, touch_s)
        add(f"draw and touch, {label}", draw_bytes + n_touched * TOUCH_BYTES, times_s["draw"] + touch_s)
    add("fault", n_pages * FAULT_BYTES, fault_s)
    return Measured(figures, details)


def draw(n_pages, share):
    """Draw the touches of a VM that touches `share` of its pages in a tick; returns them and CPU times of a tick."""
    active, granted = np.full((1, N_TICKS), share, np.float32), np.ones((1, N_TICKS), np.float32)
    demand = Demand(TICK_S, active, granted, np.full(1, np.nan))
    pages = DemandPages(np.array([n_pages]), np.full((1, N_TICKS), n_pages, np.int32), active * float(n_pages))
    process = VmProcess(TouchLaw(demand, pages, np.ones(1, np.uint32), load_law("middle")), 0)
    start = np.zeros(N_TICKS + 1, np.int64)
    # Written once: memory that is not backed yet would be measured, too.
    page = np.full(int(N_TICKS * n_pages * (share + 0.2)) + n_pages, -1, np.int32)
    process.draw((0, 1), 0, page, start)
    times_s = {"search": [], "draw": []}
    due, clock = process.scratch.due, process.demand.clock
    for tick in range(1, N_TICKS):
        count = int(start[tick])
        times_s["search"].append(cpu_time_of(lambda t=tick, n=count: append_due(due, n_pages, clock[t], page, n)))
        times_s["draw"].append(cpu_time_of(lambda t=tick, n=count: process.draw((t, t + 1), n, page, start)))
    return VmTouches(page[: start[-1]], start), {name: min(seconds) for name, seconds in times_s.items()}


def play(n_pages, touches):
    """Play the touches on a stack; returns CPU times of the first tick, which backs all pages, and of a later one."""
    memory_bytes = n_pages * PAGE_BYTES
    pages = FleetPages(
        start=np.array([0, n_pages]),
        content_key=np.full(n_pages, UNIQUE_KEY),
        guest_class=np.zeros(n_pages, dtype=np.uint8),
        compressed_units=np.full(n_pages, 16, dtype=np.uint8),
    )
    run = ExperimentRun(
        Experiment(
            problem=build_problem(memory_bytes),
            vms=plain_vms(np.array([memory_bytes])),
            pages=pages,
            granted=np.full((1, N_TICKS), n_pages, dtype=np.int32),
            touches=(touches,),
            tick_s=TICK_S,
        )
    )
    times_s = [cpu_time_of(lambda t=tick: run.run_part(t, t + 1)) for tick in range(N_TICKS)]
    return times_s[0], min(times_s[1:])


def build_problem(memory_bytes):
    """Make a host with room to spare and nothing but paging."""
    off = {"enabled": False}
    changes = {"page_sharing": off, "ballooning": off, "compression": off, "large_pages": False}
    return HostProblem(
        host=HostHardware("host", 2 * memory_bytes, 0, 2, "zen4", SwapDevice("nvme", 80e-6, 5e5)),
        hypervisor=HypervisorSpec.model_validate(load_hypervisor_preset("esxi-8") | changes),
        workload=WorkloadSpec(),
        slo=SloSpec(),
        seed=1,
        replicate=0,
        vm_idx=(0,),
        page_scale=1,
    )


if __name__ == "__main__":
    run_benchmark(measure, __doc__)
