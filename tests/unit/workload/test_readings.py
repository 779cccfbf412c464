"""Inventories read once: what was read holds, what was not is drawn, and a reading is no mean."""

from dataclasses import replace

import numpy as np
import pytest

from planner.errors import InputError
from planner.units import GIB
from planner.workload.fleet_files import read_fleet, write_fleet
from planner.workload.fleet_records import FleetFiles, FleetInfo, VmRecord
from planner.workload.readings import POOL_VMS, ReadingsSource, chances_of_rank

DAY_S = 86_400.0
N = 400


def fleet_of(vms, readings=1):
    nothing = np.empty((len(vms), 0), dtype=np.float32)
    return FleetFiles(FleetInfo("test", "", 300, 0, readings=readings), tuple(vms), nothing, nothing)


def alike(count=N, **known):
    return [VmRecord(f"vm-{number}", 8 * GIB, "table", 4, **known) for number in range(count)]


def source_of(vms, readings=1, days=7, seed=3):
    return ReadingsSource(fleet_of(vms, readings), days * DAY_S, 300.0, seed)


def mean_active(source):
    return np.nanmean(source.demand(0).active_fraction, axis=1)


def test_what_balloon_and_swap_took_was_granted_and_holds_at_the_start():
    (vm,) = alike(1, consumed_bytes=4 * GIB, ballooned_bytes=GIB, swapped_bytes=GIB)
    assert source_of([vm]).models.granted_fraction[0] == 6 / 8


def test_consumed_beyond_configured_memory_is_cut():
    (vm,) = alike(1, consumed_bytes=9 * GIB)
    assert source_of([vm]).models.granted_fraction[0] == 1.0


def test_what_is_unknown_is_drawn_and_not_zero():
    granted = source_of(alike()).models.granted_fraction
    assert granted.min() > 0.0
    assert len(set(granted.tolist())) > N // 4
    assert 0.5 < granted.mean() < 0.9  # the generator's: 0.75 of configured


def test_a_reading_shifts_the_mean_but_is_not_taken_for_it():
    low, unknown, high = (
        mean_active(source_of(alike(consumed_bytes=8 * GIB, **known))).mean()
        for known in ({"active_bytes": 0}, {}, {"active_bytes": 4 * GIB})
    )
    assert low < 0.6 * unknown
    assert high > 2.0 * unknown
    # Half of the VMs caught at 50 % were in a burst: their mean is well below what was read.
    assert high < 0.4


def test_the_largest_of_many_readings_says_less_of_the_mean_than_one():
    means = [
        mean_active(source_of(alike(consumed_bytes=8 * GIB, active_bytes=2 * GIB), readings)).mean()
        for readings in (1, 50)
    ]
    assert means[1] < 0.8 * means[0]


def test_reading_the_generators_own_vms_gives_their_means_back():
    # VMs of the pool are read at a random tick; what takes after them must have their mean, in all, within sampling.
    from planner.workload.generated import GeneratedSource

    drawn = GeneratedSource("managed-hosting", N, DAY_S, 300.0, 11)
    demand = drawn.demand(0)
    ticks = np.random.default_rng(5).integers(demand.active_fraction.shape[1], size=N)
    configured = drawn.vms.configured_bytes
    read_active = demand.active_fraction[np.arange(N), ticks] * configured
    read_granted = demand.granted_fraction[np.arange(N), ticks] * configured
    vms = [
        VmRecord(
            f"read-{row}", int(configured[row]), "table", 2,
            consumed_bytes=int(read_granted[row]), active_bytes=int(read_active[row]),
        )
        for row in range(N)
    ]  # fmt: skip
    true = np.exp(np.log(np.maximum(demand.active_fraction.mean(axis=1), 1e-5)))
    found = mean_active(source_of(vms, days=1))
    assert found.mean() == pytest.approx(true.mean(), rel=0.25)
    # VM by VM the reading tells something: far better than a draw without it.
    blind = mean_active(source_of([replace(vm, active_bytes=None) for vm in vms], days=1))
    error = np.abs(np.log(found / true)).mean()
    assert error < 0.8 * np.abs(np.log(blind / true)).mean()


def test_a_vm_is_the_same_in_any_company():
    vms = alike(6, consumed_bytes=2 * GIB)
    alone, among = source_of(vms[4:5]), source_of(vms)
    np.testing.assert_array_equal(alone.demand(1).active_fraction[0], among.demand(1).active_fraction[4])


def test_the_pool_is_whole_decks():
    assert POOL_VMS % 399 == 0


def test_written_and_read_again(tmp_path):
    vms = [
        *alike(2, consumed_bytes=GIB, cluster="a", is_on=True),
        VmRecord("off", GIB, "table", is_on=False, cluster="b"),
    ]
    write_fleet(tmp_path / "fleet", fleet_of(vms, 3))
    read = read_fleet(tmp_path / "fleet")
    assert read.vms == tuple(vms)
    assert read.info.readings == 3
    assert read.active_bytes.shape == (3, 0)
    assert not list((tmp_path / "fleet").glob("active*"))
    assert [vm.name for vm in read.chosen("a", False, "x").vms] == ["vm-0", "vm-1"]
    assert [vm.name for vm in read.chosen(None, True, "x").vms] == ["vm-0", "vm-1", "off"]
    with pytest.raises(InputError, match='has no cluster "c"; it has: a, b'):
        read.chosen("c", False, "x")
    with pytest.raises(InputError, match="has no VM that runs"):
        read.chosen("b", False, "x")


def test_the_chance_of_a_rank_is_that_of_so_many_below():
    # Of 2 readings the smaller lies below x unless both lie above: 1 - (1 - 0.5)^2; of 3 the middle one: 0.5.
    middle = 2_000  # the score 0 of the grid
    assert chances_of_rank(1, 1)[middle] == pytest.approx(0.5)
    assert chances_of_rank(2, 1)[middle] == pytest.approx(0.75)
    assert chances_of_rank(2, 2)[middle] == pytest.approx(0.25)
    assert chances_of_rank(3, 2)[middle] == pytest.approx(0.5)
    for rank in (1, 2, 3):
        chances = chances_of_rank(3, rank)
        assert (np.diff(chances) >= -1e-9).all()
        assert chances[0] == pytest.approx(0.0, abs=1e-12)
        assert chances[-1] == pytest.approx(1.0)


def test_a_low_rank_of_many_readings_is_a_sign_of_a_busy_vm():
    means = []
    for rank in (1, 10):
        fleet = fleet_of(alike(consumed_bytes=8 * GIB, active_bytes=GIB), 10)
        fleet = replace(fleet, info=replace(fleet.info, reading_rank=rank))
        means.append(mean_active(ReadingsSource(fleet, 7 * DAY_S, 300.0, 3)).mean())
    assert means[0] > 1.5 * means[1]
