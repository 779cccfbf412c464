"""From a policy and pages to the arrays of page sharing: scope of contents, scan rates, knobs, KSM's records."""

import math

import numpy as np

from planner.config.catalog import load_cpu
from planner.config.page_sharing import KsmSpec, PageSharingSpec
from planner.host.pages import FleetPages
from planner.host.problem import HostProblem
from planner.kernels import sharing_state, state
from planner.kernels.contents import number_contents
from planner.kernels.sharing_groups import GROUP_BITS
from planner.units import PAGE_BYTES
from planner.workload.overhead import sharing_table_bytes

_HZ_PER_GHZ = 1e9
_NS_PER_S = 1e9
_NS_PER_MS = 1_000_000
_LOOKS_AT_ONCE = 512
_YIELD_NS = 1000  # a scanner without pause still gives way to others: the time of a context switch


def home_nodes(n_pages: np.ndarray, numa_nodes: int) -> np.ndarray:
    """Give each VM of a host a NUMA node: in order, each to the node with the least memory so far.

    Parameters
    ----------
    n_pages : int64 array, shape (n_vms,)
        Configured memory. [pages]
    numa_nodes : int

    Returns
    -------
    int64 array, shape (n_vms,)

    Notes
    -----
    Assumes that a VM fits one node; VMs that span nodes are not modelled.
    """
    filled = np.zeros(numa_nodes, dtype=np.int64)
    nodes = np.zeros(n_pages.size, dtype=np.int64)
    for v, pages in enumerate(n_pages):
        nodes[v] = int(np.argmin(filled))
        filled[nodes[v]] += pages
    return nodes


def build_contents(problem: HostProblem, pages: FleetPages) -> tuple[np.ndarray, np.ndarray, state.ContentArrays]:
    """Give numbers to zero pages and to contents that at least two pages have within the scope of sharing.

    The scope is the host, the NUMA node or, salted, the VM. Overwrites the content keys of `pages` with the numbers.

    Returns
    -------
    home_content : int32 array, shape (n_pages,)
    zero_content : int32 array, shape (n_vms,)
        Content of a zero page of each VM; NO_CONTENT where it can have none.
    contents : ContentArrays
    """
    spec = problem.hypervisor.page_sharing
    n_pages = np.diff(pages.start)
    scope = np.zeros(n_pages.size, dtype=np.int64)
    if spec.salting:
        scope = np.arange(n_pages.size)
    elif spec.numa_local:
        scope = home_nodes(n_pages, problem.host.numa_nodes)
    home = pages.content_key
    n_keys = int(home.max(initial=state.NO_CONTENT)) + 1
    zero_numbers = np.empty(n_pages.size, dtype=np.int64)
    seen = np.zeros(n_keys, dtype=np.int32)
    number = np.full(n_keys, state.NO_CONTENT, dtype=np.int32)
    count = number_contents(home, pages.start, scope, seen, number, zero_numbers)
    if problem.workload.zeroed_at_boot:
        # A guest may zero memory although none of its pages stays zero.
        missing = np.setdiff1d(scope, np.flatnonzero(zero_numbers != state.NO_CONTENT))
        zero_numbers[missing] = count + np.arange(missing.size)
        count += missing.size
    frame_cost = np.ones(count, dtype=np.int64)
    # A sampled zero page stands for `page_scale` zero pages, which share among themselves. ESXi is taken to have a zero
    # page of its own: one that were found only by its hint would be swapped, exact, where a sample shares it.
    is_self = problem.page_scale > 1 or spec.rules != "ksm" or spec.ksm.use_zero_pages
    frame_cost[zero_numbers[zero_numbers != state.NO_CONTENT]] = 0 if is_self else 1
    contents = state.ContentArrays(
        refs=np.zeros(count, dtype=np.int32),
        hint=np.full(count, -1, dtype=np.int32),
        frame_cost=frame_cost,
    )
    return home, zero_numbers[scope].astype(np.int32), contents


def scan_budget(problem: HostProblem, n_pages: np.ndarray, tick_s: float) -> np.ndarray:
    """Return sampled pages that ESXi scans per tick and VM: the wanted pass time, under the VM's and the host's cap."""
    spec = problem.hypervisor.page_sharing
    wanted = n_pages * tick_s / spec.full_scan
    budget = np.minimum(wanted, spec.pages_per_s_per_vm * tick_s / problem.page_scale)
    host_ghz = problem.host.cores * load_cpu(problem.host.cpu).clock_hz / _HZ_PER_GHZ
    host_cap = spec.scan_per_ghz * host_ghz / PAGE_BYTES * tick_s / problem.page_scale
    total = budget.sum()
    capped: np.ndarray = budget * (host_cap / total) if total > host_cap else budget
    return capped


