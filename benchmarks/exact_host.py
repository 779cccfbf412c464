"""A host simulated with every 4 KiB page for a day, in this process alone: prints time, memory and bytes of state.

    python -m benchmarks.exact_host --memory 512 --ratio 1.4      one host
    python -m benchmarks.exact_host --size full                   those of the goal, each in a process of its own

Bytes of state are those that the model must read and write, each counted once per use: not what caches and lines make
of them. They are set against copying memory in the same process, so that the figure means the same on any machine.
"""

import argparse
import json
import subprocess
import sys
import time

from planner.cli.environment import prepare_environment

prepare_environment(will_join_cluster=False)

from benchmarks.figures import SIZES, Figure, Measured, Reference, print_measured  # noqa: E402
from benchmarks.machine import copy_bandwidth, peak_gib  # noqa: E402
from planner.config.load import load_hypervisor  # noqa: E402 (the environment is set before numba is imported)
from planner.config.spec import SloSpec, WorkloadSpec  # noqa: E402
from planner.host.problem import HostHardware, HostProblem, SwapDevice  # noqa: E402
from planner.host.simulator import HostSim  # noqa: E402
from planner.units import GIB, PAGE_BYTES  # noqa: E402
from planner.workload.generated import GeneratedSource  # noqa: E402
from planner.workload.overhead import min_free_bytes, vm_overhead_bytes  # noqa: E402
from planner.workload.touch import count_pages  # noqa: E402

N_FLEET = 450
DAY_S, TICK_S = 86_400.0, 300.0
COARSE = 4096
"""4 KiB pages to one of a host that is simulated for what compiling and loading takes, or only built."""

HOSTS = {
    "tiny": (("esxi-8", 4, 1.8),),
    "usual": (("esxi-8", 32, 1.0), ("esxi-8", 32, 1.4), ("kvm", 32, 1.4)),
    "full": (("esxi-8", 512, 1.0), ("esxi-8", 512, 1.4), ("kvm", 512, 1.4)),
}
GOAL_GIB = 512
"""Memory of the host that the goals are for."""
GOAL_CPU_S, GOAL_PEAK_GIB = 120.0, 6.0

DUE_BYTES = 4
"""Read by the search for pages that are due, each granted page in each tick."""
TOUCH_BYTES = 41
"""By a touch: due time 8, rank 4, its number written and read 8, last touch 4, class 1, content 4; gap and draw 12."""
BUILD_BYTES = 43
"""By a page once: content 4 written, numbered (12), guest class and size 3, first state 13, first touch 11."""


def fill_host(source, hypervisor, memory_bytes, ratio):
    """Return the VMs of the fleet, in order, that fit the ratio: int tuple."""
    vms = source.vms
    overhead = vm_overhead_bytes(vms, hypervisor)
    room = memory_bytes - min_free_bytes(memory_bytes, hypervisor)
    chosen, configured, taken = [], 0, 0
    for v in range(len(vms)):
        size, extra = int(vms.configured_bytes[v]), int(overhead[v])
        if configured + size <= ratio * (room - taken - extra):
            chosen.append(v)
            configured, taken = configured + size, taken + extra
    return tuple(chosen)


def make_problem(source, preset, memory_gib, ratio, page_scale):
    hypervisor = load_hypervisor(preset)
    memory = memory_gib * GIB
    hardware = HostHardware("host", memory, 0, 64, "sapphire-rapids", SwapDevice("nvme", 80e-6, 5e5))
    vm_idx = fill_host(source, hypervisor, memory, ratio)
    return HostProblem(hardware, hypervisor, WorkloadSpec(), SloSpec(), 1, 0, vm_idx, page_scale, DAY_S / 4)


def measure_host(preset, memory_gib, ratio):
    """Simulate the host and return what was measured."""
    source = GeneratedSource("managed-hosting", N_FLEET, DAY_S, TICK_S, 1)
    HostSim(source).run(make_problem(source, preset, 16, 2.0, COARSE))  # compiles, loads
    problem = make_problem(source, preset, memory_gib, ratio, 1)
    sim = HostSim(source)
    wall, cpu = time.perf_counter(), time.process_time()
    result = sim.run(problem, keep_timeline=True)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    configured = source.vms.configured_bytes[list(problem.vm_idx)]
    names = _column_numbers()
    granted_pages = result.timeline[:, names["granted_bytes"]].sum() / PAGE_BYTES
    touched_pages = result.timeline[:, names["active_bytes"]].sum() / PAGE_BYTES
    n_pages = int(count_pages(configured, 1).sum())
    is_played = not sim.is_quiet(make_problem(source, preset, memory_gib, ratio, COARSE))
    # Of a quiet host no page is built: it is counted from the demand.
    state_bytes = is_played * (n_pages * BUILD_BYTES + granted_pages * DUE_BYTES + touched_pages * TOUCH_BYTES)
    peak = peak_gib()
    copied = copy_bandwidth().value
    return {
        "preset": preset,
        "memory_gib": memory_gib,
        "ratio": ratio,
        "pages": n_pages,
        "vms": len(problem.vm_idx),
        "wall_s": round(wall, 3),
        "cpu_s": round(cpu, 3),
        "peak_gib": round(peak, 2),
        "state_gb": round(state_bytes / 1e9, 1),
        "copy_gb_per_s": round(copied / 1e9, 2),
        "share_of_copy": round(state_bytes / cpu / copied, 3),
        "state_high_share": result.host_row["state_high_s"] / (0.75 * DAY_S),
        "shared_gib": round(result.host_row["shared_bytes_mean"] / GIB, 1),
        "ballooned_gib": round(result.host_row["ballooned_bytes_mean"] / GIB, 1),
        "swapped_gib": round(result.host_row["swapped_bytes_mean"] / GIB, 1),
    }


def _column_numbers():
    from planner.schema import TIMELINE_COLUMNS

    return {column.name: number for number, column in enumerate(TIMELINE_COLUMNS)}


def measure(size):
    """Measure the hosts of a size one after the other, each in a process of its own: the peak of memory is its own."""
    figures, details = [], []
    for preset, memory_gib, ratio in HOSTS[size]:
        words = ["--preset", preset, "--memory", str(memory_gib), "--ratio", str(ratio)]
        done = subprocess.run([sys.executable, "-m", __spec__.name, *words], check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        name = f"{preset}, {memory_gib} GiB, ratio {ratio}"
        is_goal = memory_gib == GOAL_GIB
        copied = Reference("copying memory", found["copy_gb_per_s"], "GB/s")
        figures += [
            Figure(f"{name}: CPU", found["cpu_s"], "s", at_most=GOAL_CPU_S if is_goal else None),
            Figure(f"{name}: peak memory", found["peak_gib"], "GiB", at_most=GOAL_PEAK_GIB if is_goal else None),
        ]
        if found["state_gb"]:
            figures.append(Figure(f"{name}: state touched", found["state_gb"] / found["cpu_s"], "GB/s", copied))
        details.append(found)
    return Measured(figures, {"hosts": details})


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES)
    parser.add_argument("--preset", default="esxi-8")
    parser.add_argument("--memory", type=int, default=512)
    parser.add_argument("--ratio", type=float, default=1.4)
    given = parser.parse_args(argv)
    if given.size:
        print_measured(measure(given.size))
    else:
        sys.stdout.write(json.dumps(measure_host(given.preset, given.memory, given.ratio), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
