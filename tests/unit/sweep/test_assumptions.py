"""Assumptions and their ends for a config, by hand."""

import pytest
from test_expand import config_of

from planner.config.override import override_config
from planner.sweep.sensitivity import assumption_ends, expand_changes, joined, load_assumptions


def ends_of(config, name):
    return [(end.side, end.changes) for end in assumption_ends(config) if end.assumption == name]


def test_every_assumption_has_a_source_and_both_ends_around_the_default():
    config = config_of()
    for item in load_assumptions():
        assert item.source
        assert [side for side, _ in ends_of(config, item.name)] == ["low", "high"], item.name
    for end in assumption_ends(config):
        assert override_config(config, end.changes) != config


def test_devices_are_the_next_faster_and_slower_of_every_kind_of_host():
    # nvme, 80 us: optane and rdma, 5.5 us each, are next below; sata-ssd, 110 us, next above. hdd has nothing slower.
    assert ends_of(config_of(), "latency of the swap device") == [
        ("low", {"fleet.hosts[0].swap": "optane"}),
        ("high", {"fleet.hosts[0].swap": "sata-ssd"}),
    ]
    slow = override_config(config_of(), {"fleet.hosts[0].swap": "hdd"})
    assert ends_of(slow, "latency of the swap device") == [("low", {"fleet.hosts[0].swap": "hdd-15k"})]


@pytest.mark.parametrize(
    ("change", "name", "left"),
    [
        ({"workload.zero_fraction": 0.3}, "zero pages", ["low"]),  # already past 20 %
        ({"workload.tail": "high"}, "tail of the popularity law", ["low"]),
        ({"workload.guest_kernel_fraction": 0.6}, "page cache of guests", ["low"]),  # 6 + 50 + 60 + 1 % is too much
    ],
)
def test_ends_that_the_config_has_passed_or_contradicts_are_left_out(change, name, left):
    assert [side for side, _ in ends_of(override_config(config_of(), change), name)] == left


def test_assumptions_that_the_sweep_varies_itself_are_left_out():
    assert ends_of(config_of(axes={"workload.tail": ["low", "high"]}), "tail of the popularity law") == []
    assert ends_of(config_of(axes={"fleet.hosts[0].swap": ["hdd"]}), "latency of the swap device") == []


def test_changes_become_axes_and_the_tail_reaches_the_scenario():
    line = {"placement": "spread", "axes": {"hypervisor.large_pages": True}}
    ends = [end for end in assumption_ends(config_of()) if end.side == "high"][:2]
    scenarios = expand_changes(line, "middle", [ends[0].changes, joined(ends)], (1.0, 1.2))
    assert [(s.overcommit_ratio, s.tail, s.role) for s in scenarios] == [
        (1.0, "high", "assumption"), (1.2, "high", "assumption"),
        (1.0, "high", "assumption"), (1.2, "high", "assumption"),
    ]  # fmt: skip
    both = {"hypervisor.large_pages": True, "workload.tail": "high", "workload.growth": 1.1}
    assert scenarios[-1].axes == both
