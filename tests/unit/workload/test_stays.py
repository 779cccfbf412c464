"""Stays: the VM's own demand within, nothing outside; after a boot memory grows anew."""

import pickle

import numpy as np
import pytest

from planner.units import GIB
from planner.workload.fleet import Demand, plain_vms
from planner.workload.generated import GeneratedSource
from planner.workload.stays import Stay, StayedSource, base_source, course_of_boot, regrow
from tests.whole_source import WholeSource

N_TICKS = 8


class _Steady(WholeSource):
    """Two VMs; the second restarts in tick 6. Active memory counts the ticks."""

    def __init__(self):
        self.vms = plain_vms(np.array([4, 8]) * GIB)

    def whole(self, replicate):
        active = np.tile(np.arange(N_TICKS, dtype=np.float32) / 100, (2, 1))
        granted = np.full((2, N_TICKS), 0.9, dtype=np.float32)
        granted[1, 6:] = 0.1
        return Demand(300.0, active, granted, np.array([1.0, 2.0]))

    def independent_replicates(self):
        return 3

    def replicate_meaning(self):
        return "Nothing differs."


def test_rows_of_the_base_come_first_and_stay_as_they_are():
    source = StayedSource(_Steady(), (Stay(1, 2, 5, "moved"),), seed=1)
    assert source.vms.names == ("vm-0", "vm-1", "vm-1")
    assert source.vms.configured_bytes.tolist() == [4 * GIB, 8 * GIB, 8 * GIB]
    base, demand = _Steady().demand(0), source.demand(0)
    assert np.array_equal(demand.granted_fraction[:2], base.granted_fraction)
    assert np.array_equal(demand.active_fraction[:2], base.active_fraction)
    assert demand.cpu_busy_vcpus.tolist() == [1.0, 2.0, 2.0]
    assert source.independent_replicates() == 3
    assert base_source(source).vms.names == ("vm-0", "vm-1")


def test_it_pickles_for_workers():
    source = StayedSource(GeneratedSource("managed-hosting", 3, 7200.0, 300.0, 1), (Stay(1, 2, 5, "cold"),), seed=1)
    again = pickle.loads(pickle.dumps(source))
    assert np.array_equal(again.demand(1).granted_fraction, source.demand(1).granted_fraction, equal_nan=True)


def test_a_stay_has_the_demand_of_its_ticks_only():
    stays = (Stay(0, 0, 3, "running"), Stay(0, 3, 8, "moved"))
    demand = StayedSource(_Steady(), stays, seed=1).demand(0)
    is_on = ~np.isnan(demand.granted_fraction[2:])
    assert is_on.tolist() == [[True] * 3 + [False] * 5, [False] * 3 + [True] * 5]
    assert np.array_equal(np.nansum(demand.active_fraction[2:], axis=0), demand.active_fraction[0])
    assert demand.presence.is_whole.tolist() == [True, True, False, False]
    assert demand.presence.running_tick.tolist() == [0, 0, 0, 3]


def test_a_boot_grows_anew_until_the_next_restart_of_the_vm():
    granted = np.array([0.9, 0.9, 0.9, 0.9, 0.2, 0.3])
    active = np.array([0.05, 0.4, 0.1, 0.1, 0.1, 0.1])
    grown = np.array([0.1, 0.2, 0.5, 0.95, 1.0, 1.0])
    # At least the largest active memory so far, at most what the VM has without the boot.
    assert regrow(granted, active, grown).tolist() == [0.1, 0.4, 0.5, 0.9, 0.2, 0.3]
    with_gap = np.array([0.9, 0.9, np.nan, 0.9])
    anew = regrow(with_gap, np.where(np.isnan(with_gap), np.nan, 0.0), np.array([0.1, 0.2, 0.3, 0.4]))
    assert anew[:2].tolist() == [0.1, 0.2]
    assert np.isnan(anew[2])
    assert anew[3] == 0.9


def test_the_course_is_linear_in_the_logarithm_of_the_age():
    # Ages 300, 600, ..., halfway between 300 and 1200 on a logarithmic scale is 600.
    course = course_of_boot((300.0, 1200.0), np.array([0.2, 0.4]), 300.0, 5)
    assert course == pytest.approx([0.2, 0.3, 0.2 + 0.2 * np.log(3) / np.log(4), 0.4, 0.4])


def test_a_cold_stay_is_the_same_draw_wherever_it_is_listed():
    cold = Stay(1, 2, 8, "cold")
    alone = StayedSource(_Steady(), (cold,), seed=1)
    among = StayedSource(_Steady(), (Stay(0, 0, 3, "running"), cold), seed=1)
    first, second = alone.demand(2).granted_fraction[2], among.demand(2).granted_fraction[3]
    assert np.array_equal(first, second, equal_nan=True)
    assert first[2] < 0.9
    assert alone.demand(2).presence.running_tick[2] == -1
    # From the VM's own restart on it is the base's again.
    assert first[6:].tolist() == pytest.approx([0.1, 0.1])


def test_granted_of_a_cold_stay_never_falls_before_the_vm_restarts_and_holds_what_is_active():
    base = GeneratedSource("managed-hosting", 20, 2 * 86_400.0, 300.0, 5)
    stays = tuple(Stay(vm, 100, 576, "cold") for vm in range(20))
    demand = StayedSource(base, stays, seed=5).demand(0)
    granted, active = demand.granted_fraction[20:, 100:], demand.active_fraction[20:, 100:]
    assert (granted >= active).all()
    assert (granted <= demand.granted_fraction[:20, 100:] + 1e-6).all()
    restarts = np.diff(demand.granted_fraction[:20, 100:], axis=1) < 0
    assert not (np.diff(granted, axis=1) < 0)[~restarts].any()
    # Fitted to 33 restarts: median 0.07 of configured at once; well below the fleet's 0.75.
    assert np.median(granted[:, 0]) < 0.3 < granted[:, -1].mean()


@pytest.mark.parametrize(
    ("stay", "why"),
    [((0, 3, 3, "cold"), "empty"), ((0, -1, 3, "running"), "before the window"), ((0, 2, 3, "running"), "arrives")],
)
def test_stays_that_make_no_sense_are_refused(stay, why):
    with pytest.raises(ValueError, match=why):
        Stay(*stay)
