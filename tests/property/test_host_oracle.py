"""The compiled stack and its plain twin agree page by page, tick by tick, on random small hosts."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from planner.config.hypervisor import HypervisorSpec
from planner.config.slo import SloSpec
from planner.config.spec import WorkloadSpec
from planner.host.invariants import find_violation
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.simulator import HostSim, translation_table
from planner.kernels import state, timeline
from planner.kernels.host_loop import simulate_tick
from planner.units import PAGE_BYTES
from planner.workload.fleet import Demand, Presence, VmTable
from tests.oracles import host as oracle
from tests.whole_source import WholeSource

CLASSES = ("untouched", "private", "shared", "ballooned", "evicted", "compressed", "swapped")
N_TICKS = 24


class SmallFleet(WholeSource):
    """VMs of a few pages whose demand jumps about: grows, bursts, restarts, goes off, comes and leaves."""

    def __init__(self, seed, n_vms, page_bytes, options):
        self.seed = seed
        self.passing = options["passing"]
        rng = np.random.default_rng(seed)
        pages = rng.integers(1, 48, n_vms)
        configured = (pages * page_bytes).astype(np.int64)
        reservation = np.where(rng.random(n_vms) < options["reserved"], (configured * rng.random(n_vms) * 0.6), 0)
        limit = np.where(rng.random(n_vms) < options["limited"], configured * rng.uniform(0.3, 1, n_vms), configured)
        self.vms = VmTable(
            names=tuple(f"vm-{v}" for v in range(n_vms)),
            configured_bytes=configured,
            vcpus=np.full(n_vms, 2),
            groups=(None,) * n_vms,
            images=tuple(rng.choice(["a", "b"], n_vms)),
            hosts=(None,) * n_vms,
            shares=rng.integers(0, 2000, n_vms),
            reservation_bytes=reservation.astype(np.int64),
            limit_bytes=np.maximum(limit.astype(np.int64), reservation.astype(np.int64) + 1),
            has_balloon_driver=rng.random(n_vms) < 0.8,
        )

    def whole(self, replicate):
        rng = np.random.default_rng([self.seed, replicate])
        n_vms = len(self.vms)
        granted = np.minimum(
            1.0, rng.uniform(0.1, 0.9, (n_vms, 1)) + np.cumsum(rng.exponential(0.02, (n_vms, N_TICKS)), 1)
        )
        restart = rng.random((n_vms, N_TICKS)) < 0.03
        granted = np.where(restart, 0.3 * granted, granted)
        active = np.minimum(granted, rng.exponential(0.15, (n_vms, N_TICKS)))
        off = rng.random((n_vms, N_TICKS)) < 0.03
        first = rng.integers(0, N_TICKS - 1, n_vms)
        end = rng.integers(first + 1, N_TICKS + 1)
        running_tick = np.where(rng.random(n_vms) < 0.5, first, -1)
        is_whole = rng.random(n_vms) >= self.passing
        tick = np.arange(N_TICKS)
        off |= ~is_whole[:, None] & ((tick < first[:, None]) | (tick >= end[:, None]))
        granted[off], active[off] = np.nan, np.nan
        presence = Presence(is_whole, np.where(is_whole, 0, running_tick))
        return Demand(300.0, active.astype(np.float32), granted.astype(np.float32), np.full(n_vms, np.nan), presence)

    def replicate_meaning(self):
        return "random"


BACKGROUND = ["1 B/s", "100 KiB/s", "1024 MiB/s"]

HYPERVISORS = st.fixed_dictionaries(
    {
        "preset": st.just("test"),
        "large_pages": st.booleans(),
        "min_free_fraction": st.sampled_from([0.03, 0.1, 0.2]),
        "idle_memory_tax": st.sampled_from([0.0, 0.75, 0.95]),
        "vm_overhead_base": st.just(0.0),
        "vm_overhead_per_vcpu": st.just(0.0),
        "vm_overhead_per_memory": st.sampled_from([0.0, 0.0, 0.15]),
        "page_sharing": st.fixed_dictionaries(
            {
                "enabled": st.booleans(),
                "salting": st.booleans(),
                "rules": st.sampled_from(["esxi", "ksm"]),
                "numa_local": st.booleans(),
                "full_scan": st.sampled_from(["10 min", "1 h"]),
                "break_large_pages_below": st.sampled_from([0.0, 4.0, 100.0]),
                "ksm": st.fixed_dictionaries(
                    {
                        # Few pages a second: the twin takes its time for every visit.
                        "pages_to_scan": st.sampled_from([1, 7, 30]),
                        "sleep_millisecs": st.sampled_from([15_000, 60_000]),
                        "use_zero_pages": st.booleans(),
                        "max_page_sharing": st.sampled_from([2, 3, 256]),
                        "stable_node_chains_prune_millisecs": st.sampled_from([0, 100_000, 1_000_000]),
                        "smart_scan": st.booleans(),
                        "advisor_mode": st.sampled_from(["none", "scan-time"]),
                        "advisor_target_scan_time": st.sampled_from([60, 300]),
                        "advisor_min_pages_to_scan": st.just(5),
                        "advisor_max_pages_to_scan": st.sampled_from([8, 20]),
                    }
                ),
            }
        ),
        "ballooning": st.fixed_dictionaries(
            {
                "enabled": st.sampled_from([True, True, False]),
                "policy": st.sampled_from(["none", "esxi", "esxi", "ovirt-mom", "pve-autoballoon", "hyper-v"]),
                "max_fraction": st.sampled_from([0.65, 1.0]),
                "minimum": st.sampled_from(["0 MiB", "4 MiB"]),
                "driver_delay": st.sampled_from(["0 s", "15 min"]),
                "inflate": st.sampled_from(["4 KiB/s", "1 MiB/s"]),
                "inflate_paging": st.sampled_from(["2 KiB/s", "1 MiB/s"]),
                "interval": st.sampled_from(["10 s", "400 s"]),
                "host_target": st.sampled_from([0.8, 0.5]),
                "buffer": st.sampled_from([0.0, 0.2]),
                "deflate": st.sampled_from(["4 KiB/s", "1 MiB/s"]),
            }
        ),
        "active_sampling": st.fixed_dictionaries(
            {"pages": st.sampled_from([10, 100]), "period": st.sampled_from(["60 s", "50 s", "400 s", "900 s"])}
        ),
        "compression": st.fixed_dictionaries(
            {
                "enabled": st.booleans(),
                "kind": st.sampled_from(["esxi", "zswap"]),
                "max_fraction": st.sampled_from([0.05, 0.1, 0.5]),
                "accept_fraction": st.sampled_from([0.5, 0.9]),
                "compressible_fraction": st.sampled_from([0.5, 0.9]),
                "quarter_fraction": st.sampled_from([0.0, 0.4]),
            }
        ),
        "states": st.sampled_from(["esxi", "linux"]),
        "watermarks": st.fixed_dictionaries(
            {"min_free": st.sampled_from(["4 KiB", "64 KiB", "1 MiB"]), "background": st.sampled_from(BACKGROUND)}
        ),
        "swap": st.fixed_dictionaries(
            {
                "enabled": st.booleans(),
                "victims": st.sampled_from(["random", "lru"]),
                "when_full": st.sampled_from(["deny", "kill-largest"]),
                "power_on_check": st.booleans(),
            }
        ),
        "large_page_rebuild": st.fixed_dictionaries(
            {
                "by": st.sampled_from(["none", "esxi", "khugepaged", "khugepaged"]),
                "pages_per_s": st.sampled_from([1.0, 100.0, 10_000.0]),
                "max_shared": st.sampled_from([0, 256, 512]),
                "max_swapped": st.sampled_from([0, 10, 512]),
            }
        ),
    }
)
FLEETS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**20),
        "n_vms": st.integers(1, 5),
        "ratio": st.sampled_from([0.5, 1.0, 1.4, 2.0, 4.0]),
        "page_scale": st.sampled_from([1, 64, 512, 4096]),
        "reserved": st.sampled_from([0.0, 0.5]),
        "limited": st.sampled_from([0.0, 0.5]),
        "swap_share": st.sampled_from([None, None, 0.0, 0.1, 0.5]),  # swap space, of configured memory
        "is_zram": st.sampled_from([False, False, True]),
        "dirty": st.sampled_from([0.0, 0.3]),
        "reserve": st.sampled_from(["0 MiB", "99 MiB"]),
        "zeroed": st.sampled_from([False, False, True]),
        "numa_nodes": st.integers(1, 2),
        "passing": st.sampled_from([0.0, 0.6, 1.0]),
    }
)
NO_SWAP_LIMIT = {"swap_share": None, "is_zram": False}
PLAIN_GUESTS = {"dirty": 0.0, "reserve": "0 MiB", "zeroed": False}


def make_problem(fleet, hypervisor):
    page_bytes = fleet["page_scale"] * PAGE_BYTES
    source = SmallFleet(fleet["seed"], fleet["n_vms"], page_bytes, fleet)
    memory = max(int(source.vms.configured_bytes.sum() / fleet["ratio"]), int(source.vms.reservation_bytes.sum()) * 2)
    share = fleet["swap_share"]
    size = None if share is None else int(source.vms.configured_bytes.sum() * share)
    device = SwapDevice("device", 80e-6, 5e5, size, fleet["is_zram"])
    hardware = HostHardware("host", memory + page_bytes, 0, 8, "sapphire-rapids", device, fleet["numa_nodes"])
    ksm = hypervisor["page_sharing"].get("ksm", {})
    batch_keys = ("pages_to_scan", "advisor_min_pages_to_scan", "advisor_max_pages_to_scan")
    scaled = ksm | {key: ksm[key] * fleet["page_scale"] for key in batch_keys if key in ksm}
    hypervisor = hypervisor | {"page_sharing": hypervisor["page_sharing"] | {"ksm": scaled}}
    workload = WorkloadSpec(
        zero_fraction=0.1,
        self_shared_fraction=0.3,
        image_shared_fraction=0.3,
        shared_write_fraction=0.2,
        content_return_fraction=0.3,
        private_write_fraction=0.5,
        guest_dirty_fraction=fleet["dirty"],
        guest_reserve=fleet["reserve"],
        zeroed_at_boot=fleet["zeroed"],
    )
    problem = HostProblem(
        host=hardware,
        hypervisor=HypervisorSpec.model_validate(hypervisor),
        workload=workload,
        slo=SloSpec(),
        seed=fleet["seed"],
        replicate=0,
        vm_idx=tuple(range(fleet["n_vms"])),
        page_scale=fleet["page_scale"],
    )
    return HostSim(source), problem


def assert_same_pages(stack, twin, tick):
    for v, vm in enumerate(twin.vms):
        rows = slice(int(stack.vms.start[v]), int(stack.vms.start[v + 1]))
        assert [CLASSES[c] for c in stack.pages.host_class[rows]] == [p.host_class for p in vm.pages], (tick, v)
        held = [p.number for p in vm.pages if p.host_class in oracle.HELD]
        fast_content = stack.pages.content[rows]
        assert [int(fast_content[n]) for n in held] == [
            -1 if vm.pages[n].content is None else vm.pages[n].content for n in held
        ], (tick, v)
        assert stack.vms.tick[v].tolist() == [vm.tick[name] for name in oracle.EVENTS], (tick, v)
        assert stack.vms.small[v] == twin.small_pages(vm), (tick, v)
        assert stack.active.pages[v] == vm.active, (tick, v)
        assert (stack.balloons.wanted[v], stack.balloons.assigned[v]) == (vm.wanted, vm.assigned), (tick, v)


def compare(fleet, hypervisor):
    sim, problem = make_problem(fleet, hypervisor)
    stack, costs, out = sim.prepare(problem)
    twin = oracle.Host.from_stack(stack)
    table = translation_table("sapphire-rapids", "middle")
    for tick in range(N_TICKS):
        simulate_tick(stack, costs, table, out, tick)
        twin.step(tick)
        assert find_violation(stack) is None
        assert stack.host.totals[state.TOTAL_STATE] == twin.state, tick
        assert_same_pages(stack, twin, tick)
        if stack.knobs.sharing.is_ksm:
            row = dict(zip(timeline.COLUMNS, out.timeline[tick].tolist(), strict=True))
            assert {name: row[name] for name in twin.counters()} == twin.counters(), tick
        elif stack.knobs.is_sharing:
            assert out.timeline[tick, timeline.SCANNER_CPU] == twin.cpu_ns, tick
            assert out.timeline[tick, timeline.PAGES_SCANNED] == twin.scanned, tick
    assert_quiet_count_is_equal(sim, problem, out)


def assert_quiet_count_is_equal(sim, problem, out):
    """Where no mechanism can act, counting without playing gives what was played."""
    if sim.is_quiet(problem):
        counted = sim.count(problem)
        for name in ("timeline", "vm_sums", "vm_peaks", "vm_times", "slowdown_counts"):
            assert np.array_equal(getattr(counted, name), getattr(out, name)), name


# A block of 512 pages that breaks while its VM grows must count each page once.
GROWS_WHILE_RECLAIMING = {
    "preset": "test",
    "min_free_fraction": 0.03,
    "idle_memory_tax": 0.0,
    "vm_overhead_base": 0.0,
    "vm_overhead_per_vcpu": 0.0,
    "vm_overhead_per_memory": 0.0,
    "page_sharing": {"enabled": False},
    "ballooning": {"enabled": True, "inflate": "4 KiB/s", "deflate": "4 KiB/s"},
    "compression": {"enabled": False},
    "swap": {"enabled": False},
}

# Every VM comes or leaves, zeroes its memory at boot, has no driver for three ticks, and takes overhead memory.
COMES_AND_GOES = GROWS_WHILE_RECLAIMING | {
    "vm_overhead_per_memory": 0.15,
    "ballooning": {"enabled": True, "policy": "esxi", "driver_delay": "15 min", "inflate": "1 MiB/s"},
    "swap": {"enabled": True, "power_on_check": True},
}


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@example(
    fleet={"seed": 0, "n_vms": 1, "ratio": 1.4, "page_scale": 1, "reserved": 0.0, "limited": 0.0, "numa_nodes": 1}
    | {"passing": 0.0}
    | NO_SWAP_LIMIT
    | PLAIN_GUESTS,
    hypervisor=GROWS_WHILE_RECLAIMING,
)
@example(
    fleet={"seed": 7, "n_vms": 5, "ratio": 2.0, "page_scale": 64, "reserved": 0.5, "limited": 0.0, "numa_nodes": 1}
    | {"passing": 1.0}
    | NO_SWAP_LIMIT
    | PLAIN_GUESTS
    | {"zeroed": True},
    hypervisor=COMES_AND_GOES,
)
@given(fleet=FLEETS, hypervisor=HYPERVISORS)
def test_stack_equals_oracle(fleet, hypervisor):
    compare(fleet, hypervisor)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fleet=FLEETS, hypervisor=HYPERVISORS)
def test_stack_equals_oracle_long(fleet, hypervisor):
    compare(fleet, hypervisor)
