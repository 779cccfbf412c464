"""Strategies that look at more than sizes: cases small enough to place by hand, overhead memory set to nothing."""

import numpy as np
import pytest

from planner.config.hypervisor import HypervisorSpec
from planner.config.placement_rules import AdmissionSpec
from planner.errors import ConfigError
from planner.placement import PlacementLimits, PlacementRequest, load_strategy
from planner.units import GIB
from tests.placement_cases import NO_OVERHEAD, make_forecast, make_hosts, make_vms

NO_OVERHEAD_UNSALTED = HypervisorSpec(
    preset="test", vm_overhead_base=0, vm_overhead_per_vcpu=0, vm_overhead_per_memory=0, page_sharing={"salting": False}
)


def where(name, vms, hosts, forecast=None, seed=0, **limits):
    given = PlacementLimits(**{"overcommit_ratio": 1.0, "hypervisor": NO_OVERHEAD, **limits})
    placement = load_strategy(name).place(PlacementRequest(vms, hosts, given, forecast=forecast, seed=seed))
    return np.where(placement.is_placed, placement.host_idx, -1).tolist()


def test_worst_fit_by_percent_takes_the_emptier_host_not_the_larger():
    # After 8 on h0 (20 GiB: 12 left, 60 %) h1 has 10 left, 100 %: by bytes the next VM goes to h0, by percent to h1.
    vms, hosts = make_vms([8, 2]), make_hosts([20, 10])
    assert where("worst-fit", vms, hosts, is_every_host_open=True) == [0, 0]
    assert where("worst-fit-percent", vms, hosts, is_every_host_open=True) == [0, 1]


def test_random_draws_by_name_and_seed():
    vms, hosts = make_vms([1] * 40), make_hosts([64] * 8)
    first = where("random", vms, hosts, seed=1, is_every_host_open=True)
    assert first == where("random", vms, hosts, seed=1, is_every_host_open=True)
    assert first != where("random", vms, hosts, seed=2, is_every_host_open=True)
    # With room everywhere a VM's host does not depend on the others.
    some = vms.take(np.array([30, 3, 17]))
    assert where("random", some, hosts, seed=1, is_every_host_open=True) == [first[30], first[3], first[17]]
    # 40 draws over 8 hosts: each host is drawn (the chance that one is not is 8 x (7/8)^40 = 4 %; this seed is fixed).
    assert set(first) == set(range(8))


def test_random_opens_no_more_hosts_than_needed():
    assert set(where("random", make_vms([4] * 4), make_hosts([8] * 6))) == {0, 1}


def test_dot_product_pairs_what_complements():
    # Memory of 10 GiB, 10 vCPUs. Both weigh 0.4. Empty host: all have 0.4 x (0.6 + 0.2); by size then name, vm-0.
    # Left (0.4, 0.8): vm-1 does not fit, vm-2 and vm-3 score 0.4 x (0.2 x 0.4 + 0.6 x 0.8): vm-2. Then vm-1 and vm-3.
    vms = make_vms([6, 6, 2, 2], vcpus=[2, 2, 6, 6])
    assert where("dot-product", vms, make_hosts([10, 10], cores=10), max_vcpus_per_core=1.0) == [0, 1, 0, 1]


def test_dot_product_prefers_the_need_that_has_room():
    # After the 6 GiB VM of 1 vCPU there are (0.4, 0.9) left. Products: vm-1 (0.4, 0.1) 0.4 x 0.4 x w + ..., below.
    # Weights: memory (6 + 4 + 2) / 3 / 10 = 0.4, vCPUs (1 + 1 + 7) / 3 / 10 = 0.3.
    # First: vm-0 0.4 x 0.6 + 0.3 x 0.1 = 0.27, vm-1 0.19, vm-2 0.4 x 0.2 + 0.3 x 0.7 = 0.29: vm-2 comes first.
    # Left (0.8, 0.3): vm-0 0.4 x 0.6 x 0.8 + 0.3 x 0.1 x 0.3 = 0.201, vm-1 0.137: vm-0. Left (0.2, 0.2): none.
    vms = make_vms([6, 4, 2], vcpus=[1, 1, 7])
    assert where("dot-product", vms, make_hosts([10, 10], cores=10), max_vcpus_per_core=1.0) == [0, 1, 0]


def test_sharing_aware_puts_images_together():
    vms = make_vms([5, 5, 5, 5], images=("x", "y", "x", "y"))
    limits = {"hypervisor": NO_OVERHEAD_UNSALTED, "image_shared_fraction": 0.1}
    assert where("sharing-aware", vms, make_hosts([10, 10]), **limits) == [0, 1, 0, 1]


