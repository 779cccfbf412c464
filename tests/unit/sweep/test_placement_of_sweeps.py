"""Rules, admission, bounds and histories as a sweep meets them: from a config to placed scenarios."""

from pathlib import Path

import numpy as np
import pytest

from planner.config.catalog import expand_hypervisor
from planner.config.spec import PlannerConfig
from planner.errors import ConfigError
from planner.results.manifest import scenario_entry
from planner.sweep.expand import expand_scenarios
from planner.sweep.placing import SweepPlanner
from planner.workload.build import build_source
from planner.workload.drawn import HISTORY_REPLICATE
from planner.workload.grown import GrownSource

NO_OVERHEAD = {
    "preset": "esxi-8", "vm_overhead_base": 0, "vm_overhead_per_vcpu": 0, "vm_overhead_per_memory": 0,
    "min_free_fraction": 1e-12, "page_sharing": {"enabled": False},
}  # fmt: skip
VMS = [
    {"name": "db", "count": 2, "memory": "4 GiB", "vcpus": 2, "granted": "90 %", "active": "10 %", "group": "data"},
    {"name": "web", "count": 2, "memory": "4 GiB", "vcpus": 2, "granted": "90 %", "active": "10 %"},
]


def config_of(hosts=4, question="consolidate", sweep=None, **changes):
    group = {"name": "h", "count": hosts, "memory": "10 GiB", "cores": 8, "reserved": "0 B"}
    base = {
        "schema_version": 1, "seed": 1, "horizon": "1 h", "warm_up": "5 min", "question": question,
        "sweep": {"overcommit_ratio": [1.0], "replicates": 2, **(sweep or {})},
        "fleet": {"hosts": [group], "vms": VMS}, "hypervisor": expand_hypervisor(NO_OVERHEAD),
        "fidelity": {"pages_per_vm": 256},
    }  # fmt: skip
    return PlannerConfig.model_validate({**base, **changes})


def plan_of(config):
    return SweepPlanner(config, build_source(config, Path())).plan(expand_scenarios(config))


def names_by_host(plan, placed):
    return {host.hardware.name: [plan.source.vms.names[vm] for vm in host.vm_idx] for host in placed.hosts}


def test_rules_hold_in_a_sweep():
    rules = {"anti_affinity": [{"group": "data"}], "must_run_on": [{"vms": ["web-2"], "hosts": ["h-04"]}]}
    plan = plan_of(config_of(placement_rules=rules))
    assert names_by_host(plan, plan.placed[0]) == {"h-01": ["db-1", "web-1"], "h-02": ["db-2"], "h-04": ["web-2"]}


def test_contradictions_are_refused_before_anything_runs():
    rules = {"anti_affinity": [{"group": "data"}], "affinity": [{"vms": ["db-*"]}]}
    with pytest.raises(ConfigError, match=r"db-1 and db-2 must be apart and, by placement_rules\.affinity\[0\]"):
        plan_of(config_of(placement_rules=rules))


def test_clones_keep_the_rules_too():
    # Four hosts of 10 GiB hold two VMs of 4 GiB each; of each round at most one db to a host.
    plan = plan_of(config_of(question="grow", placement_rules={"anti_affinity": [{"group": "data"}]}))
    hosts = names_by_host(plan, plan.placed[0])
    assert sum(map(len, hosts.values())) > 4
    for names in hosts.values():
        rounds = [name.partition("~")[2] for name in names if name.startswith("db-")]
        assert len(rounds) == len(set(rounds))
    assert plan.placed[0].bound is None


def test_admission_is_an_axis_and_names_its_history():
    sweep = {"overcommit_ratio": [4.0], "axes": {"admission.policy": ["ratio", "percentile", "oracle"]}}
    ratio, percentile, oracle = plan_of(config_of(sweep=sweep)).placed
    assert ratio.history is None
    assert percentile.history.startswith("A draw of its own")
    assert oracle.history.startswith("The replicates themselves")
    assert oracle.bound.relaxed == ("admission by prediction",)


def test_manifest_has_bound_reasons_and_broken_rules():
    # 16 GiB on hosts of 10: two.
    entry = scenario_entry(plan_of(config_of()).placed[0])
    assert (entry["hosts_used"], entry["hosts_bound"], entry["hosts_bound_relaxes"]) == (2, 2, [])
    assert entry["broken_rules"] == []
    vms = [{**vm, "host": "h-01" if vm["name"] == "db" else "h-02"} for vm in VMS]
    fleet = {"hosts": [config_of().fleet.hosts[0].model_dump(mode="json")], "vms": vms}
    rules = {"anti_affinity": [{"group": "data"}]}
    entry = scenario_entry(
        plan_of(config_of(sweep={"placement": ["as-is"]}, fleet=fleet, placement_rules=rules)).placed[0]
    )
    assert entry["broken_rules"] == ["placement_rules.anti_affinity[0]: db-1, db-2 share host h-01"]
    entry = scenario_entry(plan_of(config_of(hosts=1)).placed[0])
    assert entry["unplaced_sentences"][0] == "VM web-1 on host h: 2 GiB over the overcommit limit of 1"


def test_history_is_a_draw_that_no_replicate_repeats():
    source = build_source(config_of(), Path())
    history = source.history(7200.0)
    assert history.active_fraction.shape == (4, 24)
    assert np.array_equal(history.active_fraction, source.history(7200.0).active_fraction)
    assert HISTORY_REPLICATE > 10_000
    for replicate in range(3):
        assert not np.array_equal(source.demand(replicate).active_fraction, history.active_fraction[:, :12])


def test_history_of_a_grown_fleet_starts_with_the_fleet():
    source = build_source(config_of(), Path())
    grown = GrownSource(source, 7, 1)
    history = grown.history(3600.0)
    assert history.active_fraction.shape == (7, 12)
    assert np.array_equal(history.active_fraction[:4], source.history(3600.0).active_fraction)
    assert grown.history_meaning() == source.history_meaning()
