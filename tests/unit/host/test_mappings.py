"""The table of translation overhead against walks of the mappings that a simulated host really ends up with.

An exact host (every 4 KiB page) is run under pressure. For each VM the host's page table is then built page by page
from what the stack left: blocks mapped large, private and shared pages in small blocks, nothing for pages away.
The VM's visits go to the pages that it touched in the last tick, by popularity, through TLB and walk caches. The stack
reads the same VM's overhead from the table, by active memory and share of small pages alone.
"""

import numpy as np
import pytest

from planner.config.catalog import load_cpu
from planner.config.load import load_hypervisor
from planner.config.slo import SloSpec
from planner.config.spec import WorkloadSpec
from planner.host import reference_stream as stream
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.reference_stream import StreamAssumptions, build_bench
from planner.host.simulator import HostSim, translation_table
from planner.host.translation import N_COUNTS, TABLE_EFFORT, count_run, price_counts
from planner.kernels import state
from planner.kernels.host_loop import simulate_ticks
from planner.kernels.overhead import interpolate_overhead
from planner.kernels.radix import LEAF_2M, LEAF_4K, USED, clear_radix, map_pages
from planner.kernels.tlb import flush_tlb
from planner.kernels.walk import N_RUN_COLUMNS, NestedSpace, run_nested
from planner.kernels.walk_caches import flush_walker
from planner.units import LARGE_PAGE_BYTES, PAGE_BYTES, PAGES_PER_LARGE_PAGE
from planner.workload.fleet import Demand, VmTable
from tests.whole_source import WholeSource

MIB = 1 << 20
N_VMS, N_TICKS, VM_BYTES = 4, 40, 256 * MIB
CPU = "skylake-sp"


class Fleet(WholeSource):
    """Four VMs of 256 MiB that fill up within three hours and use 5 to 25 % of it in a tick."""

    def __init__(self):
        full = np.full(N_VMS, VM_BYTES)
        self.vms = VmTable(
            names=tuple("abcd"),
            configured_bytes=full,
            vcpus=np.full(N_VMS, 2),
            groups=(None,) * N_VMS,
            images=("x",) * N_VMS,
            hosts=(None,) * N_VMS,
            shares=np.full(N_VMS, 1000),
            reservation_bytes=np.zeros(N_VMS, np.int64),
            limit_bytes=full,
            has_balloon_driver=np.array([True, True, False, False]),
        )

    def whole(self, replicate):
        granted = np.linspace([0.4, 0.5, 0.6, 0.7], [0.9, 0.95, 1.0, 1.0], N_TICKS).T
        active = np.repeat(np.array([[0.05], [0.1], [0.15], [0.25]]), N_TICKS, axis=1)
        return Demand(300.0, active.astype(np.float32), granted.astype(np.float32), np.full(N_VMS, np.nan))

    def replicate_meaning(self):
        return "written"


def run_host(preset, ratio):
    hypervisor = load_hypervisor(preset).model_copy(
        update={"vm_overhead_base": 0.0, "vm_overhead_per_vcpu": 0.0, "vm_overhead_per_memory": 0.0}
    )
    device = SwapDevice("nvme", 80e-6, 5e5)
    problem = HostProblem(
        host=HostHardware("host", int(N_VMS * VM_BYTES / ratio), 0, 8, CPU, device),
        hypervisor=hypervisor,
        workload=WorkloadSpec(),
        slo=SloSpec(),
        seed=1,
        replicate=0,
        vm_idx=tuple(range(N_VMS)),
        page_scale=1,
    )
    stack, costs, out = HostSim(Fleet()).prepare(problem)
    simulate_ticks(stack, costs, translation_table(CPU, "middle"), out, (0, N_TICKS))
    return stack


def touched_pages(stack, v):
    """Return the pages that VM `v` touched in the last tick and that are in memory, most popular first."""
    begin, end = stack.plan.touched_start[v, N_TICKS - 1 : N_TICKS + 1]
    pages = np.unique(stack.plan.touched_page[begin:end]).astype(np.int64)
    host_class = stack.pages.host_class[stack.vms.start[v] + pages]
    return pages[np.isin(host_class, (state.PRIVATE, state.SHARED))]


