"""Cross-field rules one by one, and that no junk in a config ever gets past them as a traceback."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.config.check import KnownNames, check_config
from planner.config.load import load_config
from planner.config.spec import PlannerConfig
from planner.errors import ConfigError, Issue
from planner.sweep.hosts import expand_hosts

VALUES: dict[str, Any] = {
    "schema_version": 1,
    "seed": 1,
    "fleet": {
        "hosts": [{"name": "esx", "count": 2, "memory": "64 GiB", "cores": 8}],
        "vms": [{"name": "a", "memory": "4 GiB"}, {"name": "b", "count": 2, "memory": "8 GiB"}],
    },
    "hypervisor": {"preset": "esxi-8", "page_sharing": {"salting": False}},
    "workload": {"tail": "low"},
    "horizon": "1 day",
    "tick": "5 min",
    "slo": {"confidence": "90 %"},
    "sweep": {"overcommit_ratio": [1.0, 1.5], "placement": ["first-fit"], "axes": {"hypervisor.large_pages": [True]}},
}


NOTHING_RECLAIMS = {"preset": "esxi-8"} | {
    name: {"enabled": False} for name in ("page_sharing", "ballooning", "compression")
}


def issues_of(changes: dict[str, Any], known: KnownNames | None = None) -> list[Issue]:
    values = deepcopy(VALUES)
    for path, value in changes.items():
        *parents, last = path.split("/")
        holder = values
        for key in parents:
            holder = holder[key]
        holder[last] = value
    return check_config(PlannerConfig.model_validate(values), Path(), known or KnownNames())


def test_the_base_is_sound() -> None:
    assert issues_of({}, KnownNames(("first-fit",), ())) == []


@pytest.mark.parametrize("cpu", ["ice-lake-sp", "sapphire-rapids", "zen4", "zen5"])
def test_five_levels_reach_the_hosts_of_cpus_that_walk_them(cpu: str) -> None:
    levels = {"guest_levels": 4, "host_levels": 5}
    group = {"name": "esx", "memory": "64 GiB", "count": 2, "cores": 8, "cpu": cpu, "page_tables": levels}
    assert issues_of({"fleet/hosts": [group]}, KnownNames(("first-fit",), ())) == []
    hosts = expand_hosts(
        PlannerConfig.model_validate(VALUES | {"fleet": {**VALUES["fleet"], "hosts": [group]}}).fleet.hosts
    )
    assert [host.page_tables.model_dump() for host in hosts] == [levels, levels]


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"warm_up": "1 day"}, "warm_up", "leaves nothing of the horizon (1 day)"),
        ({"hypervisor": {"preset": "kvm", "page_sharing": {"ksm": {"advisor_min_pages_to_scan": 40_000}}}},
         "hypervisor.page_sharing.ksm.advisor_min_pages_to_scan", "40000 is above advisor_max_pages_to_scan (30000)"),
        ({"fleet/hosts": [{"name": "esx", "memory": "64 GiB", "count": 2, "cores": 8, "numa_nodes": 9}]},
         "fleet.hosts[0].numa_nodes", "9 nodes are more than the 8 cores"),
        ({"hypervisor": {"preset": "kvm", "ballooning": {"max_fraction": 0}}},
         "hypervisor.ballooning.max_fraction", "nothing to do though it is enabled"),
        ({"hypervisor": {"preset": "hyper-v", "ballooning": {"minimum": "5 GiB"}}},
         "hypervisor.ballooning.minimum", "5 GiB is more than the configured memory of a (4 GiB)"),
        ({"hypervisor": {"preset": "esxi-8", "ballooning": {"driver_delay": "1 day"}}},
         "hypervisor.ballooning.driver_delay", "no driver would ever be loaded"),
        ({"hypervisor": {"preset": "proxmox", "ballooning": {"interval": "2 days"}}},
         "hypervisor.ballooning.interval", "the policy would never act"),
        ({"hypervisor": {"preset": "ovirt", "ballooning": {"inflate_paging": "1 GiB/s"}}},
         "hypervisor.ballooning.inflate_paging", "is more than inflate"),
        ({"hypervisor": {"preset": "esxi-8", "active_sampling": {"slow_decay_per_min": 0.1}}},
         "hypervisor.active_sampling.slow_decay_per_min", "10% left after a minute is less"),
        ({"hypervisor": {"preset": "esxi-8", "compression": {"max_fraction": 0}}},
         "hypervisor.compression.max_fraction", "nothing to do though it is enabled"),
        ({"hypervisor": {"preset": "esxi-8", "compression": {"quarter_fraction": 0.6}}},
         "hypervisor.compression.quarter_fraction", "60 % is more than compressible_fraction (50 %)"),
        ({"hypervisor": NOTHING_RECLAIMS | {"swap": {"enabled": False}}},
         "sweep.overcommit_ratio", "1.5 promises more memory than there is, and nothing can take any back"),
        ({"hypervisor": NOTHING_RECLAIMS | {"swap": {"power_on_check": False}},
          "fleet/hosts": [{"name": "esx", "count": 2, "memory": "64 GiB", "cores": 8, "swap_size": "0 B"}]},
         "fleet.hosts[0].swap_size", "0 B leaves no swap space"),
        ({"hypervisor": "kvm",
          "fleet/hosts": [{"name": "esx", "count": 2, "memory": "64 GiB", "cores": 8, "swap_size": "0 B"}]},
         "fleet.hosts[0].swap_size", "0 B leaves no swap space, nothing else takes memory back"),
        ({"hypervisor": "esxi-8",
          "fleet/hosts": [{"name": "esx", "count": 2, "memory": "64 GiB", "cores": 8, "swap_size": "0 B"}]},
         "fleet.hosts[0].swap_size", "0 B lets no VM on"),
        ({"hypervisor": {"preset": "kvm", "watermarks": {"min_free": "20 GiB", "scale": 0.3}}},
         "hypervisor.watermarks", "the high one is at 58.4 GiB, more than half of the RAM of esx"),
        ({"hypervisor": {"preset": "kvm", "watermarks": {"min_free": "40 GiB"}}},
         "hypervisor.watermarks.min_free", "40 GiB is more than half of the RAM of esx"),
        ({"fleet/hosts": [{"name": "esx", "count": 2, "memory": "64 GiB", "cores": 8, "swap": "zram"}]},
         "fleet.hosts[0].swap", "zram compresses pages itself"),
        ({"hypervisor": {"preset": "kvm", "state_thresholds": [1, 0.5, 0.2, 0]}},
         "hypervisor.state_thresholds", "not positive"),
        ({"workload/zero_fraction": 0.95}, "workload.zero_fraction", "makes 105 %"),  # 95 + 8.5 + 1.5
        ({"sweep/placement": ["first-fit", "first-fit"]}, "sweep.placement", "first-fit is listed 2 times"),
        ({"sweep/axes": {"hypervisor.large_pages": []}}, 'sweep.axes["hypervisor.large_pages"]', "has no values"),
        ({"sweep/axes": {"hypervisor.large_pages": [True, True]}}, 'sweep.axes["hypervisor.large_pages"]', "2 times"),
        ({"sweep/axes": {"fleet.vms[0].memory": ["1 GiB"]}}, 'sweep.axes["fleet.vms[0].memory"]', "cannot be swept"),
        ({"sweep/axes": {"seed": [1, 2]}}, "sweep.axes.seed", "cannot be swept"),
        ({"sweep/axes": {"placement": ["best-fit"]}}, "sweep.axes.placement", "cannot be swept"),
        ({"sweep/axes": {"hypervisor.preset": ["kvm"]}}, 'sweep.axes["hypervisor.preset"]', "none of its values"),
        ({"sweep/axes": {"slo.hosts_affected": ["1 %"]}}, 'sweep.axes["slo.hosts_affected"]', "cannot be swept"),
        ({"sweep/axes": {"slo.confidence": ["90 %"]}}, 'sweep.axes["slo.confidence"]', "cannot be swept"),
        ({"slo": {"hosts_affected": "10 %", "confidence": "90 %"}, "sweep/axes": {"slo": ["demand-conservative"]}},
         "sweep.axes.slo[0]", "hosts_affected would be 5 % instead of 10 %, confidence would be 95 % instead of 90 %"),
        ({"sweep/axes": {"not a path": [1]}}, 'sweep.axes["not a path"]', "is not a path"),
        ({"fleet/vms": {"generate": "managed-hosting", "count": 3}, "sweep/placement": ["as-is"]},
         "sweep.placement", "as-is needs VMs that are on hosts today"),
    ],
)  # fmt: skip
def test_one_rule_at_a_time(changes: dict[str, Any], path: str, words: str) -> None:
    (issue,) = issues_of(changes)
    assert issue.path == path
    assert words in issue.message
    assert issue.hint


def test_kvm_preset_and_disabled_mechanisms_are_sound() -> None:
    assert issues_of({"hypervisor": "kvm"}) == []
    assert issues_of({"hypervisor": {"preset": "kvm", "ballooning": {"enabled": False, "max_fraction": 0}}}) == []


def test_presets_are_an_axis_where_the_standard_stays() -> None:
    assert issues_of({"slo": "demand-aggressive", "sweep/axes": {"slo": ["demand-conservative"]}}) == []


def test_whole_policies_are_an_axis() -> None:
    assert issues_of({"sweep/axes": {"hypervisor": ["esxi-8", "kvm"]}}) == []


MEMORY, SWAP = "fleet.hosts[0].memory", "fleet.hosts[0].swap"


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"sweep/zip": [{MEMORY: ["1 TiB", "2 TiB"], SWAP: ["nvme"]}]},
         "sweep.zip[0]", f"different numbers of values: {MEMORY} has 2, {SWAP} has 1"),
        ({"sweep/zip": [{}]}, "sweep.zip[0]", "has no axes"),
        ({"sweep/zip": [{MEMORY: [], SWAP: ["nvme"]}]}, f'sweep.zip[0]["{MEMORY}"]', "has no values"),
        ({"sweep/zip": [{"fleet.hosts[3].memory": ["1 TiB"]}]},
         'sweep.zip[0]["fleet.hosts[3].memory"]', "there is no fleet.hosts[3]"),
        ({"sweep/zip": [{"overcommit_ratio": [1, 2]}]}, "sweep.zip[0].overcommit_ratio", "cannot be swept"),
        ({"sweep/zip": [{MEMORY: ["1 TiB", 7]}]}, f'sweep.zip[0]["{MEMORY}"][1]', "no unit"),
        ({"sweep/zip": [{MEMORY: ["1 TiB", "1 TiB"], SWAP: ["nvme", "nvme"]}]},
         "sweep.zip[0]", "the row 1 TiB, nvme is listed 2 times"),
        ({"sweep/zip": [{SWAP: ["nvme"]}], "sweep/axes": {SWAP: ["hdd"]}},
         f'sweep.zip[0]["{SWAP}"]', "is set in two places"),
        ({"sweep/zip": [{"hypervisor": ["kvm"], "hypervisor.large_pages": [True]}]},
         'sweep.zip[0]["hypervisor.large_pages"]', 'sets a part of the axis "hypervisor"'),
        ({"sweep/zip": [{"fleet.hosts[0].reserved": ["1 GiB", "64 GiB"], MEMORY: ["64 GiB", "64 GiB"]}]},
         'sweep.zip[0]["fleet.hosts[0].reserved"][1]', "64 GiB leaves nothing of the 64 GiB of RAM"),
        ({"sweep/scenarios": [{SWAP: "floppy"}]}, f'sweep.scenarios[0]["{SWAP}"]', 'unknown swap device "floppy"'),
        ({"sweep/scenarios": [{"hypervisor.balloning.enabled": True}]},
         'sweep.scenarios[0]["hypervisor.balloning.enabled"]', 'there is no "balloning"'),
        ({"sweep/scenarios": [{"overcommit_ratio": -1}]}, "sweep.scenarios[0].overcommit_ratio", "is not positive"),
        ({"sweep/scenarios": [{"overcommit_ratio": "much"}]}, "sweep.scenarios[0].overcommit_ratio", "not a number"),
        ({"sweep/scenarios": [{"placement": "worstfit"}]}, "sweep.scenarios[0].placement", "unknown placement"),
        ({"sweep/scenarios": [{SWAP: "hdd"}, {}, {SWAP: "nvme"}]},
         "sweep.scenarios[2]", "is the same as sweep.scenarios[1]"),
        ({"sweep/scenarios": [{"overcommit_ratio": 1.5}, {}]},
         "sweep.scenarios[1]", "is in part the same as sweep.scenarios[0]"),
    ],
)  # fmt: skip
def test_rules_of_zip_and_listed_scenarios(changes: dict[str, Any], path: str, words: str) -> None:
    (issue,) = issues_of({"sweep/axes": {}, **changes}, KnownNames(("first-fit",)))
    assert issue.path == path
    assert words in issue.message
    assert issue.hint


def test_options_that_exclude_each_other_may_set_parts_of_each_other() -> None:
    assert (
        issues_of({"sweep/axes": {}, "sweep/scenarios": [{"hypervisor": "kvm"}, {"hypervisor.large_pages": True}]})
        == []
    )


def axis_issues(axes: dict[str, list[Any]], **changes: Any) -> list[tuple[str, str]]:
    return [(issue.path, issue.message) for issue in issues_of({"sweep/axes": axes, **changes})]


def test_axis_values_go_through_the_cross_field_rules() -> None:
    axes = {"fleet.hosts[0].cpu": ["zen3", "foo"], "warm_up": ["1 h", "2 days"], "fleet.hosts[0].cores": [4, 8]}
    assert axis_issues(axes) == [
        ('sweep.axes["fleet.hosts[0].cpu"][1]', 'unknown CPU "foo"'),
        ("sweep.axes.warm_up[1]", "2 days leaves nothing of the horizon (1 day) to judge"),
    ]


def test_what_the_config_itself_gets_wrong_is_not_repeated_for_its_axes() -> None:
    (issue,) = axis_issues({"hypervisor.large_pages": [True, False]}, warm_up="1 day")
    assert issue[0] == "warm_up"


def test_values_that_are_wrong_only_together_are_named_together_and_once() -> None:
    # 52 GiB of 64 are left, 12 of 64, 40 of 52; only 52 - 52 is nothing. The third axis has no part in it.
    axes = {
        "fleet.hosts[0].memory": ["52 GiB", "64 GiB"],
        "fleet.hosts[0].reserved": ["12 GiB", "52 GiB"],
        "hypervisor.large_pages": [True, False],
    }
    message = "with fleet.hosts[0].memory = 52 GiB, 52 GiB leaves nothing of the 52 GiB of RAM"
    assert axis_issues(axes) == [('sweep.axes["fleet.hosts[0].reserved"][1]', message)]


def test_an_effect_elsewhere_is_reported_at_the_value_that_has_it() -> None:
    homed = {"name": "a", "memory": "4 GiB", "host": "esx-02"}
    ((path, message),) = axis_issues({"fleet.hosts[0].count": [1, 2]}, **{"fleet/vms": [homed]})
    assert path == 'sweep.axes["fleet.hosts[0].count"][0]'
    assert message == 'with 1, fleet.vms[0].host: there is no host "esx-02"'


def test_a_value_counts_with_the_axes_beside_it_not_with_what_they_replace() -> None:
    # 64 GiB reserved would leave nothing of the 64 GiB that the config names, and no scenario has.
    assert axis_issues({"fleet.hosts[0].reserved": ["64 GiB"], "fleet.hosts[0].memory": ["128 GiB"]}) == []


def test_every_value_is_checked_where_there_are_more_combinations_than_the_limit() -> None:
    # 30 x 30 combinations; the first 256 have no more than nine of the warm-ups.
    cores, warm_ups = list(range(1, 31)), [f"{hours} h" for hours in range(1, 30)]
    axes = {"warm_up": [*warm_ups, "3 days"], "fleet.hosts[0].cores": cores}
    # 24 h is at position 23; every one from there on leaves nothing of the day.
    assert [path for path, _ in axis_issues(axes)] == [f"sweep.axes.warm_up[{position}]" for position in range(23, 30)]


def test_many_repeated_names_make_one_issue() -> None:
    (issue,) = issues_of({"fleet/vms": [{"name": "b", "count": 9, "memory": "1 GiB"}] * 2})
    assert issue.path == "fleet.vms[1].name"
    assert '"b-1", "b-2", "b-3" and 6 more' in issue.message


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "x", "512 GiB", "-1 s", "1 %", "101 %", "9" * 400, "\x00", "1e400 GiB"]),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.sampled_from(["name", "x", "generate", "fleet", "preset"]), st.none() | st.text(max_size=3)),
)


def all_paths(values: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    below = [found for key, value in items for found in all_paths(value, (*path, key))]
    return [path, *below]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(all_paths(VALUES)), JUNK), min_size=1, max_size=3))
def test_junk_anywhere_is_an_issue_not_a_traceback(tmp_path_factory: pytest.TempPathFactory, changes: list) -> None:
    values: Any = deepcopy(VALUES)
    for path, junk in changes:
        if not path:
            values = junk
            continue
        holder = values
        try:
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = junk
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    file = tmp_path_factory.getbasetemp() / "junk.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    try:
        load_config(file, (), KnownNames(("first-fit",), ("managed-hosting",)))
    except ConfigError as error:
        assert all(issue.message for issue in error.issues)  # noqa: PT017 (a config may also come out sound)