def test_sharing_aware_saves_nothing_where_salting_forbids_it():
    vms = make_vms([5, 5, 5, 5], images=("x", "y", "x", "y"))
    assert where("sharing-aware", vms, make_hosts([10, 10]), image_shared_fraction=0.1) == [0, 0, 1, 1]


def test_sharing_aware_goes_by_granted_memory():
    # Image y has touched more: its VMs come first although they are smaller, and take the first host.
    vms = make_vms([5, 4, 5, 4], images=("x", "y", "x", "y"))
    forecast = make_forecast(
        vms, np.full((4, 4), 0.1), granted=np.array([[0.1], [1.0], [0.1], [1.0]]).repeat(4, axis=1)
    )
    limits = {"hypervisor": NO_OVERHEAD_UNSALTED, "image_shared_fraction": 0.1}
    assert where("sharing-aware", vms, make_hosts([10, 10]), forecast, **limits) == [1, 0, 1, 0]


def test_group_spreading_parts_groups():
    vms = make_vms([2] * 4, groups=("a", "a", "b", "b"))
    assert where("group-spreading", vms, make_hosts([4, 4])) == [0, 1, 0, 1]
    # Worst-fit in the same order mixes by room alone: it does not look at groups.
    vms = make_vms([3, 2, 2, 1], groups=("a", "b", None, "a"))
    # 3 -> h0; b -> h1 (no b anywhere, most room); none -> h1 (5 left against 4: 7 - 2 = 5); a (1) -> h1: h0 has one.
    assert where("group-spreading", vms, make_hosts([7, 7]), is_every_host_open=True) == [0, 1, 1, 1]


def test_peak_aware_puts_what_peaks_apart_in_time_together():
    # Two VMs are busy in the first half, two in the second. Any host with one of each peaks at 0.8 + 0.1 of 4 GiB.
    day, night = [0.8] * 6 + [0.1] * 6, [0.1] * 6 + [0.8] * 6
    vms = make_vms([4, 4, 4, 4])
    forecast = make_forecast(vms, np.array([day, day, night, night]))
    found = where("peak-aware", vms, make_hosts([8, 8]), forecast, admission=AdmissionSpec(percentile=1.0))
    assert found == [0, 1, 0, 1]


def test_peak_aware_sees_correlation_that_a_sum_of_percentiles_does_not():
    # All four have the same distribution; only the order in time differs.
    rng = np.random.Generator(np.random.PCG64(3))
    base = rng.random(48)
    other = base[::-1]
    vms = make_vms([4, 4, 4, 4])
    forecast = make_forecast(vms, np.array([base, base, other, other]))
    found = where("peak-aware", vms, make_hosts([8, 8]), forecast)
    assert found[0] != found[1]
    assert found[2] != found[3]


def test_peak_aware_without_demand_is_refused():
    with pytest.raises(ConfigError, match="peak-aware looks at demand over time"):
        where("peak-aware", make_vms([4]), make_hosts([8]))


def test_thinned_history_meets_all_times_of_day():
    # A week at 5 minutes is 2016 ticks; 336 points ask for every 6th, but 6 divides a day (288): every 7th is taken.
    vms = make_vms([4])
    forecast = make_forecast(vms, np.linspace(0, 1, 2016)[np.newaxis])
    thinned = forecast.thinned_history("active", 336)
    assert thinned.shape == (1, 288)
    assert len({tick * 7 % 288 for tick in range(288)}) == 288
    whole = forecast.history("active")
    assert np.array_equal(thinned[0], whole[0, ::7])
    assert (whole % 4096 == 0).all()
    assert whole.max() == 4 * GIB


def test_largest_of_the_sum_is_what_sorting_gives():
    from planner.kernels.packing_peaks import _largest

    rng = np.random.Generator(np.random.PCG64(1))
    for size in (1, 2, 5, 40, 336):
        values = rng.integers(0, 9, size).astype(float)
        for rank in {1, (size + 1) // 2, size}:
            assert _largest.py_func(values.copy(), rank) == np.sort(values)[size - rank]


def test_every_host_open_uses_them_all():
    vms, hosts = make_vms([1] * 12), make_hosts([16] * 4)
    forecast = make_forecast(vms, np.full((12, 8), 0.2))
    for name in ("worst-fit", "worst-fit-percent", "group-spreading", "peak-aware"):
        assert set(where(name, vms, hosts, forecast, is_every_host_open=True)) == {0, 1, 2, 3}
        assert set(where(name, vms, hosts, forecast)) == {0}