def map_as_left(bench, stack, v, pattern):
    """Fill the host's table: the guest's own table by the VM's small share, its memory as the stack left it."""
    n_pages = int(stack.vms.granted[v])
    n_table_blocks = -(-int(bench.guest.state[USED]) // PAGES_PER_LARGE_PAGE)
    share = stack.vms.small[v] / n_pages
    table_blocks = np.arange(n_table_blocks)
    is_small_table = stream.spread(table_blocks, stream.HOST_STEP, pattern.host_shift, bench.seed) < share
    blocks = stack.host.is_small[stack.host.block_start[v] : stack.host.block_start[v + 1]]
    pages = np.arange(n_pages)
    is_small = blocks[pages // PAGES_PER_LARGE_PAGE] == 1
    rows = stack.vms.start[v] + pages
    is_resident = np.isin(stack.pages.host_class[rows], (state.PRIVATE, state.SHARED))
    # Shared pages lie in one frame for each content, beyond all private ones.
    is_shared = stack.pages.host_class[rows] == state.SHARED
    frames = np.where(is_shared, (1 << 20) + stack.pages.content[rows], pages) * PAGE_BYTES + stream.DATA_GPA
    small = pages[is_small & is_resident] * PAGE_BYTES + stream.DATA_GPA
    large = np.unique(pages[~is_small] // PAGES_PER_LARGE_PAGE) * LARGE_PAGE_BYTES + stream.DATA_GPA
    small_tables = (table_blocks[is_small_table, None] * PAGES_PER_LARGE_PAGE + np.arange(512)).ravel() * PAGE_BYTES
    large_tables = table_blocks[~is_small_table] * LARGE_PAGE_BYTES
    clear_radix(bench.host)
    for addresses, targets, leaf in (
        (small, frames[is_small & is_resident], LEAF_4K),
        (large, large, LEAF_2M),
        (small_tables, small_tables, LEAF_4K),
        (large_tables, large_tables, LEAF_2M),
    ):
        stream.check_status(map_pages(bench.host, addresses, targets, leaf)[1])


def walked_overhead(stack, v):
    """Measure the overhead of VM `v` by walking its mappings, and return it with the active memory in bytes."""
    touched = touched_pages(stack, v)
    effort = TABLE_EFFORT._replace(n_measured=20_000)
    bench = build_bench(load_cpu(CPU), 0.99, 1, StreamAssumptions(), effort)
    counts = np.zeros(N_COUNTS, np.int64)
    for pattern in stream.patterns(effort):
        (addresses,) = stream.draw_stream(bench, touched.size * PAGE_BYTES, pattern, 1)
        addresses = touched[addresses // PAGE_BYTES] * PAGE_BYTES + addresses % PAGE_BYTES
        stream.map_guest(bench, touched, pattern)
        map_as_left(bench, stack, v, pattern)
        space = NestedSpace(bench.guest.entries, bench.guest.base, bench.guest.levels, bench.host)
        out = np.zeros((addresses.size, N_RUN_COLUMNS), np.int64)
        flush_tlb(bench.tlb)
        flush_walker(bench.walker)
        run_nested(space, bench.tlb, bench.walker, addresses, out)
        counts += count_run(out[-effort.n_measured :])
    return price_counts(counts, bench.cpu, bench.assumptions).overhead, touched.size * PAGE_BYTES


def small_share_of(pages, stack, v):
    """Share of pages of VM `v` that lie in blocks mapped with 4 KiB pages."""
    blocks = stack.host.is_small[stack.host.block_start[v] : stack.host.block_start[v + 1]]
    return float(blocks[pages // PAGES_PER_LARGE_PAGE].mean())


@pytest.fixture(scope="module")
def table():
    return translation_table(CPU, "middle")


@pytest.mark.parametrize(("preset", "ratio"), [("esxi-8", 1.5), ("esxi-8", 1.1), ("kvm", 1.5)])
def test_the_table_agrees_with_walking_what_the_stack_left_of_broken_hosts(table, preset, ratio):
    """Measured: -1 to +14 % of walking; 5 to 25 % of these VMs' memory is active, the table assumes 5 %."""
    stack = run_host(preset, ratio)
    for v in range(N_VMS):
        walked, active_bytes = walked_overhead(stack, v)
        share = stack.vms.small[v] / stack.vms.granted[v]
        assert share > 0.9
        assert 0.9 < interpolate_overhead(table, float(active_bytes), share) / walked < 1.2


def test_the_table_is_too_high_where_the_broken_blocks_are_the_idle_ones(table):
    """Where Linux broke cold blocks first, the table asks for the VM's share of small pages, not the touched pages'.

    With the touched pages' share it agrees.
    """
    too_high = []
    for ratio in (1.25, 1.1):
        stack = run_host("kvm", ratio)
        for v in range(N_VMS):
            share = stack.vms.small[v] / stack.vms.granted[v]
            of_touched = small_share_of(touched_pages(stack, v), stack, v)
            if 0.1 < share < 0.9:
                walked, active_bytes = walked_overhead(stack, v)
                known, told = (interpolate_overhead(table, float(active_bytes), s) for s in (share, of_touched))
                too_high.append(known / walked)
                assert 0.85 < told / walked < 1.25
    assert len(too_high) >= 2
    assert 1.5 < max(too_high) < 2.2
    assert min(too_high) > 1.0
