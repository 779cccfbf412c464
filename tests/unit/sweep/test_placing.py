"""Scenarios -> host problems: who is placed where, what is simulated once, what is refused before the run."""

import numpy as np
import pytest

from planner.config.catalog import expand_hypervisor
from planner.config.spec import PlannerConfig
from planner.errors import ConfigError
from planner.sweep.expand import expand_scenarios
from planner.sweep.hosts import expand_hosts
from planner.sweep.placing import SweepPlanner
from planner.sweep.sampling import check_sampling, page_scale
from planner.units import GIB, MIB
from planner.workload.fleet import Demand, VmTable
from tests.whole_source import WholeSource

NO_OVERHEAD = {
    "preset": "esxi-8", "vm_overhead_base": 0, "vm_overhead_per_vcpu": 0, "vm_overhead_per_memory": 0,
    "min_free_fraction": 1e-12, "page_sharing": {"enabled": False},
}  # fmt: skip


class Fleet(WholeSource):
    def __init__(self, sizes_gib, hosts=None):
        n = len(sizes_gib)
        memory = np.array(sizes_gib, dtype=np.int64) * GIB
        self.vms = VmTable(
            tuple(f"vm-{i}" for i in range(n)), memory, np.full(n, 2), (None,) * n, (None,) * n,
            hosts or (None,) * n, memory // MIB * 10, np.zeros(n, dtype=np.int64), memory, np.ones(n, dtype=bool),
        )  # fmt: skip

    def whole(self, replicate):
        share = np.full((len(self.vms), 4), 0.1, dtype=np.float32)
        return Demand(300.0, share, share, np.ones(len(self.vms)))

    def independent_replicates(self):
        return None

    def replicate_meaning(self):
        return "Nothing differs."


def config_of(hosts=3, memory="10 GiB", question="consolidate", **sweep):
    group = {"name": "h", "count": hosts, "memory": memory, "cores": 8, "reserved": "0 B"}
    return PlannerConfig.model_validate(
        {
            "schema_version": 1, "seed": 1, "horizon": "20 min", "warm_up": "5 min",
            "question": question, "sweep": sweep,
            "fleet": {"hosts": [group], "vms": {"generate": "managed-hosting", "count": 5}},
            "hypervisor": expand_hypervisor(NO_OVERHEAD), "fidelity": {"pages_per_vm": 256},
        }
    )  # fmt: skip


def plan_of(config, fleet):
    return SweepPlanner(config, fleet).plan(expand_scenarios(config))


def test_hosts_and_their_sums():
    plan = plan_of(config_of(overcommit_ratio=[1.0], replicates=2), Fleet([6, 5, 4]))
    first, second = plan.placed[0].hosts
    assert (first.hardware.name, first.vm_idx, first.configured_bytes) == ("h-01", (0, 2), 10 * GIB)
    assert (second.hardware.name, second.vm_idx, second.configured_bytes) == ("h-02", (1,), 5 * GIB)
    assert (first.usable_bytes, first.vcpus) == (10 * GIB, 4)
    assert len(plan.problems) == len(plan.runs) == 4


def test_equal_host_problems_are_simulated_once():
    # Best-fit and first-fit agree here, and ratios 1.0 and 1.05 give the same hosts: 2 problems for 4 scenarios.
    config = config_of(overcommit_ratio=[1.0, 1.05], placement=["first-fit", "best-fit"], replicates=3)
    plan = plan_of(config, Fleet([6, 5, 4]))
    assert len(plan.runs) == 2 * 2 * 3 * 2
    assert len(plan.problems) == len(set(plan.problems)) == 2 * 3
    for run in plan.runs:
        host, problem = plan.placed[run.placed].hosts[run.host], plan.problems[run.problem]
        assert (problem.vm_idx, problem.replicate) == (host.vm_idx, run.replicate)
    assert {problem.warm_up_s for problem in plan.problems} == {300.0}


