"""Whole hosts: what must never happen, what must never get worse, and the short cut for quiet hosts."""

from dataclasses import replace

import numpy as np
import pytest

from planner.config.hypervisor import HypervisorSpec
from planner.config.load import load_hypervisor
from planner.config.page_tables import PageTableSpec
from planner.config.slo import SloSpec
from planner.config.spec import VmSpec, WorkloadSpec
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.results import RunOfHost, slo_broken_ticks
from planner.host.simulator import HostSim, translation_table
from planner.kernels.host_loop import simulate_ticks
from planner.schema import HOST_COLUMNS, TIMELINE_COLUMNS, VM_COLUMNS
from planner.workload.fleet import Demand
from planner.workload.generated import GeneratedSource
from planner.workload.listed import ListedSource
from planner.workload.overhead import min_free_bytes, sharing_kept_bytes, vm_overhead_bytes
from tests.whole_source import WholeSource

GIB = 2**30
N_VMS = 24
NVME = SwapDevice("nvme", 80e-6, 5e5)


@pytest.fixture(scope="module")
def source():
    return GeneratedSource("managed-hosting", N_VMS, horizon_s=2 * 86400.0, tick_s=300.0, seed=3)


def ram_for(usable, source, hypervisor):
    """RAM of a host with this much usable memory: what minFree and page sharing take depends on the RAM itself."""
    needed = usable + int(vm_overhead_bytes(source.vms, hypervisor).sum())
    memory = needed
    while (missing := needed + _kept(memory, hypervisor) - memory) > 0:
        memory += missing
    return memory


def _kept(memory, hypervisor):
    return min_free_bytes(memory, hypervisor) + sharing_kept_bytes(memory, hypervisor)


def make_problem(source, ratio, hypervisor=None, replicate=0, page_scale=4096):
    hypervisor = hypervisor or load_hypervisor("esxi-8")
    memory = ram_for(int(source.vms.configured_bytes.sum() / ratio), source, hypervisor)
    return HostProblem(
        host=HostHardware("host", memory, 0, 64, "sapphire-rapids", NVME),
        hypervisor=hypervisor,
        workload=WorkloadSpec(),
        slo=SloSpec(),
        seed=3,
        replicate=replicate,
        vm_idx=tuple(range(len(source.vms))),
        page_scale=page_scale,
        warm_up_s=43200.0,
    )


def switch(hypervisor, **switches):
    parts = {name: getattr(hypervisor, name).model_copy(update={"enabled": on}) for name, on in switches.items()}
    return hypervisor.model_copy(update=parts)


@pytest.mark.parametrize("preset", ["esxi-8", "kvm"])
@pytest.mark.parametrize("replicate", [0, 1])
def test_without_overcommit_nothing_is_ever_swapped_or_denied(source, preset, replicate):
    row = HostSim(source).run(make_problem(source, 1.0, load_hypervisor(preset), replicate)).host_row
    assert row["swapped_bytes_max"] == 0
    assert row["swap_in_bytes_per_s_max"] == 0.0
    assert row["denied_bytes"] == 0
    assert not row["slo_is_broken"]


class Greedy(WholeSource):
    """VMs of odd sizes that touch all they were given, and a quarter of it in every tick."""

    def __init__(self):
        configured = np.array([0.3, 0.8, 1.1, 1.7, 2.9, 3.3, 5.2, 7.9, 0.8, 0.8, 0.8, 0.8]) * GIB
        listed = tuple(VmSpec(name=f"vm{n}", memory=f"{int(b)} B") for n, b in enumerate(configured))
        self.vms = ListedSource(listed, 86400.0, 300.0, 1).vms

    def whole(self, replicate):
        shape = (len(self.vms), 288)
        return Demand(300.0, np.full(shape, 0.25, np.float32), np.ones(shape, np.float32), np.full(shape[0], np.nan))

    def independent_replicates(self):
        return 1

    def replicate_meaning(self):
        return ""


