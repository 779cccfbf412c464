"""Each strategy on cases small enough to place by hand, with overhead memory set to nothing."""

from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest

from planner.config.hypervisor import HypervisorSpec
from planner.errors import ConfigError
from planner.placement import PlacementLimits, PlacementRequest, Verdict, load_strategy, registry, strategy_names
from tests.placement_cases import NO_OVERHEAD, make_hosts, make_vms


def vms_of(sizes_gib, reservation_gib=0.0, hosts=()):
    return make_vms(sizes_gib, vcpus=1, reservation_gib=reservation_gib, hosts=tuple(hosts) or None)


def hosts_of(*memory_gib):
    return make_hosts(memory_gib)


def place(name, vms, hosts, ratio, hypervisor):
    return load_strategy(name).place(PlacementRequest(vms, hosts, PlacementLimits(ratio, hypervisor)))


def where(name, vms, hosts, ratio=1.0, every=False):
    placement = load_strategy(name).place(PlacementRequest(vms, hosts, PlacementLimits(ratio, NO_OVERHEAD, every)))
    return np.where(placement.is_placed, placement.host_idx, -1).tolist()


def test_first_fit_goes_back_to_earlier_hosts():
    # 6 -> h0 (4 left); 5 -> h1 (5 left); 4 -> h0 (0 left); 5 -> h1; 1 -> h2.
    assert where("first-fit", vms_of([6, 5, 4, 5, 1]), hosts_of(10, 10, 10)) == [0, 1, 0, 1, 2]


def test_first_fit_decreasing_starts_with_the_largest():
    # Order 7, 6, 4, 3: 7 -> h0, 6 -> h1, 4 -> h1, 3 -> h0. First-fit in the table's order needs a third host.
    assert where("first-fit-decreasing", vms_of([3, 4, 6, 7]), hosts_of(10, 10, 10)) == [0, 1, 1, 0]
    assert where("first-fit", vms_of([3, 4, 6, 7]), hosts_of(10, 10, 10)) == [0, 0, 1, 2]


def test_best_fit_takes_the_tightest_host_in_use():
    # 6 -> h0 (4 left); 7 -> h1 (3 left); 3 fits both, h1 is tighter.
    assert where("best-fit", vms_of([6, 7, 3]), hosts_of(10, 10, 10)) == [0, 1, 1]


def test_best_fit_opens_the_first_unused_host_that_fits():
    assert where("best-fit", vms_of([8, 1]), hosts_of(4, 10, 10)) == [1, 1]


def test_worst_fit_spreads_over_the_fewest_hosts_that_hold_all():
    # 4 x 4 = 16 needs two hosts of 10; spread alternates between them and leaves the third closed.
    assert where("worst-fit", vms_of([4, 4, 4, 4]), hosts_of(10, 10, 10)) == [0, 1, 0, 1]


def test_worst_fit_opens_one_more_host_where_the_sum_fits_but_the_pieces_do_not():
    # 6 + 6 + 6 = 18 <= 20, but two never share a host: three hosts.
    assert where("worst-fit", vms_of([6, 6, 6]), hosts_of(10, 10, 10, 10)) == [0, 1, 2]


def test_worst_fit_finds_the_fewest_hosts_far_above_the_lower_bound():
    # Twelve VMs of 6 need twelve hosts of 10, though 72 GiB would fill only eight: tried 8, 9, 11, 15, then 13, 12.
    assert where("worst-fit", vms_of([6] * 12), hosts_of(*[10] * 20)) == list(range(12))


def test_worst_fit_over_every_host():
    assert where("worst-fit", vms_of([4, 4, 4]), hosts_of(10, 10, 10), every=True) == [0, 1, 2]


def test_reservations_bind_though_the_ratio_would_allow_more():
    # Ratio 2 would hold 20 GiB on h0; 6 + 5 GiB reserved do not fit its 10 GiB of RAM.
    vms = vms_of([6, 5], reservation_gib=[6, 5])
    for name in ("first-fit", "best-fit", "worst-fit"):
        assert where(name, vms, hosts_of(10, 10), ratio=2.0) == [0, 1]


def test_worst_fit_skips_the_roomiest_host_when_its_ram_is_reserved():
    # h0 (20 GiB) has most room after 15 GiB with all of it reserved at ratio 2 (25 of 40 left), but only 5 GiB of RAM.
    vms = vms_of([15, 6], reservation_gib=[15, 6])
    assert where("worst-fit", vms, hosts_of(20, 10), ratio=2.0, every=True) == [0, 1]


def test_ratio_is_the_decimal_that_was_written():
    # 1.4 x 10 GiB = 14 GiB exactly; as a binary fraction 1.4 is a little less.
    assert where("first-fit", vms_of([7, 7]), hosts_of(10), ratio=1.4) == [0, 0]


def test_as_is_keeps_hosts_and_says_why_not():
    vms = vms_of([6, 6, 4, 1], hosts=("h1", "h1", "elsewhere", None))
    placement = place("as-is", vms, hosts_of(10, 10), 1.0, NO_OVERHEAD)
    assert placement.verdicts.tolist() == [
        Verdict.PLACED, Verdict.HOST_FULL, Verdict.HOST_UNKNOWN, Verdict.HOST_UNKNOWN,
    ]  # fmt: skip
    assert placement.host_idx[0] == 1
    assert {host: vms.tolist() for host, vms in placement.vms_by_host().items()} == {1: [0]}


def test_overhead_memory_is_the_published_law():
    # 14.4 + 4.0 x 2 + 0.0074 x 4096 = 52.7104 MiB; usable = 8 GiB - 2 x that, so two VMs of 4 GiB do not fit at 1.0.
    default = HypervisorSpec(preset="test")
    vms = vms_of([4, 4])
    vms.vcpus[:] = 2
    fits = place("first-fit", vms, hosts_of(8), 1.0, default)
    assert fits.is_placed.tolist() == [True, False]
    # 1.0133 x (8192 - 105.4208) = 8194.1 MiB >= 8192 MiB, and 1.0130 x ... = 8191.7 MiB is too little.
    assert place("first-fit", vms, hosts_of(8), 1.0133, default).is_placed.all()
    assert not place("first-fit", vms, hosts_of(8), 1.0130, default).is_placed.all()


def test_unknown_strategy_names_the_known_ones():
    with pytest.raises(ConfigError, match='"nearest-fit" is not a placement strategy; use one of as-is, best-fit'):
        load_strategy("nearest-fit")


def test_third_party_strategy_comes_by_entry_point(monkeypatch):
    points = EntryPoints([EntryPoint("mine", "planner.placement.first_fit:FirstFit", registry.ENTRY_POINT_GROUP)])
    monkeypatch.setattr(registry, "entry_points", lambda **query: points.select(**query))
    assert "mine" in strategy_names()
    assert place("mine", vms_of([1]), hosts_of(2), 1.0, NO_OVERHEAD).is_placed.all()


def test_broken_entry_point_is_a_config_error(monkeypatch):
    points = EntryPoints([EntryPoint("mine", "no.such.module:Thing", registry.ENTRY_POINT_GROUP)])
    monkeypatch.setattr(registry, "entry_points", lambda **query: points.select(**query))
    with pytest.raises(ConfigError, match='strategy "mine"'):
        load_strategy("mine")
