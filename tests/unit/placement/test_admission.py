"""Predicted peaks by hand: each policy of Bashir et al. for memory, on hosts that the ratio alone would fill."""

import numpy as np
import pytest

from planner.config.placement_rules import AdmissionSpec
from planner.errors import ConfigError
from planner.placement import PlacementLimits, PlacementRequest, Verdict, load_strategy
from tests.placement_cases import NO_OVERHEAD, make_forecast, make_hosts, make_vms


def place(vms, hosts, forecast, ratio=4.0, name="first-fit", **spec):
    limits = PlacementLimits(ratio, NO_OVERHEAD, admission=AdmissionSpec(**spec))
    return load_strategy(name).place(PlacementRequest(vms, hosts, limits, forecast=forecast))


def count_on_first(placement):
    return int((placement.is_placed & (placement.host_idx == 0)).sum())


def flat(n, fraction, n_ticks=8):
    return np.full((n, n_ticks), fraction)


def test_limit_fraction_is_a_share_of_configured_memory():
    # 0.9 x 4 GiB = 3.6 GiB: 10 GiB hold two; 0.5 x 4 = 2: five.
    vms, hosts = make_vms([4] * 6), make_hosts([10])
    assert count_on_first(place(vms, hosts, None, policy="limit-fraction")) == 2
    assert count_on_first(place(vms, hosts, None, policy="limit-fraction", fraction=0.5)) == 5


def test_ratio_stays_a_cap():
    # 0.1 x 4 GiB would let 25 VMs on; ratio 1.2 holds three (12 of 12 GiB).
    found = place(make_vms([4] * 6), make_hosts([10]), None, ratio=1.2, policy="limit-fraction", fraction=0.1)
    assert count_on_first(found) == 3
    assert found.verdicts[3] == Verdict.NO_ROOM


def test_percentile_is_the_sum_of_each_vms_own():
    # Demand 1 GiB in 19 of 20 ticks, 4 GiB in one. The 90th percentile of each is 1: ten VMs fit 10 GiB.
    active = np.full((12, 20), 0.25)
    active[:, 3] = 1.0
    vms, hosts = make_vms([4] * 12), make_hosts([10])
    assert count_on_first(place(vms, hosts, make_forecast(vms, active), 8.0, policy="percentile", percentile=0.9)) == 10
    # The largest value of each is 4: two.
    found = place(vms, hosts, make_forecast(vms, active), 8.0, policy="percentile", percentile=1.0)
    assert count_on_first(found) == 2
    assert found.verdicts[2] == Verdict.NOT_ADMITTED
    assert found.reasons[2] == "VM vm-0002 on host h0: 2 GiB over usable memory at the predicted peak"


def test_n_sigma_looks_at_the_sum_over_time():
    # Demand 1 and 3 GiB in turn: mean 2, deviation 1. In step, k VMs have mean 2 k, deviation k: with N = 2, 4 k <= 10
    # holds two. Out of step in pairs the sum is constant, 4 a pair: the even ones need no allowance.
    vms, hosts = make_vms([4] * 6), make_hosts([10])
    step = np.tile([0.25, 0.75], 4)
    in_step = make_forecast(vms, np.tile(step, (6, 1)))
    assert count_on_first(place(vms, hosts, in_step, policy="n-sigma", n=2)) == 2
    found = place(vms, hosts, in_step, policy="n-sigma", n=2)
    # 3 x (2 + 2 x 1) = 12 of 10.
    assert found.reasons[2] == "VM vm-0002 on host h0: 2 GiB over usable memory at the predicted peak"
    out_of_step = make_forecast(vms, np.array([step, step[::-1]] * 3))
    # k = 4: 8 + 0 <= 10. k = 5: 10 + 2 x 1 > 10.
    assert count_on_first(place(vms, hosts, out_of_step, policy="n-sigma", n=2)) == 4


def test_n_sigma_is_never_above_configured_memory():
    # Mean 2, deviation 1, N = 50: 52 GiB predicted for one VM, but it can use 4: two fit 10 GiB, as at ratio 1.
    vms = make_vms([4] * 3)
    forecast = make_forecast(vms, np.tile([0.25, 0.75], (3, 4)))
    assert count_on_first(place(vms, make_hosts([10]), forecast, policy="n-sigma", n=50)) == 2


def test_max_is_the_larger_of_percentile_and_n_sigma():
    # The same in-step demand: 95th percentile 3 GiB each (3 VMs), n-sigma with N = 2: 4 GiB each (2 VMs), N = 0: 2.
    vms, hosts = make_vms([4] * 6), make_hosts([10])
    forecast = make_forecast(vms, np.tile([0.25, 0.75], (6, 4)))
    assert count_on_first(place(vms, hosts, forecast, policy="percentile")) == 3
    assert count_on_first(place(vms, hosts, forecast, policy="n-sigma", n=0)) == 5
    assert count_on_first(place(vms, hosts, forecast, policy="max", n=2)) == 2
    assert count_on_first(place(vms, hosts, forecast, policy="max", n=0)) == 3


def test_oracle_sees_the_replicates():
    # History quiet; in the second replicate all VMs peak at 4 GiB at once: two fit. Without that replicate five do.
    vms, hosts = make_vms([4] * 6), make_hosts([10])
    peak = flat(6, 0.5)
    peak[:, 5] = 1.0
    both = make_forecast(vms, flat(6, 0.1), future=[flat(6, 0.5), peak])
    assert count_on_first(place(vms, hosts, both, policy="oracle")) == 2
    one = make_forecast(vms, flat(6, 0.1), future=[flat(6, 0.5)])
    assert count_on_first(place(vms, hosts, one, policy="oracle")) == 5


def test_granted_or_active():
    vms, hosts = make_vms([4] * 12), make_hosts([10])
    forecast = make_forecast(vms, flat(12, 0.25), flat(12, 1.0))
    assert count_on_first(place(vms, hosts, forecast, 8.0, policy="percentile", of="active")) == 10
    assert count_on_first(place(vms, hosts, forecast, 8.0, policy="percentile", of="granted")) == 2


def test_every_strategy_looks_at_the_prediction():
    vms, hosts = make_vms([4] * 6), make_hosts([10] * 3)
    forecast = make_forecast(vms, np.tile([0.25, 0.75], (6, 4)))
    for name in ("best-fit", "worst-fit", "random", "dot-product", "peak-aware", "group-spreading", "sharing-aware"):
        found = place(vms, hosts, forecast, name=name, policy="n-sigma", n=2)
        assert [len(on) for on in found.vms_by_host().values()] == [2, 2, 2]


def test_prediction_without_demand_is_refused():
    with pytest.raises(ConfigError, match='"percentile" predicts from demand'):
        place(make_vms([4]), make_hosts([10]), None, policy="percentile")