@pytest.mark.parametrize("is_reclaiming", [True, False])
@pytest.mark.parametrize("page_scale", [256, 4096, 65536])
@pytest.mark.parametrize("preset", ["esxi-8", "kvm"])
def test_a_full_host_without_overcommit_reclaims_nothing(preset, page_scale, is_reclaiming):
    greedy, hypervisor = Greedy(), load_hypervisor(preset)
    if not is_reclaiming:
        hypervisor = switch(hypervisor, page_sharing=False, ballooning=False, compression=False)
    row = HostSim(greedy).run(make_problem(greedy, 1.0, hypervisor, page_scale=page_scale)).host_row
    assert row["granted_bytes_mean"] == pytest.approx(float(greedy.vms.configured_bytes.sum()), rel=0.15)
    assert (row["swapped_bytes_max"], row["denied_bytes"], row["ballooned_bytes_mean"]) == (0, 0, 0.0)
    assert row["state_high_s"] == 43200.0


@pytest.mark.parametrize("preset", ["esxi-8", "kvm"])
def test_more_memory_never_raises_swap_in(source, preset):
    sim, hypervisor = HostSim(source), load_hypervisor(preset)
    rates = [
        sim.run(make_problem(source, ratio, hypervisor)).host_row["swap_in_bytes_per_s_mean"]
        for ratio in (6.0, 4.0, 3.0, 2.4, 2.0, 1.6, 1.3, 1.0)
    ]
    assert rates[0] > 0
    assert rates == sorted(rates, reverse=True)


def test_without_any_reclaim_memory_is_denied_exactly_when_granted_passes_ram(source):
    nothing = switch(load_hypervisor("esxi-8"), page_sharing=False, ballooning=False, compression=False, swap=False)
    sim = HostSim(source)
    granted = sim.run(make_problem(source, 1.0), keep_timeline=True).host_row["granted_bytes_max"]
    configured = int(source.vms.configured_bytes.sum())
    page_bytes = 4096 * 4096
    # Nothing reclaims for minFree either, so guests can have that, too.
    kept = min_free_bytes(make_problem(source, configured / granted).host.memory_bytes, nothing)
    enough = make_problem(source, configured / (granted + page_bytes - 0.98 * kept), nothing)
    short = make_problem(source, configured / (granted - 2 * page_bytes - 1.02 * kept), nothing)
    assert sim.run(enough).host_row["denied_bytes"] == 0
    assert sim.run(short).host_row["denied_bytes"] > 0


def first_broken_ratio(source, sim, hypervisor):
    for ratio in np.arange(1.0, 4.01, 0.1):
        if sim.run(make_problem(source, float(ratio), hypervisor)).host_row["slo_is_broken"]:
            return float(ratio)
    return float("inf")


def test_each_mechanism_moves_the_point_where_risk_starts(source):
    base, sim = load_hypervisor("esxi-8"), HostSim(source)
    off = {"page_sharing": False, "ballooning": False, "compression": False, "swap": False}
    broken = {
        name: first_broken_ratio(source, sim, switch(base, **off | dict.fromkeys(mechanisms, True)))
        for name, mechanisms in {
            "nothing": (),
            "swap": ("swap",),
            "compression": ("swap", "compression"),
            "sharing": ("swap", "page_sharing"),
            "ballooning": ("swap", "ballooning"),
            "all": tuple(off),
        }.items()
    }
    granted = sim.run(make_problem(source, 1.0)).host_row["granted_bytes_max"]
    # Nothing: where granted passes RAM (guests get minFree, too, 2 % here). Then each mechanism puts it off further.
    assert broken["nothing"] == pytest.approx(int(source.vms.configured_bytes.sum()) / granted, abs=0.15)
    assert broken["nothing"] <= broken["swap"] <= broken["compression"] <= broken["ballooning"] <= broken["all"]
    assert broken["swap"] <= broken["sharing"] < broken["ballooning"]
    assert broken["nothing"] < broken["sharing"]


