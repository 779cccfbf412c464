"""Free memory target, memory states and entitlements against published figures and closed forms."""

import numpy as np
import pytest

from planner.config.hypervisor import HypervisorSpec
from planner.kernels import state
from planner.kernels.policy import set_targets, update_state
from planner.workload.overhead import min_free_bytes
from tests.unit.host.stacks import build_small_stack

MIB, GIB = 2**20, 2**30
ESXI = HypervisorSpec(preset="esxi-8")


@pytest.mark.parametrize(
    ("memory_gib", "expected_mib"),
    # 899 MiB + 1 % above 28 GiB (vSphere 5 and later, published); the exact slices give 901.1 MiB for the first 28.
    [(28, 899.0), (48, 1103.8), (72, 1349.6), (96, 1595.3), (144, 2086.8), (256, 3233.7), (512, 5855.2)],
)
def test_min_free_sliding_scale(memory_gib, expected_mib):
    assert min_free_bytes(memory_gib * GIB, ESXI) / MIB == pytest.approx(expected_mib, rel=0.003)


def test_min_free_fraction_overrides_the_scale():
    assert min_free_bytes(100 * GIB, ESXI.model_copy(update={"min_free_fraction": 0.06})) == 6 * GIB


def test_state_worsens_at_the_threshold_and_improves_past_the_margin():
    stack = build_small_stack(frames=1000, min_free=100)
    thresholds = [(100, state.STATE_HIGH), (99, state.STATE_CLEAR), (63, state.STATE_SOFT), (31, state.STATE_HARD)]
    for free, expected in [*thresholds, (15, state.STATE_LOW)]:
        assert update_state(stack, free) == expected
    # Up again only at threshold x 1.1: low ends at 17.6, hard at 35.2, soft at 70.4, clear at 110.
    steps = [(17, state.STATE_LOW), (18, state.STATE_HARD), (35, state.STATE_HARD), (36, state.STATE_SOFT)]
    for free, expected in [*steps, (70, state.STATE_SOFT), (71, state.STATE_CLEAR), (109, state.STATE_CLEAR)]:
        assert update_state(stack, free) == expected
    assert update_state(stack, 111) == state.STATE_HIGH


def targets(granted, active, shares, supply, tax, reservation=None, limit=None):
    stack = build_small_stack(frames=10**6, n_pages=granted, idle_memory_tax=tax)
    stack.vms.granted[:] = granted
    stack.active.pages[:] = active
    stack.vms.shares[:] = shares
    stack.vms.limit[:] = granted if limit is None else limit
    stack.vms.reservation[:] = 0 if reservation is None else reservation
    set_targets(stack, supply)
    return stack.vms.target.tolist()


def test_idle_tax_split_as_published():
    # Waldspurger, OSDI 2002, figure 7: two VMs of 256 MB, equal shares, in tenths of a MB. Tax 0: 179 each of 358.
    assert targets([2560, 2560], [100.0, 2008.0], [1, 1], 3580, 0.0) == [1790, 1790]
    # Tax 75 %: closed form of the adjusted-price equality with T = 344.4, A = 10 and 200.8: 100.65 and 243.75.
    assert targets([2560, 2560], [100.0, 2008.0], [1, 1], 3444, 0.75) == pytest.approx([1006.5, 2437.5], abs=1)


def test_adjusted_price_is_equal_between_bounds():
    granted = np.array([4000, 3000, 5000, 2500])
    active = np.array([200.0, 900.0, 50.0, 400.0])
    shares = np.array([4.0, 2.0, 3.0, 1.0])
    got = np.array(targets(granted, active, shares, 6000, 0.75), dtype=float)
    fraction = active / got
    price = shares / (got * (fraction + 4.0 * (1.0 - fraction)))
    assert got.sum() == pytest.approx(6000, abs=4)
    assert price.max() / price.min() == pytest.approx(1.0, abs=0.01)


def test_reservation_and_limit_bound_the_entitlement():
    got = targets(
        [1000, 1000, 1000], [0.0, 0.0, 0.0], [1, 1, 1], 1500, 0.0, reservation=[800, 0, 0], limit=[1000, 200, 1000]
    )
    # 800 reserved, 200 at its limit, and the rest of 1500 for the third.
    assert got == pytest.approx([800, 200, 500], abs=1)


def test_everybody_gets_what_they_want_when_it_fits():
    assert targets([10, 20], [0.0, 0.0], [1, 1], 30, 0.75) == [10, 20]