def build_sharing_knobs(problem: HostProblem, tick_s: float) -> sharing_state.SharingKnobs:
    """Build the scalars of page sharing for a host problem whose ticks last `tick_s` seconds."""
    spec, workload = problem.hypervisor.page_sharing, problem.workload
    ksm = spec.ksm
    is_ksm = spec.enabled and spec.rules == "ksm"
    return sharing_state.SharingKnobs(
        is_ksm=is_ksm,
        is_smart=ksm.smart_scan,
        is_zero_merging=is_ksm and ksm.use_zero_pages,
        is_advised=ksm.advisor_mode == "scan-time",
        page_scale=problem.page_scale,
        tick_ns=round(tick_s * _NS_PER_S),
        sleep_ns=pause_ns(ksm),
        max_sharing=ksm.max_page_sharing,
        self_limit=ksm.max_page_sharing if is_ksm and not ksm.use_zero_pages else 0,
        prune_ns=ksm.stable_node_chains_prune_millisecs * _NS_PER_MS,
        advisor_target_s=ksm.advisor_target_scan_time,
        advisor_max_cpu=ksm.advisor_max_cpu,
        advisor_max_pages=ksm.advisor_max_pages_to_scan,
        return_below=int(workload.content_return_fraction * 2.0**32),
        private_write_below=int(workload.private_write_fraction * 2.0**32),
        table_bytes=sharing_table_bytes(problem.host.memory_bytes, problem.hypervisor),
    )


def pause_ns(ksm: KsmSpec) -> int:
    """Return how long the pause between two batches really is, in ns.

    A timer of n ticks, rounded up, that is set between two ticks goes off n to n + 1 ticks later: n + 1/2 on average.
    """
    if ksm.sleep_millisecs == 0:
        return _YIELD_NS
    ticks = math.ceil(ksm.sleep_millisecs * ksm.timer_hz / 1000)
    return round((ticks + 0.5) * _NS_PER_S / ksm.timer_hz)


def hash_cost_ns(problem: HostProblem) -> int:
    """Return the CPU time of ESXi's scanner for each sampled page that it hashes. [ns]."""
    return round(problem.hypervisor.page_sharing.cost.checksum * _NS_PER_S) * problem.page_scale


def build_sharing_arrays(
    spec: PageSharingSpec, n_pages: int, n_contents: int, n_vms: int
) -> sharing_state.SharingArrays:
    """Allocate the scanner's records: by page, stable node and content only where KSM runs."""
    is_ksm = spec.enabled and spec.rules == "ksm"
    by_page = n_pages if is_ksm else 0
    # Every node has an item of its own; entry 0 is not used.
    by_node = n_pages + 1 if is_ksm else 0
    by_content = n_contents if is_ksm else 0
    counters = np.zeros(sharing_state.N_SCAN, dtype=np.int64)
    is_advised = spec.ksm.advisor_mode == "scan-time"
    counters[sharing_state.SCAN_BATCH_SIZE] = (
        spec.ksm.advisor_min_pages_to_scan if is_advised else spec.ksm.pages_to_scan
    )
    counters[sharing_state.SCAN_PASS_IS_EMPTY] = 1
    cost = spec.cost
    costs = (cost.passed_over, cost.checksum, cost.search, cost.merge, cost.merged)

    def int32(size: int) -> np.ndarray:
        return np.zeros(size, dtype=np.int32)

    return sharing_state.SharingArrays(
        counters=counters,
        cost_ns=np.array([round(seconds * _NS_PER_S) for seconds in costs], dtype=np.int64),
        on_tick=np.full(n_vms, -1, dtype=np.int64),
        scan_end=np.zeros(n_vms, dtype=np.int64),
        is_open=np.ones((n_pages >> GROUP_BITS) + 1, dtype=np.uint8),
        looks=int32(_LOOKS_AT_ONCE),
        item=np.zeros(by_page, dtype=np.uint8),
        age=np.zeros(by_page, dtype=np.uint8),
        skips=np.zeros(by_page, dtype=np.uint8),
        checksum=int32(by_page),
        node=int32(by_page),
        next_mapper=int32(by_page),
        prev_mapper=int32(by_page),
        node_content=int32(by_node),
        node_refs=int32(by_node),
        node_items=int32(by_node),
        node_pointers=int32(by_node),
        next_dup=int32(by_node),
        prev_dup=int32(by_node),
        first_mapper=int32(by_node),
        first_dup=int32(by_content),
        is_chain=np.zeros(by_content, dtype=np.uint8),
        prune_ns=np.zeros(by_content, dtype=np.int64),
        unstable_pass=int32(by_content),
    )