def test_unplaced_vms_are_reported_not_raised():
    placed = plan_of(config_of(hosts=1, overcommit_ratio=[1.0]), Fleet([6, 5, 4])).placed[0]
    # h holds vm-0 and vm-2: 10 of 10 GiB.
    sentence = "VM vm-1 on host h: 5 GiB over the overcommit limit of 1"
    assert placed.unplaced == (("vm-1", "no host has enough room left for it at this ratio", sentence),)
    assert placed.hosts[0].vm_idx == (0, 2)


def test_vm_that_no_host_can_hold_is_refused():
    with pytest.raises(ConfigError, match=r"vm-1 \(11 GiB\): larger than any host can hold"):
        plan_of(config_of(overcommit_ratio=[2.0]), Fleet([6, 11, 4]))


def test_as_is_without_hosts_is_refused():
    config = config_of(overcommit_ratio=[1.0], placement=["as-is"])
    with pytest.raises(ConfigError, match="not known on which host"):
        plan_of(config, Fleet([6, 4]))
    with pytest.raises(ConfigError, match="VMs name elsewhere"):
        plan_of(config, Fleet([6, 4], hosts=("elsewhere", None)))
    assert plan_of(config, Fleet([6, 4], hosts=("h-02", "h-02"))).placed[0].hosts[0].vm_idx == (0, 1)


def test_grow_fills_every_host_with_clones():
    # 3 hosts x 10 GiB at ratio 1.2 hold 36 GiB: nine VMs of 4 GiB (three a host), three more than the six given.
    config = config_of(question="grow", overcommit_ratio=[1.2], placement=["first-fit", "spread"])
    plan = plan_of(config, Fleet([4] * 6))
    for placed in plan.placed:
        assert [len(host.vm_idx) for host in placed.hosts] == [3, 3, 3]
        assert placed.unplaced == ()
    assert len(plan.source.vms) == 9
    assert plan.source.vms.names[:6] == tuple(f"vm-{i}" for i in range(6))


def test_grow_stops_at_the_first_vm_that_finds_no_host():
    # 8 GiB on one host of 10 at ratio 1: the next VM (a clone of 8 GiB or 1 GiB) decides, small ones do not jump ahead.
    plan = plan_of(config_of(hosts=1, question="grow", overcommit_ratio=[1.0]), Fleet([8]))
    assert plan.placed[0].hosts[0].vm_idx == (0,)


def test_grow_with_a_fleet_that_does_not_fit_is_infeasible():
    placed = plan_of(config_of(hosts=1, question="grow", overcommit_ratio=[1.0]), Fleet([6, 6])).placed[0]
    assert [vm.name for vm in placed.unplaced] == ["vm-1"]


def test_page_scale_is_the_nearest_power_of_two():
    # Mean 5 GiB = 1,310,720 pages; ÷ 256 = 5120, between 4096 and 8192 and nearer (in ratio) to 4096.
    assert page_scale(Fleet([6, 5, 4]).vms, config_of()) == 4096
    # 6 GiB: 6144 ÷ 4096 = 1.5 > sqrt(2), so 8192.
    assert page_scale(Fleet([6]).vms, config_of()) == 8192


def test_sampling_that_is_too_coarse_for_the_objective_is_refused():
    # 64 GiB at 256 pages: 256 MiB each. One read in 5 min is 0.85 MiB/s, more than half of 1 MiB/s.
    (issue,) = check_sampling(Fleet([64]).vms, config_of())
    assert issue.path == "fidelity.pages_per_vm"
    assert "256 MiB" in issue.message
    # Twice what 0.85 / 0.5 asks for: 874. Then a page is 64 MiB, 0.21 MiB/s.
    assert issue.hint == "use 874 or more"
    assert check_sampling(Fleet([16]).vms, config_of()) == []


def test_host_names_are_padded_and_a_single_one_keeps_its_name():
    config = config_of(hosts=11)
    assert [host.name for host in expand_hosts(config.fleet.hosts)][::5] == ["h-01", "h-06", "h-11"]
    assert [host.name for host in expand_hosts(config_of(hosts=1).fleet.hosts)] == ["h"]
