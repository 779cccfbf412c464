"""What the pages say was measured is about the targets and mechanisms there are; the fast part is measured again."""

import re

import pytest

from planner.validation.checks import load_checks
from planner.validation.run import run_target
from tools import ablation, validation_tables
from tools.marked import read_marked, write_marked

TARGETS = validation_tables.shipped_targets()


def test_every_shipped_target_has_a_row() -> None:
    missing = [target.name for target in TARGETS if target.name not in validation_tables.read_result()[0]]
    assert not missing, f"run `python -m tools.validation_tables {' '.join(missing)}` and commit the page"


@pytest.mark.parametrize("target", [target for target in TARGETS if not target.is_slow], ids=lambda target: target.name)
def test_rows_of_a_fast_target_are_up_to_date(target) -> None:
    lines, missed = validation_tables.read_result()
    outcome = run_target(target, load_checks()[target.check])
    again = f"run `python -m tools.validation_tables {target.name}` and commit the page"
    assert lines[target.name] == validation_tables.target_line(outcome), again
    assert missed.get(target.name, []) == validation_tables.missed_lines(outcome), again


def test_ablation_shows_every_variant_at_every_ratio() -> None:
    part = read_marked(ablation.PAGE, "tables")
    assert re.findall(r"^### Overcommit ratio (.*)$", part, flags=re.MULTILINE) == [f"{r:g}" for r in ablation.RATIOS]
    names = [line.split(" | ")[0].strip("|* ") for line in part.splitlines() if line.startswith("| ")]
    shown = [name for name in names if name in ablation.VARIANTS]
    assert shown == list(ablation.VARIANTS) * len(ablation.RATIOS), "run `make docs-measured` and commit the page"


def test_only_the_marked_part_is_replaced(tmp_path) -> None:
    page = tmp_path / "page.md"
    before, after = "# Title\n\nText.\n", "\nMore text.\n"
    page.write_text(f"{before}<!-- x: written by `make docs-measured`, do not edit -->\nold\n<!-- end of x -->{after}")
    write_marked(page, "x", "new")
    assert read_marked(page, "x") == "new"
    text = page.read_text()
    assert text.startswith(before)
    assert text.endswith(after)
