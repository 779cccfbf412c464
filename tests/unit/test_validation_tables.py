"""Rows of targets that are not asked for stay as they are; counts are those of all rows."""

from planner.validation.base import Computed, Expected, Target
from planner.validation.run import run_target
from tools import validation_tables
from tools.marked import marks, read_marked

PAGE = "# Validation\n\n{}\n\n{}\n\nAnd so on.\n".format(*marks("results"))


def target(name, kind="published", **expected):
    return Target(name, f"About a | in {name}", kind, "source", name, {}, expected)


def test_only_named_targets_are_run_again(tmp_path, monkeypatch):
    page = tmp_path / "validation.md"
    page.write_text(PAGE)
    targets = [
        target("one", x=Expected(1), y=Expected(2, is_calibrated=True)),
        target("two", x=Expected(1, note="known | reason")),
        target("three", kind="memory only", x=Expected(1)),
    ]
    values = {"one": 1.0, "two": 5.0, "three": 7.0}
    checks = {name: lambda _, name=name: Computed({"x": values[name], "y": 2.0}) for name in values}
    monkeypatch.setattr(validation_tables, "PAGE", page)
    monkeypatch.setattr(validation_tables, "shipped_targets", lambda: targets)
    monkeypatch.setattr(validation_tables, "load_checks", lambda: checks)
    validation_tables.main(())
    first = read_marked(page, "results")
    assert "Predicted: 1 of 2 values within tolerance; calibrated (fitted, no evidence): 1 of 1" in first
    assert "| `two` | `x` | 1 | 5 | exact | known \\| reason |" in first
    values.update(one=9.0, two=1.0)
    validation_tables.main(["two"])
    second = read_marked(page, "results")
    assert "Predicted: 2 of 2 values" in second
    assert "missed" not in second
    lines, missed = validation_tables.read_result()
    assert lines["two"] == validation_tables.target_line(run_target(targets[1], checks["two"]))
    assert missed == {}
