"""The swap device as a queue, what stalls cost, and the pressure figures: hand arithmetic and closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.host.results import build_out
from planner.host.slowdown import over_limit_s, pressure_columns, running_averages
from planner.kernels import stalls, state, timeline
from planner.kernels.account import Costs
from planner.kernels.device import response_s
from tests.unit.host.stacks import build_small_stack, grant


def test_a_single_customer_never_waits():
    assert response_s(1, 1e-9, 80e-6, 7e5) == pytest.approx(80e-6)


def test_two_customers_of_one_server_by_hand():
    # Latency 1, thinking 2, one server. Weights of 0, 1, 2 requests there: 1, 2 x 1/2 = 1, 1 x 1 x 1/2 = 1/2. At the
    # device on average (1 + 2 x 1/2) / 2.5 = 0.8, served 1.5 / 2.5 = 0.6 a second: 4/3 s each.
    assert response_s(2, 2.0, 1.0, 1.0) == pytest.approx(4 / 3)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    n=st.integers(1, 400),
    think=st.floats(1e-7, 1e3),
    latency=st.sampled_from([5e-7, 80e-6, 10e-3]),
    servers=st.floats(1, 60),
)
def test_laws_of_a_closed_queue(n, think, latency, servers):
    most = servers / latency
    got = response_s(n, think, latency, most)
    # Never faster than alone; never so slow that the device, always busy, would have answered earlier.
    assert got >= latency * (1 - 1e-9)
    assert got >= (n / most - think) * (1 - 1e-9)
    # Little's law: customers away thinking and at the device are all there are; the device serves no more than it can.
    assert n / (think + got) <= min(most, n / latency) * (1 + 1e-9)
    assert got <= max(latency, n / most) * (1 + 1e-9)


def test_limits_at_no_load_and_at_saturation():
    assert response_s(64, 1e6, 80e-6, 7e5) == pytest.approx(80e-6, rel=1e-6)
    # 64 customers that hardly think: each waits for 64 requests at 700,000 a second.
    assert response_s(64, 1e-9, 80e-6, 7e5) == pytest.approx(64 / 7e5, rel=1e-3)


def test_half_loaded_single_server_is_near_the_open_queue():
    # 1000 customers at half the rate of one server: M/M/1 has 1 / (1 - 0.5) = 2 service times.
    assert response_s(1000, 1000 / 50.0, 0.01, 100.0) == pytest.approx(0.02, rel=0.01)


def make_costs(n_vms=2, **changes):
    values = {
        "page_scale": 1, "tick_s": 10.0, "fault_s": 5e-6, "latency_s": 1e-3, "reads_per_s": 1000.0, "write_cost": 2.0,
        "decompress_s": 2e-5, "reclaim_s": 1e-5, "guest_disk_s": 1e-3, "cow_s": 1e-6, "page_bytes": 4096.0,
        "first_judged_tick": 0, "vcpus": np.full(n_vms, 2.0),
    }  # fmt: skip
    return Costs(**(values | changes))


def make_tick(events, **changes):
    """Build two running VMs with the given events of one tick, and where their stalls go."""
    stack = build_small_stack(100)
    grant(grant(stack, 0, 5), 1, 5)
    for v, named in enumerate(events):
        for column, count in named.items():
            stack.vms.tick[v, column] = count
    return stack, make_costs(**changes), build_out(2, 1, np.array([1.0, 0.5]))


def test_each_part_is_counted_for_the_vm_that_stalls():
    events = [
        {state.TICK_DECOMPRESS: 3, state.TICK_GUEST_PAGING: 2},
        {state.TICK_COW: 7, state.TICK_DENIED: 1},
    ]
    stack, costs, out = make_tick(events)
    assert stalls.fill_stalls(stack, costs, out)
    # 3 x (5 + 20 us), 2 x 1 ms; 7 us, and one vCPU for half of 10 s.
    assert out.stalls[0].tolist() == pytest.approx([0, 75e-6, 2e-3, 0, 0, 0])
    assert out.stalls[1].tolist() == pytest.approx([0, 0, 0, 7e-6, 5.0, 0])


def test_no_more_vcpus_are_blocked_than_there_are_and_a_killed_vm_is_down():
    stack, costs, out = make_tick([{state.TICK_DENIED: 50}, {state.TICK_KILLED: 1}])
    stalls.fill_stalls(stack, costs, out)
    assert out.stalls[:, stalls.STALL_DENIED].tolist() == [10.0, 10.0]


def test_an_idle_device_answers_in_its_latency():
    stack, costs, out = make_tick([{state.TICK_SWAP_IN: 1}, {}])
    stalls.fill_stalls(stack, costs, out)
    # Two vCPUs, one read in ten seconds: the chance to meet another is 1 in 10,000.
    assert out.stalls[0, stalls.STALL_SWAP_IN] == pytest.approx(1.005e-3, rel=2e-4)


def test_writes_take_their_share_and_are_waited_for():
    plain, costs, out = make_tick([{state.TICK_SWAP_IN: 2000}, {}])
    stalls.fill_stalls(plain, costs, out)
    alone = out.stalls[0, stalls.STALL_SWAP_IN]
    busy, costs, out = make_tick([{state.TICK_SWAP_IN: 2000}, {state.TICK_SWAP_OUT: 2000}])
    stalls.fill_stalls(busy, costs, out)
    # 2000 writes are worth 4000 reads: the device is loaded to 0.6, not to 0.2.
    read_s = response_s(2, 2 * 10.0 / 6000, 1e-3, 1000.0)
    assert out.stalls[0, stalls.STALL_SWAP_IN] == pytest.approx(2000 * (5e-6 + read_s) + 4000 * (read_s - 1e-3))
    assert out.stalls[0, stalls.STALL_SWAP_IN] > alone
    assert out.stalls[1].sum() == 0


def test_what_cannot_be_served_in_the_tick_is_waited_for():
    # 100,000 reads at 1000 a second take 100 s; 32 vCPUs that read all the time wait for all of it but the tick.
    stack, costs, out = make_tick([{state.TICK_SWAP_IN: 100_000}, {}], vcpus=np.array([32.0, 2.0]), fault_s=0.0)
    stalls.fill_stalls(stack, costs, out)
    assert out.stalls[0, stalls.STALL_SWAP_IN] == pytest.approx(32 * (100.0 - 10.0), rel=0.01)
    # Twice the reads: 190 s each, more than twice as long.
    stack.vms.tick[0, state.TICK_SWAP_IN] = 200_000
    stalls.fill_stalls(stack, costs, out)
    assert out.stalls[0, stalls.STALL_SWAP_IN] == pytest.approx(32 * (200.0 - 10.0), rel=0.01)


def test_writes_that_nobody_waits_for_are_carried_on():
    stack, costs, out = make_tick([{state.TICK_SWAP_OUT: 8000}, {}])
    assert not stalls.fill_stalls(stack, costs, out)
    # 8000 writes are worth 16,000 reads, the device does 10,000 in ten seconds.
    assert stack.swap.backlog[0] == 6000.0
    stack.vms.tick[:] = 0
    assert not stalls.fill_stalls(stack, costs, out)
    assert stack.swap.backlog[0] == 0.0


def test_a_fault_that_reclaims_waits_for_software_and_device():
    stack, costs, out = make_tick([{state.TICK_DIRECT: 1}, {}])
    stalls.fill_stalls(stack, costs, out)
    assert out.stalls[0, stalls.STALL_DIRECT] == pytest.approx(1e-5 + 1e-3)


def test_pressure_by_hand():
    stack, costs, out = make_tick([{}, {}], vcpus=np.array([1.0, 1.0]))
    out.stalls[0, stalls.STALL_SWAP_IN] = 4.0
    out.stalls[1, stalls.STALL_DENIED] = 5.0
    some, full = stalls.pressure(stack, costs, out)
    # Stalled 0.4 and 0.5 of the time: some = 1 - 0.6 x 0.5. Useful: 0.6 x 1 and 0.5 x 0.5 = 0.25. Nobody useful:
    # 0.4 x 0.75 = 0.3; of that nobody stalled: 0 x 0.25 = 0.
    assert some == pytest.approx(0.7)
    assert full == pytest.approx(0.3)


def test_pressure_is_some_at_least_where_it_is_full_and_never_above_one():
    stack, costs, out = make_tick([{}, {}])
    rng = np.random.default_rng(1)
    for _ in range(200):
        out.stalls[:] = rng.exponential(5.0, out.stalls.shape)
        some, full = stalls.pressure(stack, costs, out)
        assert 0.0 <= full <= some + 1e-12 <= 1.0 + 1e-12


def test_averages_are_those_of_two_second_steps():
    shares = np.array([0.0, 1.0, 0.25])
    for window in (10, 60, 300):
        average, expected = 0.0, []
        for share in shares:
            for _ in range(10):
                average += (share - average) * (1 - math.exp(-2 / window))
            expected.append(average)
        assert running_averages(shares, 20.0, window) == pytest.approx(expected)


def test_time_over_the_limit_counts_long_runs_only():
    # From 0 towards 1 the average over 10 s passes 0.6 after 10 ln(1 / 0.4) = 9.163 s, and from there towards 0 again
    # after about 10 ln(1 / 0.6) = 5.108 s.
    assert over_limit_s(np.array([0.0, 1.0, 0.0]), 300.0) == pytest.approx(300 - 9.163 + 5.108, abs=0.01)
    assert over_limit_s(np.array([0.0, 1.0, 0.0]), 20.0) == 0.0
    assert over_limit_s(np.array([0.6] * 10), 300.0) == 0.0
    assert over_limit_s(np.array([1.0, 1.0]), 300.0) == pytest.approx(600 - 9.163, abs=0.01)


def test_pressure_columns_are_means_and_maxima():
    rows = np.zeros((4, len(timeline.COLUMNS)), dtype=np.int64)
    rows[:, timeline.PRESSURE_SOME] = [0, 400_000, 800_000, 0]
    rows[:, timeline.PRESSURE_FULL] = [0, 100_000, 300_000, 0]
    row = pressure_columns(rows, 300.0)
    assert [row["pressure_some_mean"], row["pressure_some_max"]] == pytest.approx([0.3, 0.8])
    assert [row["pressure_full_mean"], row["pressure_full_max"]] == pytest.approx([0.1, 0.3])
    assert row["pressure_full_avg10_max"] == pytest.approx(0.3, abs=1e-6)
    # 300 s towards 0.1, then towards 0.3, by 1 - 1/e each time.
    assert row["pressure_full_avg300_max"] == pytest.approx(0.3 + (0.0632 - 0.3) / math.e, abs=1e-4)
    assert row["pressure_over_limit_s"] == 0.0
