"""The balloon managers' rules, each against the arithmetic of its own code."""

import pytest

from planner.kernels import state
from planner.kernels.balloon import inflate
from planner.kernels.balloon_policies import step_balloons
from tests.unit.host.stacks import build_small_stack, grant, set_guest_classes, with_policy

ALL = 10**6


def managed(name, frames, vms, **knobs):
    """Build a host of `frames` pages of 1 MiB; `vms` are (configured, granted) in pages."""
    stack = build_small_stack(frames, n_pages=[configured for configured, _ in vms])
    for v, (_, granted) in enumerate(vms):
        grant(stack, v, granted)
    stack.balloons.cap[:] = [configured // 2 for configured, _ in vms]
    return with_policy(stack, name, host_pages=float(frames), **knobs)


def sizes(stack):
    return [float(size) for size in stack.balloons.assigned]


# oVirt MOM: one round is one tick of 10 s.


def test_mom_leaves_a_host_with_a_fifth_free_alone():
    stack = managed("ovirt-mom", 1000, [(1000, 800)], tick_s=10.0)
    step_balloons(stack, 1)
    assert stack.balloons.wanted.tolist() == [0]


def test_mom_shrinks_to_what_is_used_and_a_share_that_falls_with_pressure():
    # 10 % free: the guest may keep 0.20 x 0.10 / 0.20 = 10 % of its size free. It uses 900 of 1000: 900 + 100 = 1000,
    # no change. The other uses 100 of 400: 100 + 40 = 140, but at most 5 % at a time: 380.
    stack = managed("ovirt-mom", 1111, [(1000, 900), (400, 100)], tick_s=10.0)
    step_balloons(stack, 1)
    assert sizes(stack) == pytest.approx([1000.0, 380.0])
    assert stack.vms.counts[:, state.BALLOONED].tolist() == [0, 20]


def test_mom_makes_guests_swap_when_it_is_critical():
    # 4 % free: guests are left 1 % of their size less than they use: 400 - 0.01 x 400 = 396 of 400.
    stack = managed("ovirt-mom", 417, [(400, 400)], tick_s=10.0)
    step_balloons(stack, 1)
    assert sizes(stack) == pytest.approx([400 + (17 / 417 - 0.05) * 400])


def test_mom_ignores_changes_under_a_quarter_of_a_percent():
    # 4.8 % free: 0.2 % of the size, under 0.25 %.
    stack = managed("ovirt-mom", 1000, [(952, 952)], tick_s=10.0)
    step_balloons(stack, 1)
    assert sizes(stack) == [952.0]


def test_mom_grows_a_guest_again():
    # 50 % free, size 700 of 1000, used 500 (cache counts as used): max(700 x 1.05, 500 + 0.20 x 1000) = 735.
    stack = managed("ovirt-mom", 1000, [(1000, 500)], tick_s=10.0)
    inflate(stack, 0, 300, ALL, 1)
    step_balloons(stack, 1)
    assert sizes(stack) == pytest.approx([735.0])
    assert stack.vms.counts[0, state.BALLOONED] == 265


def test_mom_averages_its_readings():
    # A ballooned guest that uses all it has keeps its size while the host is short. Then free memory jumps from 10 to
    # 35 %: the mean of five readings is 15 % after one round and 20 %, at ease, after the second.
    stack = managed("ovirt-mom", 1000, [(1000, 1000)], tick_s=10.0)
    inflate(stack, 0, 100, ALL, 1)
    stack.balloons.wanted[0] = 100
    step_balloons(stack, 1)
    stack = stack._replace(knobs=stack.knobs._replace(frames=1250))
    step_balloons(stack, 2)
    assert stack.vms.counts[0, state.BALLOONED] == 100
    step_balloons(stack, 3)
    assert stack.vms.counts[0, state.BALLOONED] == 0


# Proxmox VE


def test_pve_leaves_a_host_at_its_target_alone():
    stack = managed("pve-autoballoon", 1000, [(1000, 805)], tick_s=10.0)
    step_balloons(stack, 1)  # 5 MiB above 80 %: within the dead band of 10 MiB
    assert stack.balloons.wanted.tolist() == [0]


def test_pve_takes_from_vms_with_free_memory_first():
    # Used 860 of 1000, 60 above the target. VM 0 has 340 free, more than 25 % of its minimum of 300; VM 1 has none.
    stack = managed("pve-autoballoon", 1000, [(600, 260), (600, 600)], tick_s=10.0)
    step_balloons(stack, 1)
    assert sizes(stack) == [540.0, 600.0]


def test_pve_changes_a_vm_by_100_mib_a_round():
    stack = managed("pve-autoballoon", 1000, [(1000, 990)], tick_s=10.0)
    step_balloons(stack, 1)
    assert sizes(stack) == [900.0]


def test_pve_shares_what_is_above_the_minimums_by_shares():
    # 900 used, 100 above the target. Each is 225 above its minimum of 225: 450 - 100 = 350, split 2 : 3 = 140 and 210.
    stack = managed("pve-autoballoon", 1000, [(450, 450), (450, 450)], tick_s=10.0)
    stack.balloons.weight[:] = [0.8, 1.2]
    step_balloons(stack, 1)
    assert sizes(stack) == pytest.approx([365.0, 435.0], abs=0.01)


def test_pve_skips_vms_without_shares():
    stack = managed("pve-autoballoon", 1000, [(500, 490), (500, 490)], tick_s=10.0)
    stack.balloons.weight[:] = [0.0, 1.0]
    step_balloons(stack, 1)
    assert sizes(stack) == [500.0, 400.0]


def test_pve_gives_memory_back():
    # Used 400 of 1000: 400 below the target; 100 a round.
    stack = managed("pve-autoballoon", 1000, [(1000, 600)], tick_s=10.0)
    inflate(stack, 0, 600, ALL, 1)
    stack.balloons.assigned[0] = 400.0
    step_balloons(stack, 1)
    assert stack.vms.counts[0, state.BALLOONED] <= 500


# Hyper-V


def hyperv(frames, granted, min_free):
    stack = build_small_stack(frames, n_pages=[400, 400], min_free=min_free)
    for v in range(2):
        grant(stack, v, granted)
        set_guest_classes(stack, v, [state.GUEST_ANON] * 200 + [state.GUEST_CACHE] * (granted - 200))
    stack.balloons.cap[:] = 300
    return with_policy(stack, "hyper-v", host_pages=float(frames), tick_s=10.0)


def test_hyperv_takes_nothing_while_the_host_has_its_reserve():
    stack = hyperv(1000, 300, 100)
    step_balloons(stack, 1)
    assert stack.balloons.wanted.tolist() == [0, 0]


def test_hyperv_takes_what_is_above_demand_alike():
    # Committed 200, demand 240: each has 160 above it. 50 free of a reserve of 130: 80 missing, 40 from each.
    stack = hyperv(650, 300, 130)
    step_balloons(stack, 1)
    assert sizes(stack) == pytest.approx([360.0, 360.0])


def test_hyperv_weighs_what_is_below_demand():
    # 430 missing: 320 above demand, and 110 of what lies between demand (240) and minimum (100), by inverse weight:
    # 140 / 2 = 70 and 140 / 0.5 = 280 parts, so 22 and 88.
    stack = hyperv(610, 300, 440)
    stack.balloons.weight[:] = [2.0, 0.5]
    step_balloons(stack, 1)
    assert sizes(stack) == pytest.approx([240.0 - 22.0, 240.0 - 88.0])
