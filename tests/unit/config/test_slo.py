"""The objective as it is written: presets, overrides, classes, and what is wrong with it."""

from typing import Any

import pytest
import yaml

from planner.analysis.objectives import slo_sentence
from planner.analysis.power import most_runs, power_warnings, replicates_to_show, runs_to_show
from planner.config.check_slo import SLO_CHECKS
from planner.config.slo import PRESET_NAMES, SloSpec
from planner.config.spec import PlannerConfig
from tests.synthetic_run import make_config


def issues_of(slo: dict[str, Any]) -> list[str]:
    config = make_config(slo=slo)
    return [str(issue) for check in SLO_CHECKS for issue in check(config)]


def test_a_preset_expands_to_stated_values_that_can_be_overridden() -> None:
    slo = make_config(slo="demand-conservative").slo
    assert (slo.active_peak, slo.swap_in, slo.reclaimed) == (0.9, 2**20, None)
    assert slo.objectives == ("swap_in", "active_peak")
    ours = make_config(slo={"preset": "allocation-aggressive", "configured": 1.3, "pressed": "1 min"}).slo
    assert (ours.configured, ours.reclaimed, ours.swap_in, ours.pressed) == (1.3, 0, None, 60.0)
    assert ours.objectives == ("pressed", "configured", "reclaimed")


@pytest.mark.parametrize("name", PRESET_NAMES)
def test_a_resolved_config_says_the_same_when_read_again(name: str) -> None:
    config = make_config(slo={"preset": name, "classes": [{"match": "db-*", "slowdown_p99": 1.05}]})
    written = yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))
    assert PlannerConfig.model_validate(written) == config
    assert hash(config.slo) == hash(PlannerConfig.model_validate(written).slo)


def test_the_default_is_what_it_was() -> None:
    slo = SloSpec()
    assert slo.objectives == ("swap_in",)
    assert slo_sentence(slo, 14 * 86_400.0) == (
        "At most 5 % of hosts may swap in more than 1 MiB/s for longer than 5 min, or run out of memory to give, "
        "within 14 days; judged by the upper bound at 95 % confidence."
    )


def test_the_sentence_says_every_objective() -> None:
    written = {
        "swap_in": None, "pressed": "10 min", "slowdown_p99": 1.1, "vms_affected": "1 %", "active_peak": "90 %",
        "classes": [{"match": "db-*", "slowdown_p99": 1.05, "vms_affected": "0 %"}],
    }  # fmt: skip
    found = slo_sentence(SloSpec.model_validate(written), 86_400.0)
    for words in (
        "may spend more than 10 min in state hard or low", "slow VMs down more than 1.1 times at the 99th percentile",
        "have more than 1 % of VMs affected", "have active memory peak above 90 % of usable memory",
        "break the objective of class db-* (slowdown more than 1.05 times at the 99th percentile, any VM affected",
        "or run out of memory to give",
    ):  # fmt: skip
        assert words in found
    assert "may run out of memory to give, within" in slo_sentence(SloSpec(swap_in=None), 86_400.0)


@pytest.mark.parametrize(
    ("slo", "words"),
    [
        ({"hosts_affected": "0 %"}, "slo.hosts_affected: 0 % cannot be shown"),
        ({"hosts_affected": "0 %"}, "299 independent host runs to show that, at least 25 replicates of 12 hosts"),
        ({"pressed": "20 days"}, "slo.pressed: 20 days is all of the judged time or more"),
        ({"for_more_than": "14 days"}, "slo.for_more_than: 14 days is not shorter than the horizon"),
        ({"classes": [{"slowdown_p99": 1.1}]}, "slo.classes[0]: names no VMs; write one of match"),
        ({"classes": [{"match": "a", "group": "b", "slowdown_p99": 1.1}]}, "slo.classes[0]: has both match and group"),
        ({"classes": [{"match": "a"}]}, "slo.classes[0]: judges nothing; add one of slowdown_p50"),
        ({"classes": [{"match": "a", "vms_affected": 0}] * 2}, 'slo.classes[1]: "a" has a class already'),
        ({"classes": [{"match": "a;b", "vms_affected": 0}]}, "has a semicolon"),
    ],
)
def test_what_is_wrong_is_said_with_its_remedy(slo: dict[str, Any], words: str) -> None:
    assert any(words in issue for issue in issues_of(slo)), issues_of(slo)


def test_for_more_than_matters_only_to_rates() -> None:
    assert issues_of({"swap_in": None, "for_more_than": "30 days", "pressed": "1 h"}) == []


def test_runs_and_replicates_that_an_objective_takes() -> None:
    # ln 0.05 / ln 0.95 = 58.4; / ln 0.99 = 298.07; / ln 0.999 = 2994.2.
    assert [runs_to_show(SloSpec(hosts_affected=share)) for share in (0.05, 0.01, 0.001, 1.0)] == [59, 299, 2995, 1]
    assert replicates_to_show(SloSpec(hosts_affected=0.01), 10) == 30
    assert replicates_to_show(SloSpec(hosts_affected=0.5), 10) == 4
    # Three replicates count as three, whatever the hosts; 12 replicates of 4 distinct demands as 4.
    assert (most_runs(3, 16), most_runs(4, 16), most_runs(12, 16, 4)) == (3, 64, 64)


def test_too_few_replicates_are_a_warning_with_the_number() -> None:
    slo = SloSpec(hosts_affected=0.001)
    (issue,) = power_warnings(slo, replicates=3, hosts=16)
    assert str(issue) == (
        "sweep.replicates: 0.1 % of hosts cannot be shown at 95 % confidence: it takes 2,995 independent host runs "
        "without an event, and 3 replicates of 16 hosts are 3 at most (below 4 replicates the hosts of one count as "
        "one); use at least 188 replicates, or accept a larger share of hosts"
    )
    assert power_warnings(slo, replicates=188, hosts=16) == []
    (issue,) = power_warnings(slo, replicates=300, hosts=16, independent_replicates=4)
    assert "demand repeats after 4 replicates" in issue.hint
