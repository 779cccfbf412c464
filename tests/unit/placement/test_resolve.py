"""Rules of a config -> sets of names; what is wrong with them, each with the places of both rules."""

import pytest

from planner.config.placement_rules import PlacementRulesSpec
from planner.placement import NamedSet, PlacementRules, RunOn
from planner.placement.resolve import resolve_rules
from tests.placement_cases import make_vms

NAMES = ("db-1", "db-2", "db-3", "web-1", "web-2", "lonely")
GROUPS = ("data", "data", "data", "shop", "shop", None)
HOSTS = ("esx-01", "esx-02", "esx-03", "old-1")


def resolve(**spec):
    vms = make_vms([1] * 6, groups=GROUPS).renamed(NAMES)
    return resolve_rules(PlacementRulesSpec.model_validate(spec), vms, HOSTS)


def only_issue(**spec):
    (issue,) = resolve(**spec).issues
    return issue


def test_names_patterns_and_groups():
    rules = resolve(affinity=[{"vms": ["web-*", "lonely"]}], anti_affinity=[{"vms": ["db-*"]}]).rules
    assert rules.together == (NamedSet("placement_rules.affinity[0]", frozenset({"web-1", "web-2", "lonely"})),)
    assert rules.apart == (NamedSet("placement_rules.anti_affinity[0]", frozenset({"db-1", "db-2", "db-3"})),)


def test_every_group_that_a_pattern_matches_is_a_set_of_its_own():
    rules = resolve(anti_affinity=[{"group": "*"}]).rules
    assert [rule.vms for rule in rules.apart] == [frozenset({"db-1", "db-2", "db-3"}), frozenset({"web-1", "web-2"})]
    assert {rule.place for rule in rules.apart} == {"placement_rules.anti_affinity[0]"}


def test_hosts_by_pattern():
    rules = resolve(must_run_on=[{"group": "data", "hosts": ["esx-0*", "old-1"]}]).rules
    assert rules.run_on[0].hosts == frozenset(HOSTS)


@pytest.mark.parametrize(
    ("spec", "path", "message", "hint"),
    [
        ({"affinity": [{"vms": ["db1"]}]}, "affinity[0].vms[0]", 'no VM "db1"', 'did you mean "db-1"?'),
        ({"anti_affinity": [{"group": "dta"}]}, "anti_affinity[0].group", 'no tenant group "dta"', '"data"'),
        ({"must_run_on": [{"vms": ["db-1"], "hosts": ["esx-4"]}]}, "must_run_on[0].hosts[0]", 'no host "esx-4"', "esx"),
        ({"affinity": [{"vms": ["zzz*"]}]}, "affinity[0].vms[0]", 'no VM "zzz*"', "* stands for any text"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named_with_the_nearest(spec, path, message, hint):
    issue = only_issue(**spec)
    assert issue.path == f"placement_rules.{path}"
    assert message in issue.message
    assert hint in issue.hint


def test_together_and_apart_contradict_each_other():
    issue = only_issue(affinity=[{"vms": ["db-1", "web-1"]}], anti_affinity=[{"vms": ["db-1", "web-1", "db-2"]}])
    assert issue.path == "placement_rules.anti_affinity[0]"
    assert "db-1 and web-1 must be apart and, by placement_rules.affinity[0], on one host" in issue.message


def test_together_through_several_sets_contradicts_apart():
    issue = only_issue(
        affinity=[{"vms": ["db-1", "web-1"]}, {"vms": ["web-1", "db-2"]}], anti_affinity=[{"vms": ["db-1", "db-2"]}]
    )
    assert "by placement_rules.affinity[0] and placement_rules.affinity[1], on one host" in issue.message


def test_together_on_different_hosts():
    issue = only_issue(
        affinity=[{"vms": ["db-1", "web-1"]}],
        must_run_on=[{"vms": ["db-1"], "hosts": ["esx-01"]}, {"vms": ["web-1"], "hosts": ["esx-02"]}],
    )
    assert issue.path == "placement_rules.must_run_on[1]"
    assert "placement_rules.must_run_on[0]" in issue.message
    assert "placement_rules.affinity[0]" in issue.message


def test_one_vm_on_two_disjoint_sets_of_hosts():
    issue = only_issue(
        must_run_on=[{"vms": ["db-*"], "hosts": ["esx-*"]}, {"vms": ["db-2"], "hosts": ["old-1"]}],
    )
    assert issue.message == "leaves no host for db-2 beside placement_rules.must_run_on[0]"


def test_more_vms_apart_than_hosts():
    issue = only_issue(anti_affinity=[{"vms": ["db-*", "web-*"]}])
    assert issue.message == "5 VMs must be on hosts of their own, and there are 4 for them"
    issue = only_issue(
        anti_affinity=[{"vms": ["db-*"]}], must_run_on=[{"vms": ["db-*"], "hosts": ["esx-01", "esx-02"]}]
    )
    assert issue.message == "3 VMs must be on hosts of their own, and there are 2 for them"


def test_a_set_of_one_is_a_warning():
    found = resolve(anti_affinity=[{"vms": ["lonely"]}])
    assert found.issues == ()
    assert found.warnings == (
        "placement_rules.anti_affinity[0]: lonely is alone in its set, so the rule means nothing",
    )


def test_clones_have_rules_of_their_own():
    rules = PlacementRules(
        apart=(NamedSet("a", frozenset({"db-1", "db-2"})),), run_on=(RunOn("r", frozenset({"db-1"}), frozenset({"h"})),)
    )
    grown = rules.with_clones(
        ["db-1", "db-2", "web-1", "db-1"], [1, 1, 1, 2], ["db-1~1", "db-2~1", "web-1~1", "db-1~2"]
    )
    assert [rule.vms for rule in grown.apart] == [{"db-1", "db-2"}, {"db-1~1", "db-2~1"}, {"db-1~2"}]
    assert [rule.vms for rule in grown.run_on] == [{"db-1"}, {"db-1~1"}, {"db-1~2"}]
    assert {rule.hosts for rule in grown.run_on} == {frozenset({"h"})}
