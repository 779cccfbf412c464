"""The targets that come with the planner are met, or say why not; the slow ones run with the slow tests."""

import pytest

from planner.validation.checks import load_checks
from planner.validation.load import load_targets, shipped_target_files
from planner.validation.run import run_target

TARGETS = [target for path in shipped_target_files() for target in load_targets(path)]


@pytest.mark.parametrize(
    "target",
    [pytest.param(item, id=item.name, marks=pytest.mark.slow if item.is_slow else ()) for item in TARGETS],
)
def test_target_is_met_or_its_miss_is_explained(target):
    rows = run_target(target, load_checks()[target.check]).rows
    assert [row.quantity for row in rows if row.error] == []
    assert [row.quantity for row in rows if not row.passed and not row.note] == []
