"""Cost of the translation kernels: the table of one CPU, one 2-D walk, one look-up per VM and tick.

python -m benchmarks.translation
"""

import numpy as np

from benchmarks.figures import Figure, Measured, run_benchmark
from benchmarks.machine import cpu_time_of, time_of_a_draw, time_of_draws
from planner.config.catalog import load_cpu
from planner.host.translation import build_translation_table
from planner.kernels.compiled import kernel
from planner.kernels.overhead import interpolate_overhead
from planner.kernels.radix import build_radix, map_or_grow
from planner.kernels.walk import build_nested_space, walk_nested
from planner.kernels.walk_caches import NO_CACHES, REFERENCES, build_walker

GIB = 1024**3
N_CALLS = 100_000


CPUS = ("sandy-bridge", "sapphire-rapids", "zen5")
TABLE_GOAL_S = 2.0


def measure(size):
    """Measure the table of some CPUs, walks of 24 references with everything in cache, and look-ups."""
    draws = time_of_draws()
    figures = []
    for cpu in CPUS[:1] if size == "tiny" else CPUS:
        spec = load_cpu(cpu)
        build_translation_table(spec, 2.0, 0)
        cpu_s = cpu_time_of(lambda spec=spec: build_translation_table(spec, 2.0, 1))
        figures.append(Figure(f"table of {cpu}", cpu_s, "s", draws, at_most=TABLE_GOAL_S))
    space, walker = one_mapping()
    table = build_translation_table(load_cpu("sapphire-rapids"), 2.0, 0).arrays
    rng = np.random.default_rng(1)
    active_bytes, small = 2.0 ** rng.uniform(20, 38, N_CALLS), rng.random(N_CALLS)
    for name, call in (
        ("walk of 24 references", lambda: repeat_walk(space, walker, 3 * GIB, N_CALLS)),
        ("look-up of a VM-tick", lambda: sum_overheads(table, active_bytes, small)),
    ):
        call()
        figures.append(Figure(name, cpu_time_of(call) / N_CALLS * 1e9, "ns", time_of_a_draw()))
    return Measured(figures, {})


def one_mapping():
    """Return a nested space with one mapped page, and a walker without caches."""
    guest = map_or_grow(build_radix(4, 0, 8), 3 * GIB, 5 * GIB, 1)
    host = map_or_grow(build_radix(4, 1 << 46, 8), 5 * GIB, 7 * GIB, 1)
    for node in range(4):
        host = map_or_grow(host, node * 4096, node * 4096, 1)
    return build_nested_space(guest, host), build_walker(NO_CACHES)


@kernel
def repeat_walk(space, walker, address, n):
    walker.tally[:] = 0
    for _ in range(n):
        walker.tally[REFERENCES] %= 24
        walk_nested(space, walker, address)
    return walker.tally[REFERENCES]


@kernel
def sum_overheads(table, active_bytes, small_fraction):
    total = 0.0
    for i in range(active_bytes.size):
        total += interpolate_overhead(table, active_bytes[i], small_fraction[i])
    return total


if __name__ == "__main__":
    run_benchmark(measure, __doc__)
