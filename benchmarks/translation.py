"""Cost of the translation kernels: the table of one CPU, one 2-D walk, one look-up per VM and tick."""

import numpy as np
import pytest
from numba import njit

from planner.config.catalog import load_cpu
from planner.host.translation import build_translation_table
from planner.kernels.overhead import interpolate_overhead
from planner.kernels.radix import build_radix, map_or_grow
from planner.kernels.walk import build_nested_space, walk_nested
from planner.kernels.walk_caches import NO_CACHES, REFERENCES, build_walker

GIB = 1024**3
N_CALLS = 100_000


@pytest.mark.parametrize("cpu", ["sandy-bridge", "sapphire-rapids", "zen5"])
def test_table_of_one_cpu(benchmark, cpu):
    """Budget: 2 s of CPU."""
    spec = load_cpu(cpu)
    build_translation_table(spec, 2.0, 0)
    seeds = iter(range(1, 1000))
    benchmark.pedantic(lambda: build_translation_table(spec, 2.0, next(seeds)), rounds=3)


@njit
def repeat_walk(space, walker, address, n):
    walker.tally[:] = 0
    for _ in range(n):
        walker.tally[REFERENCES] %= 24
        walk_nested(space, walker, address)
    return walker.tally[REFERENCES]


def test_walks_of_24_references(benchmark):
    """100,000 walks a round, everything in cache."""
    guest = map_or_grow(build_radix(4, 0, 8), 3 * GIB, 5 * GIB, 1)
    host = map_or_grow(build_radix(4, 1 << 46, 8), 5 * GIB, 7 * GIB, 1)
    for node in range(4):
        host = map_or_grow(host, node * 4096, node * 4096, 1)
    space = build_nested_space(guest, host)
    assert benchmark(repeat_walk, space, build_walker(NO_CACHES), 3 * GIB, N_CALLS) == 24


@njit
def sum_overheads(table, active_bytes, small_fraction):
    total = 0.0
    for i in range(active_bytes.size):
        total += interpolate_overhead(table, active_bytes[i], small_fraction[i])
    return total


def test_look_ups(benchmark):
    """100,000 VM-ticks a round."""
    table = build_translation_table(load_cpu("sapphire-rapids"), 2.0, 0).arrays
    generator = np.random.default_rng(1)
    active_bytes = 2.0 ** generator.uniform(20, 38, N_CALLS)
    assert benchmark(sum_overheads, table, active_bytes, generator.random(N_CALLS)) > 0
