"""Listed VMs get what the config says of them."""

import numpy as np
import pytest

from planner.config.spec import VmSpec
from planner.errors import ConfigError
from planner.units import GIB
from planner.workload.listed import ListedSource

WEEK_S = 604_800.0


def _source(*specs, seed=1):
    return ListedSource(specs, WEEK_S, 300.0, seed)


def test_count_expands_names_and_defaults_are_normal_shares_and_no_limit():
    vms = _source(VmSpec(name="web", count=2, memory="8 GiB", image="deb"), VmSpec(name="db", memory="64 GiB")).vms
    assert vms.names == ("web-1", "web-2", "db")
    assert vms.shares.tolist() == [81_920, 81_920, 655_360]  # 10 x 8192 MiB, 10 x 65,536 MiB
    assert vms.limit_bytes.tolist() == [8 * GIB, 8 * GIB, 64 * GIB]
    assert vms.images == ("deb", "deb", None)


def test_given_fields_are_kept():
    spec = VmSpec(
        name="a", memory="8 GiB", vcpus=3, shares=7, reservation="1 GiB", limit="4 GiB", balloon_driver=False,
        host="esx-1", group="g",
    )  # fmt: skip
    vms = _source(spec).vms
    assert (vms.vcpus[0], vms.shares[0], vms.reservation_bytes[0], vms.limit_bytes[0]) == (3, 7, GIB, 4 * GIB)
    assert (vms.has_balloon_driver[0], vms.hosts, vms.groups) == (False, ("esx-1",), ("g",))


def test_given_granted_holds_exactly_and_given_active_on_average():
    source = _source(*(VmSpec(name=f"vm{n}", memory="4 GiB", granted="40 %", active="6 %") for n in range(60)))
    demand = source.demand(0)
    assert np.isclose(demand.granted_fraction.max(axis=1), 0.4).all()
    assert demand.active_fraction.mean() == pytest.approx(0.06, rel=0.1)
    assert (demand.active_fraction <= demand.granted_fraction).all()


def test_vms_of_a_group_move_together_and_others_do_not():
    demand = _source(*(VmSpec(name=f"a{n}", memory="4 GiB", group="a") for n in range(8)),
                     *(VmSpec(name=f"b{n}", memory="4 GiB") for n in range(8))).demand(0)  # fmt: skip
    correlation = np.corrcoef(np.log(demand.active_fraction.astype(float)))
    pairs = np.triu_indices(8, 1)
    assert correlation[:8, :8][pairs].mean() > 0.3
    assert abs(correlation[8:, 8:][pairs].mean()) < 0.1


def test_the_other_vms_of_a_list_do_not_matter():
    alone = _source(VmSpec(name="x", memory="4 GiB")).demand(2)
    among = _source(VmSpec(name="w", memory="2 GiB"), VmSpec(name="x", memory="4 GiB")).demand(2)
    np.testing.assert_array_equal(alone.active_fraction[0], among.active_fraction[1])
    np.testing.assert_array_equal(alone.granted_fraction[0], among.granted_fraction[1])


def test_all_problems_are_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        _source(VmSpec(name="a-1", memory="1 GiB"), VmSpec(name="a", count=2, memory="1 GiB", granted=0.1, active=0.2))
    assert [issue.path for issue in caught.value.issues] == ["fleet.vms", "fleet.vms[1].active"]


def test_a_vm_that_reports_no_activity_is_nearly_idle():
    demand = _source(VmSpec(name="idle", memory="4 GiB", active=0.0)).demand(0)
    assert demand.active_fraction.mean() < 2e-5
