"""Growth by class and month: counts by hand, months that only add, names that stay unique."""

import numpy as np
import pytest

from planner.errors import ConfigError
from planner.units import GIB
from planner.workload.fleet import plain_vms
from planner.workload.grown_by_class import plan_growth


def test_counts_follow_compound_growth_by_hand() -> None:
    rates = [0.10] * 100 + [0.0] * 50
    clone_of, n_clones = plan_growth(rates, plain_vms(np.full(150, GIB)), months=3, seed=1)
    # 100 VMs at 10 % a month: 110, 121, 133.1 -> 10, 21, 33 more; the other class does not grow.
    assert n_clones.tolist() == [10, 21, 33]
    assert clone_of.size == 33
    assert (clone_of < 100).all()


def test_classes_grow_at_their_own_rates() -> None:
    rates = [0.5] * 4 + [0.25] * 8
    clone_of, n_clones = plan_growth(rates, plain_vms(np.full(12, GIB)), months=2, seed=1)
    # 4 x 1.5 = 6, x 1.5 = 9: +2, +5. 8 x 1.25 = 10, x 1.25 = 12.5: +2, +4.
    assert n_clones.tolist() == [4, 9]
    first, second = clone_of[:4], clone_of[4:]
    assert (first < 4).sum() == 2
    assert (second < 4).sum() == 3


def test_small_classes_grow_by_whole_vms_and_every_vm_is_cloned_before_one_twice() -> None:
    clone_of, n_clones = plan_growth([0.3] * 3, plain_vms(np.full(3, GIB)), months=6, seed=9)
    # 3 x 1.3^m - 3 = 0.9, 2.07, 3.59, 5.57, 8.14, 11.48.
    assert n_clones.tolist() == [0, 2, 3, 5, 8, 11]
    assert sorted(clone_of[:3].tolist()) == [0, 1, 2]


@pytest.mark.parametrize("seed", [1, 2])
def test_no_growth_means_no_clones(seed: int) -> None:
    clone_of, n_clones = plan_growth([0.0] * 3, plain_vms(np.full(3, GIB)), months=4, seed=seed)
    assert clone_of.size == 0
    assert n_clones.tolist() == [0, 0, 0, 0]


def test_growth_beyond_any_config_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"after 24 months there are 1.42e\+19 VMs, more than 1,000,000"):
        plan_growth([5.0] * 3, plain_vms(np.full(3, GIB)), months=24, seed=1)
