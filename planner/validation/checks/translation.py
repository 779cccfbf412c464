"""Nested translation against closed forms and published measurements.

Each published machine is measured as one program on it: the program has the whole last-level cache, guest and host use
one page size, its popular pages lie anywhere in memory, and one number per program, the useful time between page
visits, is fitted to one published figure. All else is predicted. Hypervisor time is not modelled, so expected values
are the walk parts of the published totals.
"""

from collections.abc import Mapping
from typing import Any

from planner.config.catalog import load_cpu
from planner.config.cpu import CpuSpec
from planner.host.reference_stream import StreamAssumptions
from planner.host.translation import PROGRAM_EFFORT, Measured, measure_native, measure_nested
from planner.kernels.radix import build_radix, map_or_grow
from planner.kernels.walk import build_nested_space, walk_nested
from planner.kernels.walk_caches import NO_CACHES, REFERENCES, build_walker
from planner.kernels.walk_deep import load_inner_guest, walk_inner
from planner.validation.base import Computed

_LEAVES = {"4k": 1, "2m": 2, "1g": 3}
_GIB = 1 << 30
_HOST_TABLE = 1 << 46


def check_walk_references(config: Mapping[str, Any]) -> Computed:
    """Walk real tables without caches: `LEVELS_GUESTLEAF_HOSTLEAF`, e.g. `4x4_4k_2m`, and `inner` for a VM in a VM."""
    values = {
        f"{guest_levels}x{host_levels}_{guest_leaf}_{host_leaf}": _references(
            (guest_levels, host_levels), _LEAVES[guest_leaf], _LEAVES[host_leaf]
        )
        for guest_levels, host_levels in config["levels"]
        for guest_leaf in _LEAVES
        for host_leaf in _LEAVES
    }
    return Computed({**values, "inner": _inner_references()})


def _references(levels: tuple[int, int], guest_leaf: int, host_leaf: int) -> float:
    guest = map_or_grow(build_radix(levels[0], 0, 8), 3 * _GIB, 5 * _GIB, guest_leaf)
    host = map_or_grow(build_radix(levels[1], _HOST_TABLE, 8), 5 * _GIB, 7 * _GIB, host_leaf)
    for start in range(0, 8 * 4096, 1 << (3 + 9 * host_leaf)):
        host = map_or_grow(host, start, start, host_leaf)
    walker = build_walker(NO_CACHES)
    walk_nested(build_nested_space(guest, host), walker, 3 * _GIB)
    return float(walker.tally[REFERENCES])


def _inner_references() -> float:
    outer, host = build_radix(4, 0, 8), build_radix(4, _HOST_TABLE, 8)
    for page in range(16):
        outer = map_or_grow(outer, 3 * _GIB + page * 4096, 5 * _GIB + page * 4096, 1)
        host = map_or_grow(host, 5 * _GIB + page * 4096, 7 * _GIB + page * 4096, 1)
        host = map_or_grow(host, page * 4096, page * 4096, 1)
    inner = map_or_grow(build_radix(4, 3 * _GIB, 8), 9 * _GIB, 3 * _GIB + 8 * 4096, 1)
    walker = build_walker(NO_CACHES)
    walk_inner(inner.base, 4, load_inner_guest(inner, build_nested_space(outer, host)), walker, 9 * _GIB)
    return float(walker.tally[REFERENCES])


def check_walk_overhead(config: Mapping[str, Any]) -> Computed:
    """Fit `native_4k` (percent of useful time) of a program and predict the other modes and page sizes.

    `config`: cpu, footprint_gb, native_4k. Shadow paging walks like a machine without VMs: its walks are the native
    ones.
    """
    cpu, footprint = load_cpu(config["cpu"]), _footprint_bytes(config)
    native = {name: measure_native(cpu, footprint, stream, PROGRAM_EFFORT) for name, stream in _streams(0.99)}
    nested = _nested(cpu, footprint, 0.99)
    useful = native["4k"].cycles_per_visit / float(config["native_4k"])
    values = {f"native_{name}": measured.cycles_per_visit / useful for name, measured in native.items()}
    values |= {f"nested_{name}": measured.cycles_per_visit / useful for name, measured in nested.items()}
    values |= {f"shadow_{name}": values[f"native_{name}"] for name in native}
    for name in native:
        values[f"ratio_{name}"] = values[f"nested_{name}"] / values[f"native_{name}"]
    values["large_page_gain"] = values["nested_4k"] / values["nested_2m"]
    values["useful_cycles_per_visit"] = useful * 100.0
    return Computed(values)


def check_walk_share(config: Mapping[str, Any]) -> Computed:
    """Share of run time that a VM's program spends in page walks, and of the walks' time in their last reference.

    `config`: cpu, footprint_gb, alpha (exponent of the law of visits) and either `useful_cycles`, the time between
    visits, or `share_4k`, the published share that this is fitted to.
    """
    cpu, alpha = load_cpu(config["cpu"]), float(config["alpha"])
    nested = _nested(cpu, _footprint_bytes(config), alpha)
    if "share_4k" in config:
        share = float(config["share_4k"])
        useful = nested["4k"].cycles_per_visit * (1.0 - share) / share
    else:
        useful = float(config["useful_cycles"])
    values = {
        f"share_{name}": measured.cycles_per_visit / (measured.cycles_per_visit + useful)
        for name, measured in nested.items()
    }
    values |= {f"last_{name}": measured.last_share for name, measured in nested.items()}
    return Computed(values)


def _footprint_bytes(config: Mapping[str, Any]) -> int:
    return int(float(config["footprint_gb"]) * 1e9)


def _streams(alpha: float) -> tuple[tuple[str, StreamAssumptions], ...]:
    small = StreamAssumptions(guest_large_fraction=0.0, steepest_alpha=alpha, is_scattered=True)
    return ("4k", small), ("2m", small._replace(guest_large_fraction=1.0))


def _nested(cpu: CpuSpec, footprint_bytes: int, alpha: float) -> dict[str, Measured]:
    """Measure with 4 KiB in guest and host, and with 2 MiB in both."""
    return {
        name: measure_nested(cpu, footprint_bytes, 1.0 if name == "4k" else 0.0, stream, PROGRAM_EFFORT)
        for name, stream in _streams(alpha)
    }


CHECKS = {
    "walk-references": check_walk_references,
    "walk-overhead": check_walk_overhead,
    "walk-share": check_walk_share,
}
