"""Growing a fleet: base first, clones after, nothing made up."""

import numpy as np
import pytest

from planner.units import GIB
from planner.workload.fleet import Demand, VmTable
from planner.workload.generated import GeneratedSource
from planner.workload.grown import GrownSource, roll_granted
from tests.whole_source import WholeSource

DAY_TICKS = 288


class _Recorded(WholeSource):
    """A stand-in for an imported fleet: two VMs over four days; active memory counts the ticks."""

    def __init__(self):
        ones = np.ones(2, dtype=np.int64)
        self.vms = VmTable(
            names=("a", "b"), configured_bytes=ones * GIB, vcpus=ones, groups=("g", "g"), images=("i", None),
            hosts=("h", "h"), shares=ones, reservation_bytes=0 * ones, limit_bytes=ones * GIB,
            has_balloon_driver=np.ones(2, dtype=bool),
        )  # fmt: skip

    def whole(self, replicate):
        active = np.arange(4 * DAY_TICKS, dtype=np.float32)[None, :] / 1e5 + np.array([[0.0], [0.1]], dtype=np.float32)
        return Demand(300.0, active, active + np.float32(0.5), np.array([1.0, 2.0]))

    def independent_replicates(self):
        return None

    def replicate_meaning(self):
        return f"Replay of {len(self.vms)} VMs."


def test_base_comes_first_and_clones_follow_round_by_round():
    grown = GrownSource(_Recorded(), 5, seed=1)
    assert grown.vms.names[:2] == ("a", "b")
    assert sorted(grown.vms.names[2:4]) == ["a~1", "b~1"]
    assert grown.vms.names[4] in ("a~2", "b~2")
    assert grown.vms.groups == ("g", "g", "g~1", "g~1", "g~2")
    assert grown.vms.hosts == ("h", "h", None, None, None)
    assert GrownSource(_Recorded(), 9, seed=1).vms.names[:5] == grown.vms.names


def test_growing_a_grown_fleet_keeps_names_unique():
    names = GrownSource(GrownSource(_Recorded(), 4, seed=1), 9, seed=1).vms.names
    assert len(set(names)) == 9
    assert "a~1~~1" in names


def test_a_smaller_count_keeps_the_first_vms():
    grown = GrownSource(_Recorded(), 1, seed=1)
    assert grown.vms.names == ("a",)
    assert grown.demand(0).active_fraction.shape == (1, 4 * DAY_TICKS)


def test_recorded_clones_are_shifted_by_whole_days_and_groups_stay_together():
    base, grown = _Recorded().demand(0), GrownSource(_Recorded(), 6, seed=3)
    demand = grown.demand(0)
    np.testing.assert_array_equal(demand.active_fraction[:2], base.active_fraction)
    shifts = {}
    for row in range(2, 6):
        original = "ab".index(grown.vms.names[row][0])
        matches = [
            days for days in (1, 2, 3)
            if np.array_equal(demand.active_fraction[row], np.roll(base.active_fraction[original], days * DAY_TICKS))
        ]  # fmt: skip
        assert len(matches) == 1
        shifts.setdefault(grown.vms.groups[row], set()).add(matches[0])
    assert all(len(days) == 1 for days in shifts.values())
    assert (demand.granted_fraction >= demand.active_fraction).all()
    assert demand.cpu_busy_vcpus[:2].tolist() == [1.0, 2.0]
    assert "whole days" in grown.replicate_meaning()


def test_shifting_granted_memory_makes_up_no_restart():
    # Shifted by 2: 0.8 0.9 | 0.3 0.4 0.85 0.2 0.5. Where end meets start, 0.3 and 0.4 would be a fall; 0.9 is held
    # until the recorded restart to 0.2.
    rolled = roll_granted(np.array([0.3, 0.4, 0.85, 0.2, 0.5, 0.8, 0.9]), 2)
    assert rolled.tolist() == [0.8, 0.9, 0.9, 0.9, 0.9, 0.2, 0.5]


def test_shifting_granted_memory_stops_holding_when_the_vm_is_off():
    rolled = roll_granted(np.array([0.3, np.nan, 0.2, 0.9]), 1)
    np.testing.assert_array_equal(rolled, [0.9, 0.9, np.nan, 0.2])


def test_clones_of_drawn_vms_are_drawn_anew():
    base = GeneratedSource("managed-hosting", 30, 7 * 86_400.0, 300.0, 1)
    grown = GrownSource(base, 90, seed=1)
    demand = grown.demand(2)
    np.testing.assert_array_equal(demand.active_fraction[:30], base.demand(2).active_fraction)
    originals = [base.vms.names.index(name.split("~")[0]) for name in grown.vms.names[30:]]
    log = np.log(demand.active_fraction.astype(float))
    between = [np.corrcoef(log[30 + row], log[original])[0, 1] for row, original in enumerate(originals)]
    assert abs(np.mean(between)) < 0.1
    assert grown.vms.configured_bytes[30:].tolist() == base.vms.configured_bytes[originals].tolist()
    assert demand.active_fraction[30:60].mean() == pytest.approx(demand.active_fraction[:30].mean(), rel=0.4)
    assert "independently" in grown.replicate_meaning()
