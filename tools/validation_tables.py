"""Write the current result of `planner validate` into docs/validation.md: a row per target, and what was missed.

python -m tools.validation_tables            # all targets; `make docs-measured` does this; takes minutes
python -m tools.validation_tables NAME ...   # these targets only, the others' rows stay as they are
"""

import re
import sys
from collections.abc import Collection

from planner.cli.environment import prepare_environment

prepare_environment(will_join_cluster=False)

from planner.validation.base import Target  # noqa: E402 (the environment is read at import)
from planner.validation.checks import load_checks  # noqa: E402
from planner.validation.load import load_targets, shipped_target_files  # noqa: E402
from planner.validation.run import Outcome, Row, run_target  # noqa: E402
from planner.validation.wording import describe_tolerance, describe_value  # noqa: E402
from tools.marked import DOCS, markdown_table, read_marked, write_marked  # noqa: E402

PAGE = DOCS / "validation.md"
NAME = "results"
_TARGET_HEAD = ("target", "about", "kind", "predicted", "calibrated")
_MISSED_HEAD = ("missed", "quantity", "expected", "ours", "tolerance", "why")


def main(names: Collection[str]) -> None:
    """Run the named targets, or all, and write their result."""
    targets = shipped_targets()
    lines, missed = read_result()
    for target in targets:
        if not names or target.name in names:
            sys.stderr.write(f"{target.name} ...\n")
            outcome = run_target(target, load_checks()[target.check])
            lines[target.name], missed[target.name] = target_line(outcome), missed_lines(outcome)
            # Written after each: whoever stops halfway keeps what is done.
            write_marked(PAGE, NAME, _result_part([item for item in targets if item.name in lines], lines, missed))


def shipped_targets() -> list[Target]:
    """List the targets that come with the planner."""
    return [target for path in shipped_target_files() for target in load_targets(path)]


def read_result() -> tuple[dict[str, tuple[str, ...]], dict[str, list[tuple[str, ...]]]]:
    """Read what the page says: target -> its line, target -> its missed quantities."""
    lines: dict[str, tuple[str, ...]] = {}
    missed: dict[str, list[tuple[str, ...]]] = {}
    for text in read_marked(PAGE, NAME).splitlines():
        cells = tuple(cell.replace("\\|", "|") for cell in text[2:-2].split(" | "))
        name = cells[0].strip("`")
        if text.startswith("| `") and len(cells) == len(_TARGET_HEAD):
            lines[name] = cells
        elif text.startswith("| `"):
            missed.setdefault(name, []).append(cells)
    return lines, missed


def target_line(outcome: Outcome) -> tuple[str, ...]:
    """Word one target: what it is, and how many of its values are within tolerance."""
    target = outcome.target
    groups = [[row for row in outcome.rows if (row.group == "calibrated") == is_fitted] for is_fitted in (False, True)]
    counts = [f"{sum(row.passed for row in group)} of {len(group)}" if group else "" for group in groups]
    return f"`{target.name}`", target.title, target.kind, *counts


def missed_lines(outcome: Outcome) -> list[tuple[str, ...]]:
    """Word what a target misses, a line per quantity."""
    return [_missed_line(row) for row in outcome.rows if not row.passed and row.group != "shown"]


def _missed_line(row: Row) -> tuple[str, ...]:
    ours = "failed" if row.actual is None else describe_value(row.actual)
    expected = f"{describe_value(row.expected.value)} {row.expected.unit}".strip()
    calibrated = " (calibrated)" if row.group == "calibrated" else ""
    tolerance = describe_tolerance(row.expected)
    return f"`{row.target.name}`", f"`{row.quantity}`{calibrated}", expected, ours, tolerance, row.note


def _result_part(
    targets: list[Target], lines: dict[str, tuple[str, ...]], missed: dict[str, list[tuple[str, ...]]]
) -> str:
    counted = [lines[target.name] for target in targets if target.kind != "memory only"]
    sentences = [
        f"{word}: {_sum(counted, column)} values within tolerance"
        for word, column in (("Predicted", 3), ("calibrated (fitted, no evidence)", 4))
    ]
    parts = [f"{'; '.join(sentences)}.", markdown_table(_TARGET_HEAD, [lines[target.name] for target in targets], 3)]
    rows = [row for target in targets for row in missed.get(target.name, [])]
    if rows:
        parts.append(markdown_table(_MISSED_HEAD, rows, len(_MISSED_HEAD)))
    return "\n\n".join(parts)


def _sum(lines: list[tuple[str, ...]], column: int) -> str:
    """Add up "3 of 4" and the like."""
    pairs = [re.findall(r"\d+", line[column]) for line in lines if line[column].strip()]
    return f"{sum(int(pair[0]) for pair in pairs)} of {sum(int(pair[1]) for pair in pairs)}"


if __name__ == "__main__":
    main(sys.argv[1:])
