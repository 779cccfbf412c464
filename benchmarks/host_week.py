"""One host of 25 VMs for a week at the default fidelity, in this process alone: quiet, and with reclaim at work.

    python -m benchmarks.host_week

The managed-hosting generator, 2,016 ticks of 5 minutes, ESXi. The first run of a host draws the demand of its VMs (and
touches, where it reclaims); the next ones meet what was kept, as other ratios of a sweep do. Both are stated.
"""

import time
from dataclasses import replace

from planner.cli.environment import prepare_environment

prepare_environment(will_join_cluster=False)

from benchmarks.figures import Figure, Measured, run_benchmark  # noqa: E402 (the environment is set first)
from benchmarks.machine import time_of_draws  # noqa: E402
from planner.config.load import load_hypervisor  # noqa: E402
from planner.config.slo import SloSpec  # noqa: E402
from planner.config.spec import WorkloadSpec  # noqa: E402
from planner.host.problem import HostHardware, HostProblem, SwapDevice  # noqa: E402
from planner.host.simulator import HostSim  # noqa: E402
from planner.units import PAGE_BYTES  # noqa: E402
from planner.workload.generated import GeneratedSource  # noqa: E402

N_VMS, TICK_S = 25, 300.0
TICKS = {"tiny": 48, "usual": 2016, "full": 2016}
PAGES_PER_VM = 256
RATIOS = {"quiet": 1.0, "reclaiming": 4.0}
REPEATS = 5
GOAL_S = 0.035


def make_problem(source, ratio):
    """A host that holds all VMs of the source at a ratio of configured memory to RAM."""
    configured = int(source.vms.configured_bytes.sum())
    scale = 1 << round(configured / N_VMS / PAGE_BYTES / PAGES_PER_VM).bit_length() - 1
    return HostProblem(
        host=HostHardware("host", int(configured / ratio), 0, 64, "sapphire-rapids", SwapDevice("nvme", 80e-6, 5e5)),
        hypervisor=load_hypervisor("esxi-8"),
        workload=WorkloadSpec(),
        slo=SloSpec(),
        seed=1,
        replicate=0,
        vm_idx=tuple(range(N_VMS)),
        page_scale=scale,
    )


def cpu_s_of(sim, problem):
    start_s = time.process_time()
    row = sim.run(problem).host_row
    return time.process_time() - start_s, row


def measure(size):
    """Return `Measured`: CPU seconds of each kind of host, drawn and kept, the best of a few."""
    source = GeneratedSource("managed-hosting", N_VMS, TICKS[size] * TICK_S, TICK_S, seed=1)
    figures, details = [], {"vms": N_VMS, "ticks": TICKS[size]}
    reference = time_of_draws()
    for kind, ratio in RATIOS.items():
        problem = make_problem(source, ratio)
        HostSim(source).run(problem)  # loads, or compiles, the kernels
        drawn_s, kept_s = [], []
        for number in range(REPEATS):
            sim = HostSim(source)
            first_s, row = cpu_s_of(sim, replace(problem, replicate=number))
            drawn_s.append(first_s)
            kept_s.append(cpu_s_of(sim, replace(problem, replicate=number))[0])
        figures.append(Figure(f"{kind} host-week", min(kept_s), "CPU s", reference, at_most=GOAL_S))
        figures.append(Figure(f"{kind} host-week, VMs drawn first", min(drawn_s), "CPU s", reference, at_most=GOAL_S))
        names = ("ballooned", "compressed", "swapped")
        reclaimed = {f"{name}_bytes_mean": row[f"{name}_bytes_mean"] for name in names}
        quiet = HostSim(source).is_quiet(problem)
        details[kind] = {"ratio": ratio, "page_scale": problem.page_scale, "is_quiet": quiet, **reclaimed}
    return Measured(figures, details)


if __name__ == "__main__":
    run_benchmark(measure, __doc__)
