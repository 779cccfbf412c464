"""Pages that say what was measured."""

import re

from planner.sweep.sensitivity import load_assumptions
from tools import ablation, sensitivity_study
from tools.marked import read_marked, write_marked


def test_ablation_shows_every_variant_at_every_ratio() -> None:
    part = read_marked(ablation.PAGE, "tables")
    assert re.findall(r"^### Overcommit ratio (.*)$", part, flags=re.MULTILINE) == [f"{r:g}" for r in ablation.RATIOS]
    names = [line.split(" | ")[0].strip("|* ") for line in part.splitlines() if line.startswith("| ")]
    shown = [name for name in names if name in ablation.VARIANTS]
    assert shown == list(ablation.VARIANTS) * len(ablation.RATIOS), "run `make docs-measured` and commit the page"


def test_sensitivity_shows_every_assumption_and_the_ranges_that_are_declared() -> None:
    assert read_marked(sensitivity_study.PAGE, "ranges") == sensitivity_study.ranges_part()
    measured = read_marked(sensitivity_study.PAGE, "measured")
    for item in load_assumptions():
        assert measured.count(f"| {item.name} | low |") == 2, f"run `make sensitivity-study`: {item.name}"


def test_only_the_marked_part_is_replaced(tmp_path) -> None:
    page = tmp_path / "page.md"
    before, after = "# Title\n\nText.\n", "\nMore text.\n"
    page.write_text(f"{before}<!-- x: written by `make docs-measured`, do not edit -->\nold\n<!-- end of x -->{after}")
    write_marked(page, "x", "new")
    assert read_marked(page, "x") == "new"
    text = page.read_text()
    assert text.startswith(before)
    assert text.endswith(after)