def test_each_mechanism_lowers_what_the_next_one_has_to_do(source):
    base, ratio, sim = load_hypervisor("esxi-8"), 2.4, HostSim(source)
    off = {"page_sharing": False, "ballooning": False, "compression": False}
    swap_only = sim.run(make_problem(source, ratio, switch(base, **off))).host_row
    compress = sim.run(make_problem(source, ratio, switch(base, **off | {"compression": True}))).host_row
    everything = sim.run(make_problem(source, ratio, base)).host_row
    assert swap_only["swapped_bytes_mean"] > compress["swapped_bytes_mean"] > everything["swapped_bytes_mean"]
    # Compression need not lower swap-in: a page in the cache still takes half a frame, so more pages have to go.
    assert swap_only["swap_in_bytes_per_s_mean"] > everything["swap_in_bytes_per_s_mean"]
    assert everything["ballooned_bytes_mean"] > 0
    assert everything["shared_saved_bytes_mean"] > 0


def test_breaking_large_pages_costs_translation(source):
    sim = HostSim(source)
    quiet, squeezed = (sim.run(make_problem(source, ratio)).host_row for ratio in (1.0, 2.4))
    assert quiet["small_mapped_fraction_mean"] == 0.0
    assert squeezed["small_mapped_fraction_mean"] > 0.1
    assert squeezed["translation_overhead_mean"] > quiet["translation_overhead_mean"] > 0.0


def test_a_fifth_level_moves_translation_alone_and_by_little(source):
    """Walk caches hold the one or two entries of the upper levels, so that a fifth is hardly ever read."""
    sim, problem = HostSim(source), make_problem(source, 1.0)
    deep = replace(problem, host=replace(problem.host, page_tables=PageTableSpec(guest_levels=5, host_levels=5)))
    assert deep != problem
    four, five = sim.run(problem).host_row, sim.run(deep).host_row
    assert five["translation_overhead_mean"] != four["translation_overhead_mean"]
    assert five["translation_overhead_mean"] == pytest.approx(four["translation_overhead_mean"], rel=0.05)
    changed = {name for name in four if four[name] != five[name]}
    assert all(name.startswith(("translation_", "slowdown_")) for name in changed), changed


def test_quiet_short_cut_gives_what_the_full_run_gives(source):
    sim, problem = HostSim(source), make_problem(source, 0.8)
    assert sim.is_quiet(problem)
    quiet = sim.count(problem)
    stack, costs, full = sim.prepare(problem)
    simulate_ticks(stack, costs, translation_table("sapphire-rapids", "middle"), full, (0, full.timeline.shape[0]))
    for name in ("timeline", "vm_sums", "vm_peaks", "vm_times", "slowdown_counts"):
        assert np.array_equal(getattr(quiet, name), getattr(full, name)), name


def test_result_has_every_declared_column_and_conserves_bytes(source):
    result = HostSim(source).run(make_problem(source, 2.0), keep_timeline=True)
    assert set(result.host_row) == {c.name for c in HOST_COLUMNS if c.simulated}
    assert set(result.vm_rows) == {c.name for c in VM_COLUMNS if c.simulated}
    assert all(values.shape == (N_VMS,) for values in result.vm_rows.values())
    at = {column.name: result.timeline[:, n] for n, column in enumerate(TIMELINE_COLUMNS)}
    total = at["consumed_bytes"] + at["free_bytes"]
    assert (total == total[0]).all()
    # Frames in use: private pages, the shared ones less what sharing saves, and what holds the compressed ones.
    used = at["private_bytes"] + at["shared_bytes"] - at["shared_saved_bytes"] + at["compressed_held_bytes"]
    assert (used == at["consumed_bytes"]).all()
    held = sum(at[f"{name}_bytes"] for name in ("private", "shared", "compressed", "swapped", "evicted"))
    assert (held <= at["granted_bytes"]).all()
    assert (held + at["ballooned_bytes"] >= at["granted_bytes"]).all()
    # VM sums and host sums are the same bytes.
    row = result.host_row
    assert result.vm_rows["granted_bytes_mean"].sum() == pytest.approx(row["granted_bytes_mean"], rel=1e-12)
    assert result.vm_rows["ballooned_bytes_mean"].sum() == pytest.approx(row["ballooned_bytes_mean"], rel=1e-12)


