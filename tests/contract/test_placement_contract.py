"""What every registered placement strategy must keep: nobody lost, nobody twice, limits held, names harmless."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.config.hypervisor import HypervisorSpec
from planner.placement import HostCapacities, PlacementLimits, Verdict, load_strategy, strategy_names
from planner.units import GIB, MIB
from planner.workload.fleet import VmTable
from planner.workload.overhead import vm_overhead_bytes

HYPERVISOR = HypervisorSpec(preset="test")


def make_vms(memory_gib, vcpus=2, reservation_gib=0.0, hosts=None):
    memory = (np.array(memory_gib, dtype=float) * GIB).astype(np.int64)
    n = len(memory)
    return VmTable(
        names=tuple(f"vm-{i:04d}" for i in range(n)),
        configured_bytes=memory,
        vcpus=np.full(n, vcpus, dtype=np.int64),
        groups=(None,) * n,
        images=(None,) * n,
        hosts=hosts if hosts is not None else tuple(f"h{i % 3}" for i in range(n)),
        shares=memory // MIB * 10,
        reservation_bytes=np.minimum(memory, np.full(n, int(reservation_gib * GIB))),
        limit_bytes=memory,
        has_balloon_driver=np.ones(n, dtype=bool),
    )


def make_hosts(memory_gib):
    memory = (np.array(memory_gib) * GIB).astype(np.int64)
    return HostCapacities(tuple(f"h{i}" for i in range(len(memory))), memory, np.full(len(memory), GIB, dtype=np.int64))


FLEETS = st.tuples(
    st.lists(st.sampled_from([0.5, 1, 2, 3.3, 4, 8, 16, 40]), min_size=1, max_size=60),
    st.lists(st.sampled_from([16, 24, 32, 64]), min_size=1, max_size=12),
    st.sampled_from([1.0, 1.1, 1.4, 2.0]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.booleans(),
)


@pytest.mark.parametrize("name", strategy_names())
@given(fleet=FLEETS)
@settings(max_examples=60, deadline=None)
def test_contract(name, fleet):
    memory, host_memory, ratio, reservation, every = fleet
    vms, hosts = make_vms(memory, reservation_gib=reservation), make_hosts(host_memory)
    limits = PlacementLimits(ratio, HYPERVISOR, every)
    strategy = load_strategy(name)
    placement = strategy.place(vms, hosts, limits)

    assert placement.host_idx.shape == placement.verdicts.shape == (len(vms),)
    assert set(placement.verdicts.tolist()) <= {int(v) for v in Verdict}
    by_host = placement.vms_by_host()
    on_hosts = [by_host.get(h, np.array([], dtype=np.int64)) for h in range(len(hosts))]
    assert sorted(np.concatenate(on_hosts).tolist()) == np.flatnonzero(placement.is_placed).tolist()
    assert_limits_held(vms, hosts, on_hosts, ratio)

    again = strategy.place(vms, hosts, limits)
    assert np.array_equal(again.host_idx, placement.host_idx)
    assert np.array_equal(again.verdicts, placement.verdicts)


def assert_limits_held(vms, hosts, on_hosts, ratio):
    overhead = vm_overhead_bytes(vms, HYPERVISOR)
    exact_ratio = Fraction(str(ratio))
    for host, on_host in enumerate(on_hosts):
        ram = int(hosts.memory_bytes[host] - hosts.reserved_bytes[host])
        usable = ram - int(overhead[on_host].sum())
        assert int(vms.configured_bytes[on_host].sum()) <= exact_ratio * usable or not len(on_host)
        assert int((vms.reservation_bytes + overhead)[on_host].sum()) <= ram


@pytest.mark.parametrize("name", strategy_names())
def test_host_names_do_not_matter(name):
    vms, hosts = make_vms([4, 8, 2, 16, 1, 8, 4, 4]), make_hosts([16, 32, 24])
    swap = {"h0": "h2", "h1": "h0", "h2": "h1"}
    limits = PlacementLimits(1.2, HYPERVISOR)
    before = load_strategy(name).place(vms, hosts, limits)
    renamed_hosts = replace(hosts, names=tuple(swap[n] for n in hosts.names))
    after = load_strategy(name).place(replace(vms, hosts=tuple(swap[n] for n in vms.hosts)), renamed_hosts, limits)
    assert np.array_equal(before.host_idx, after.host_idx)
    assert np.array_equal(before.verdicts, after.verdicts)


@pytest.mark.parametrize("name", strategy_names())
def test_vm_larger_than_any_host_is_a_verdict(name):
    vms = make_vms([4, 500], hosts=("h0", "h0"))
    placement = load_strategy(name).place(vms, make_hosts([16, 16]), PlacementLimits(1.5, HYPERVISOR))
    assert placement.is_placed.tolist() == [True, False]
    assert placement.verdicts[1] in (Verdict.TOO_LARGE, Verdict.HOST_FULL)


def naive(name, vms, hosts, ratio):
    """Slow twin: plain loops over exact fractions; hosts listed as [configured, overhead, pinned]."""
    ratio = Fraction(str(ratio))
    overhead = vm_overhead_bytes(vms, HYPERVISOR).tolist()
    ram = [int(m - r) for m, r in zip(hosts.memory_bytes, hosts.reserved_bytes, strict=True)]
    load = [[0, 0] for _ in ram]
    order = range(len(vms))
    if name == "first-fit-decreasing":
        order = sorted(order, key=lambda vm: -vms.configured_bytes[vm])
    where = [-1] * len(vms)
    for vm in order:
        size = int(vms.configured_bytes[vm]) + ratio * overhead[vm]
        pinned = int(vms.reservation_bytes[vm]) + overhead[vm]
        fits = [h for h in range(len(ram)) if load[h][0] + size <= ratio * ram[h] and load[h][1] + pinned <= ram[h]]
        if name == "best-fit":
            used = [h for h in fits if load[h][0] > 0]
            fits = sorted(used, key=lambda h: ratio * ram[h] - load[h][0])[:1] or fits
        if fits:
            where[vm] = fits[0]
            load[fits[0]][0] += size
            load[fits[0]][1] += pinned
    return where


@pytest.mark.parametrize("name", ["first-fit", "first-fit-decreasing", "best-fit"])
@given(fleet=FLEETS)
@settings(max_examples=60, deadline=None)
def test_fast_equals_naive(name, fleet):
    memory, host_memory, _, reservation, _ = fleet
    # Ratio 1 makes every size whole, so that ties break alike; other ratios round sizes up to whole bytes.
    vms, hosts = make_vms(memory, reservation_gib=reservation), make_hosts(host_memory)
    placement = load_strategy(name).place(vms, hosts, PlacementLimits(1.0, HYPERVISOR))
    assert np.where(placement.is_placed, placement.host_idx, -1).tolist() == naive(name, vms, hosts, 1.0)
