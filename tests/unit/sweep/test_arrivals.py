"""VMs that come and go are placed in the order of time, beside those that are there."""

import pytest

from planner.cli.check import describe_run
from planner.config.catalog import expand_hypervisor
from planner.config.check import KnownNames, check_config
from planner.config.spec import PlannerConfig
from planner.config.turnover import TurnoverSpec
from planner.sweep.arrivals import has_arrivals, list_comers, visits_of
from planner.sweep.expand import expand_scenarios
from planner.sweep.over_time import Comer
from planner.sweep.placing import SweepPlanner
from planner.workload.listed import ListedSource
from planner.workload.stays import Stay
from tests.unit.sweep.test_placing import NO_OVERHEAD, config_of


def listed(vms, hosts=2, **changes):
    group = {"name": "h", "count": hosts, "memory": "10 GiB", "cores": 8, "reserved": "0 B"}
    return PlannerConfig.model_validate(
        {
            "schema_version": 1, "seed": 1, "horizon": "50 min", "warm_up": "5 min",
            "fleet": {"hosts": [group], "vms": vms}, "hypervisor": expand_hypervisor(NO_OVERHEAD),
            "sweep": {"overcommit_ratio": [1.0], "replicates": 1}, "slo": {"for_more_than": "5 min"},
        } | changes
    )  # fmt: skip


def with_turnover(config, **turnover):
    fleet = config.fleet.model_copy(update={"turnover": TurnoverSpec.model_validate(turnover)})
    return config.model_copy(update={"fleet": fleet})


def plan_of(config):
    source = ListedSource(config.fleet.vms, config.horizon, config.tick, config.seed)
    return SweepPlanner(config, source).plan(expand_scenarios(config))


THREE = [
    {"name": "a", "memory": "6 GiB", "leaves": "20 min"},
    {"name": "b", "memory": "8 GiB"},
    {"name": "c", "memory": "7 GiB", "arrives": "10 min"},
    {"name": "d", "memory": "9 GiB", "arrives": "20 min", "leaves": "31 min"},
]


def test_who_comes_when():
    config = listed(THREE)
    assert has_arrivals(config)
    assert list_comers(config, 4) == [
        Comer(0, True, 0, 4, "running"),
        Comer(0, True, 1, 10, "running"),
        Comer(2, True, 2, 10, "cold"),
        Comer(4, True, 3, 7, "cold"),  # it leaves within tick 6
    ]


def test_departures_make_room_and_arrivals_that_find_none_are_refused():
    # Host 1 holds a, host 2 holds b. c does not fit beside either in tick 2; d takes the place that a has left.
    placed = plan_of(listed(THREE)).placed[0]
    first, second = placed.hosts
    assert (first.vm_idx, first.stays) == ((), (Stay(0, 0, 4, "running"), Stay(3, 4, 7, "cold")))
    assert (second.vm_idx, second.stays) == ((1,), ())
    ((name, kind, sentence),) = placed.unplaced
    assert (name, kind) == ("c", "no host has enough room left for it at this ratio")
    assert sentence.startswith("VM c on host h-0")
    assert (placed.vms_placed, placed.vms_in_all) == (2, 3)
    assert placed.hosts_used_mean == pytest.approx((7 + 10) / 10)


def test_a_host_at_its_fullest():
    vms = [{"name": "a", "memory": "4 GiB", "leaves": "20 min"}, {"name": "b", "memory": "3 GiB", "arrives": "20 min"},
           {"name": "c", "memory": "3 GiB", "arrives": "30 min"}]  # fmt: skip
    (host,) = plan_of(listed(vms)).placed[0].hosts
    assert (host.configured_bytes >> 30, host.most_vms, host.vcpus) == (6, 2, 4)


def test_visitors_are_clones_that_come_after_the_fleet_and_are_the_same_at_every_ratio():
    config = listed([{"name": "a", "memory": "2 GiB", "count": 2}], hosts=6)
    config = with_turnover(config, arrivals_per_day=500, lifetime="10 min")
    config = config.model_copy(update={"sweep": config_of(overcommit_ratio=[1.0, 1.5]).sweep})
    plan = plan_of(config)
    tight, loose = plan.placed
    assert plan.source.vms.names[:2] == ("a-1", "a-2")
    assert all("~" in name for name in plan.source.vms.names[2:])

    def all_stays(item):
        return {stay for host in item.hosts for stay in host.stays}

    assert all_stays(tight) == all_stays(loose)
    assert len(all_stays(tight)) > 5
    assert len(loose.hosts) <= len(tight.hosts)


@pytest.mark.parametrize(
    ("vm", "changes", "path", "why"),
    [
        ({"arrives": "60 min"}, {}, "fleet.vms[0].arrives", "not within the horizon"),
        ({"leaves": "50 min"}, {}, "fleet.vms[0].leaves", "not within the horizon"),
        ({"arrives": "20 min", "leaves": "10 min"}, {}, "fleet.vms[0].leaves", "less than a tick"),
        ({"arrives": "20 min"}, {"question": "grow"}, "question", "come and go"),
    ],
)
def test_wrong_times_are_reported(vm, changes, path, why, tmp_path):
    config = listed([{"name": "a", "memory": "2 GiB", **vm}], **changes)
    issues = {issue.path: issue.message for issue in check_config(config, tmp_path, KnownNames())}
    assert why in issues[path]


def test_too_much_turnover_is_reported(tmp_path):
    config = with_turnover(listed([{"name": "a", "memory": "2 GiB"}]), arrivals_per_day=1e6, lifetime="1 day")
    (issue,) = check_config(config, tmp_path, KnownNames())
    assert issue.path == "fleet.turnover.arrivals_per_day"
    # 50 minutes and a day's worth of those who are there from the start: 1e6 x (50 / 1440 + 1).
    assert "1,034,723" in issue.message
    assert describe_run(with_turnover(config, arrivals_per_day=0.001, from_start=False), 1).startswith(
        "1 scenario × 1 replicate for 1 VM on up to 2 hosts"
    )
    busy = with_turnover(config, arrivals_per_day=40)
    assert f" for 1 VM and {len(visits_of(busy))} visitors on " in describe_run(busy, 1)
