"""From a CPU preset to the sizes that the translation kernels take."""

from planner.config.cpu import LINE_BYTES, CacheSpec, CpuSpec
from planner.kernels.tlb import TlbGeometry
from planner.kernels.walk_caches import WalkerGeometry


def tlb_geometry(cpu: CpuSpec) -> TlbGeometry:
    """Return the TLB sizes of a CPU preset."""
    return TlbGeometry(*(getattr(cpu.tlb, name) for name in TlbGeometry._fields))


def walker_geometry(cpu: CpuSpec, has_whole_llc: bool) -> WalkerGeometry:
    """Return the caches of the page walker of a CPU preset.

    Parameters
    ----------
    cpu : CpuSpec
    has_whole_llc : bool
        Whether the core has the last-level cache to itself, as in a test of one program; else it has an even part.
    """
    caches, walk = cpu.data_caches, cpu.walk_caches
    pwc = (walk.l2, walk.l3, walk.l4, walk.l5)
    lines = (_lines(caches.l1), _lines(caches.l2), _lines(caches.llc, 1 if has_whole_llc else caches.llc.cores))
    latency = (caches.l1.hit_cycles, caches.l2.hit_cycles, caches.llc.hit_cycles, caches.dram_cycles, walk.hit_cycles)
    return WalkerGeometry(pwc, pwc, walk.nested_tlb, lines, latency)


def _lines(cache: CacheSpec, cores: int = 1) -> tuple[int, int]:
    return cache.size // LINE_BYTES // cores, cache.ways