def test_same_problem_gives_the_same_result_in_any_company(source):
    problem = make_problem(source, 2.0)
    alone = HostSim(source).run(problem)
    busy = HostSim(source)
    busy.run(make_problem(source, 3.0, replicate=1))
    again = busy.run(problem)
    assert alone.host_row == again.host_row
    assert all(np.array_equal(alone.vm_rows[name], again.vm_rows[name], equal_nan=True) for name in alone.vm_rows)


def _run_of(timeline):
    """Make a run of one VM whose time line is in its units."""
    return RunOfHost(timeline, np.ones(timeline.shape[1], np.int64), 300.0, np.zeros((1, 66)), np.zeros((1, 11)))


def test_objective_counts_runs_longer_than_it_allows():
    slo = SloSpec.model_validate({"swap_in": "1 MiB/s", "for_more_than": "5 min"})
    timeline = np.zeros((8, len(TIMELINE_COLUMNS)), dtype=np.int64)
    column = [c.name for c in TIMELINE_COLUMNS].index("swap_in_bytes")
    too_much = int(1.1 * 2**20 * 300)
    timeline[[1, 3, 4, 7], column] = too_much
    # Five minutes are one tick, which is not more than 5 min; two in a row are.
    broken = slo_broken_ticks(_run_of(timeline), slo)
    assert broken.swap_in.tolist() == [False, False, False, True, True, False, False, False]
    assert not broken.guest_paging.any()
    timeline[4:7, [c.name for c in TIMELINE_COLUMNS].index("guest_paging_bytes")] = too_much
    stricter = SloSpec.model_validate({"swap_in": "2 MiB/s", "guest_paging": "1 MiB/s", "for_more_than": "10 min"})
    broken = slo_broken_ticks(_run_of(timeline), stricter)
    assert not broken.swap_in.any()
    assert np.flatnonzero(broken.guest_paging).tolist() == [4, 5, 6]


def test_limit_is_enforced_without_pressure(source):
    vms = source.vms
    limit = (vms.configured_bytes * 0.3).astype(np.int64)

    class Limited(WholeSource):
        def __init__(self):
            self.vms = type(vms)(**{**vars(vms), "limit_bytes": limit})

        def whole(self, replicate):
            return source.demand(replicate)

        def replicate_meaning(self):
            return ""

    result = HostSim(Limited()).run(make_problem(source, 0.7), keep_timeline=True)
    assert result.host_row["ballooned_bytes_mean"] + result.host_row["swapped_bytes_mean"] > 0
    page_bytes = 4096 * 4096
    assert result.host_row["consumed_bytes_mean"] <= limit.sum() + N_VMS * page_bytes


def test_hypervisor_overhead_table():
    # vSphere 6.5/6.7 resource management guide, MiB by vCPUs 1, 2, 4, 8; fit 14.4 + 4.0 per vCPU + 0.0074 per MiB.
    published = {
        256: (20.29, 24.28, 32.23, 48.16),
        1024: (25.90, 29.91, 37.86, 53.82),
        16384: (139.62, 143.98, 151.93, 168.60),
    }
    spec = HypervisorSpec(preset="test")
    for memory_mib, row in published.items():
        for vcpus, expected in zip((1, 2, 4, 8), row, strict=True):
            got = spec.vm_overhead_base + spec.vm_overhead_per_vcpu * vcpus + spec.vm_overhead_per_memory * memory_mib
            assert got == pytest.approx(expected, abs=1.5)
