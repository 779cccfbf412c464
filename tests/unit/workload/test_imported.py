import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import InputError
from planner.units import GIB
from planner.workload.fleet_files import read_fleet, write_fleet
from planner.workload.fleet_records import FleetFiles, FleetInfo, VmRecord
from planner.workload.imported import RESTART_FALL, ImportedSource, bridge_gaps, bridged_ticks, clean, hold_granted

NAN = np.nan
HOUR_S = 3600
DAY_S = 86400


def make_fleet(active, granted, tick_s=HOUR_S, cpu=None) -> FleetFiles:
    """Build a fleet from fractions of 1 GiB VMs."""
    active, granted = np.array(active, dtype=np.float32), np.array(granted, dtype=np.float32)
    vms = tuple(VmRecord(f"vm{i}", GIB, "table") for i in range(len(active)))
    info = FleetInfo("test", "", tick_s, 0)
    cpu = None if cpu is None else np.array(cpu, dtype=np.float32)
    return FleetFiles(info, vms, active * GIB, granted * GIB, cpu)


def steady(n_days: int, tick_s: int = HOUR_S, n_vms: int = 2) -> FleetFiles:
    """Active memory that tells the tick: tick / 10,000."""
    ticks = np.arange(n_days * DAY_S // tick_s) / 10_000
    return make_fleet([ticks] * n_vms, [np.full(len(ticks), 0.5)] * n_vms, tick_s)


def open_source(tmp_path, fleet, horizon_days=1.0, tick_s=float(HOUR_S), seed=1) -> ImportedSource:
    write_fleet(tmp_path / "fleet", fleet, force=True)
    return ImportedSource(read_fleet(tmp_path / "fleet"), str(tmp_path / "fleet"), horizon_days * DAY_S, tick_s, seed)


@pytest.mark.parametrize(
    ("granted", "held"),
    [
        ([0.1, 0.3, 0.2, 0.4], [0.1, 0.3, 0.2, 0.4]),  # a fall by a third is a restart
        ([0.1, 0.3, 0.25, 0.4], [0.1, 0.3, 0.3, 0.4]),  # by a sixth: noise
        ([1.0, 0.9, 0.81, 0.79, 0.75], [1.0, 1.0, 1.0, 0.79, 0.79]),  # a slow slide: once, when it passes a fifth
        ([0.5, NAN, 0.2, 0.19], [0.5, NAN, 0.2, 0.2]),  # off and on again
        ([NAN, NAN], [NAN, NAN]),
    ],
)
def test_hold_granted(granted, held):
    values = np.array(granted)
    hold_granted(values)
    np.testing.assert_array_equal(values, held)


def slow_hold(granted):
    """Slow twin of `hold_granted`, one sample after the other."""
    held, maximum = [], NAN
    for value in granted:
        if np.isnan(value):
            maximum = NAN
        elif np.isnan(maximum) or value < (1 - RESTART_FALL) * maximum:
            maximum = value
        else:
            maximum = max(maximum, value)
        held.append(maximum)
    return held


@settings(max_examples=200)
@given(st.lists(st.one_of(st.integers(0, 100), st.just(NAN)), max_size=40))
def test_hold_granted_equals_its_slow_twin(granted):
    values = np.array(granted, dtype=np.float64)
    expected = slow_hold(values.tolist())
    hold_granted(values)
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize(
    ("granted", "longest", "bridged"),
    [
        ([0.5, NAN, NAN, NAN, 0.6], 3, [0.5, 0.5, 0.5, 0.5, 0.6]),
        ([0.5, NAN, NAN, NAN, 0.1], 3, [0.5, 0.5, 0.5, 0.5, 0.1]),  # short: the restart shows as a fall
        ([0.5, NAN, NAN, NAN, NAN, 0.5], 12, [0.5] * 6),  # longer, but the memory is all still there
        ([0.5, NAN, NAN, NAN, NAN, 0.1], 12, [0.5, NAN, NAN, NAN, NAN, 0.1]),  # longer and emptied: it was off
        ([0.5, NAN, NAN, NAN, NAN, 0.5], 3, [0.5, NAN, NAN, NAN, NAN, 0.5]),  # too long
        ([NAN, NAN, 0.5, NAN], 3, [NAN, NAN, 0.5, NAN]),  # before the first and after the last sample it is off
        ([0.5, NAN, 0.5, NAN, NAN, 0.5], 3, [0.5] * 6),
    ],
)
def test_bridge_gaps(granted, longest, bridged):
    values, active = np.array(granted), np.array(granted) / 10
    bridge_gaps(active, values, longest)
    np.testing.assert_array_equal(values, bridged)
    np.testing.assert_array_equal(np.isnan(active), np.isnan(values))


def test_bridged_ticks():
    assert [bridged_ticks(tick) for tick in (60, 300, 900, 3600)] == [60, 12, 4, 3]


def test_clean_caps_active_by_granted_and_both_by_configured():
    # At power-on the active counter starts from 75 % although 10 % were granted; a full VM may read above 100 %.
    active, granted = clean(make_fleet([[0.75, 0.05, 1.3]], [[0.1, 0.2, 1.2]]))
    np.testing.assert_allclose(granted, [[0.1, 0.2, 1.0]])
    np.testing.assert_allclose(active, [[0.1, 0.05, 1.0]])


def test_clean_carries_what_one_counter_lacks():
    active, granted = clean(make_fleet([[0.1, 0.1, 0.1, NAN]], [[NAN, 0.5, NAN, 0.6]]))
    np.testing.assert_allclose(granted, [[0.5, 0.5, 0.5, 0.6]])
    np.testing.assert_allclose(active, [[0.1, 0.1, 0.1, 0.1]])
    active, granted = clean(make_fleet([[0.1, 0.2], [NAN, NAN]], [[NAN, NAN], [0.5, 0.5]]))
    np.testing.assert_allclose(granted, [[0.1, 0.2], [0.5, 0.5]])
    np.testing.assert_allclose(active, [[0.1, 0.2], [0.0, 0.0]])


@settings(max_examples=100)
@given(st.lists(st.tuples(st.floats(0, 1.5), st.floats(0, 1.5), st.sampled_from("bbbagn")), min_size=1, max_size=60))
def test_clean_keeps_the_contract_of_demand(samples):
    active = [NAN if kind in "gn" else a for a, _, kind in samples]
    granted = [NAN if kind in "an" else g for _, g, kind in samples]
    active, granted = clean(make_fleet([active], [granted]))
    on = ~np.isnan(granted)
    np.testing.assert_array_equal(on, ~np.isnan(active))
    assert (active[on] <= granted[on]).all()
    assert (granted[on] <= 1).all()
    assert (active[on] >= 0).all()
    falls = granted[0, 1:] < granted[0, :-1]
    assert (granted[0, 1:][falls] < (1 - RESTART_FALL) * granted[0, :-1][falls] + 1e-6).all()


def test_windows_start_on_whole_days_for_all_vms_alike(tmp_path):
    source = open_source(tmp_path, steady(5), horizon_days=2)
    starts = set()
    for replicate in range(40):
        demand = source.demand(replicate)
        assert demand.active_fraction.shape == (2, 48)
        assert demand.active_fraction.dtype == np.float32
        np.testing.assert_array_equal(demand.active_fraction[0], demand.active_fraction[1])
        start = round(float(demand.active_fraction[0, 0]) * 10_000)
        np.testing.assert_allclose(demand.active_fraction[0], np.arange(start, start + 48) / 10_000, rtol=1e-6)
        starts.add(start)
    # Five days hold two windows of two days that do not overlap, from the days 0 and 2.
    assert starts == {0, 48}
    assert source.independent_replicates() == 2
    assert "holds 2 such windows" in source.replicate_meaning()


def test_demand_is_a_function_of_seed_and_replicate(tmp_path):
    source = open_source(tmp_path, steady(20))
    copy = pickle.loads(pickle.dumps(source))
    starts = [source.demand(replicate).active_fraction[0, 0] for replicate in range(20)]
    assert [copy.demand(replicate).active_fraction[0, 0] for replicate in reversed(range(20))] == starts[::-1]
    other = open_source(tmp_path, steady(20), seed=2)
    assert [other.demand(replicate).active_fraction[0, 0] for replicate in range(20)] != starts


def test_demand_does_not_share_memory_with_the_source(tmp_path):
    source = open_source(tmp_path, steady(1))
    source.demand(0).active_fraction[:] = 9
    assert source.demand(0).active_fraction.max() < 1


def test_trace_as_long_as_the_horizon_says_that_replicates_are_alike(tmp_path):
    source = open_source(tmp_path, steady(3), horizon_days=3)
    np.testing.assert_array_equal(source.demand(0).active_fraction, source.demand(5).active_fraction)
    assert source.replicate_meaning().startswith("All replicates replay the same 3 days")


def test_windows_avoid_times_that_were_not_recorded(tmp_path):
    # Hours 30-40 were not recorded for any VM: windows of a day may start on day 2 or later, or on day 0.
    fleet = steady(5)
    fleet.active_bytes[:, 30:40] = NAN
    fleet.granted_bytes[:, 30:40] = NAN
    source = open_source(tmp_path, fleet)
    starts = {round(float(source.demand(replicate).active_fraction[0, 0]) * 10_000) for replicate in range(60)}
    assert starts == {0, 48, 72, 96}


def test_one_vm_off_is_no_outage(tmp_path):
    fleet = steady(3, n_vms=3)
    fleet.active_bytes[0, 24:48] = NAN
    fleet.granted_bytes[0, 24:48] = NAN
    source = open_source(tmp_path, fleet, horizon_days=3)
    assert np.isnan(source.demand(0).active_fraction[0, 24:48]).all()
    assert not np.isnan(source.demand(0).active_fraction[1:]).any()


def test_finer_trace_takes_the_largest_of_each_tick(tmp_path):
    # Ticks of 30 min into 1 h: the larger of each pair is the later one here.
    source = open_source(tmp_path, steady(1, tick_s=HOUR_S // 2))
    np.testing.assert_allclose(source.demand(0).active_fraction[0], np.arange(1, 48, 2) / 10_000, rtol=1e-6)


def test_a_tick_is_off_only_if_all_its_samples_are(tmp_path):
    fleet = steady(2, tick_s=HOUR_S // 2, n_vms=3)
    fleet.active_bytes[0, :9] = NAN
    fleet.granted_bytes[0, :9] = NAN
    active = open_source(tmp_path, fleet, horizon_days=2).demand(0).active_fraction
    # Ticks 0-3 are all off; of tick 4 the second half is on.
    assert np.isnan(active[0]).tolist() == [True] * 4 + [False] * 44


def test_cpu_is_the_mean_of_the_window_or_of_the_trace(tmp_path):
    plain = steady(2)
    cpu = np.full((2, 48), NAN)
    cpu[0, :24] = 1.0
    cpu[0, 24:36] = 4.0
    fleet = FleetFiles(plain.info, plain.vms, plain.active_bytes, plain.granted_bytes, cpu.astype(np.float32))
    source = open_source(tmp_path, fleet)
    by_start = {}
    for replicate in range(20):
        demand = source.demand(replicate)
        by_start[round(float(demand.active_fraction[0, 0]) * 10_000)] = demand.cpu_busy_vcpus
    assert by_start[0][0] == 1.0
    assert by_start[24][0] == 4.0
    assert np.isnan([by_start[0][1], by_start[24][1]]).all()
    cpu[0, 24:36] = NAN
    fleet = FleetFiles(plain.info, plain.vms, plain.active_bytes, plain.granted_bytes, cpu.astype(np.float32))
    source = open_source(tmp_path, fleet)
    assert {float(source.demand(replicate).cpu_busy_vcpus[0]) for replicate in range(20)} == {1.0}


def test_without_cpu_files_it_is_unknown(tmp_path):
    assert np.isnan(open_source(tmp_path, steady(1)).demand(0).cpu_busy_vcpus).all()


@pytest.mark.parametrize(
    ("horizon_days", "tick_s", "message"),
    [
        (6, 3600, "does not cover the horizon of 6 days: it spans 5 days, its longest stretch without a gap 5 days"),
        (1, 300, "ticks of 1 h are coarser than the config's 5 min"),
        (1, 5400, "ticks of 1 h do not divide the config's 90 min"),
        (0.001, 3600, "the horizon is shorter than a tick"),
    ],
)
def test_refusals(tmp_path, horizon_days, tick_s, message):
    with pytest.raises(InputError) as caught:
        open_source(tmp_path, steady(5), horizon_days, tick_s)
    assert message in str(caught.value)
    assert caught.value.hint
