"""Write the tables of published and predicted page walks in docs/model/translation.md from the validation targets.

Run as `python -m tools.translation_tables` (half a minute of CPU); a slow test fails when the committed page differs.
"""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from planner.cli.environment import prepare_environment
from planner.validation.base import Expected, Target
from planner.validation.checks import load_checks
from planner.validation.load import load_targets

PAGE = Path(__file__).parents[1] / "docs/model/translation.md"
BEGIN, END = "<!-- begin: written by tools/translation_tables.py -->", "<!-- end -->"
_OVERHEADS = {
    "native_4k": "native 4 KiB",
    "nested_4k": "nested 4 KiB",
    "native_2m": "native 2 MiB",
    "nested_2m": "nested 2 MiB",
    "shadow_4k": "shadow 4 KiB",
    "shadow_2m": "shadow 2 MiB",
    "ratio_4k": "nested ÷ native, 4 KiB",
    "ratio_2m": "nested ÷ native, 2 MiB",
    "large_page_gain": "nested 4 KiB ÷ 2 MiB",
}
_SHARES = {
    "share_4k": "walks, 4 KiB",
    "share_2m": "walks, 2 MiB",
    "last_4k": "last reference, 4 KiB",
    "last_2m": "last reference, 2 MiB",
}


def render_tables() -> str:
    """Run the targets and render both tables, with the markers around them."""
    path = Path(str(files("planner.validation") / "targets" / "translation.yaml"))
    targets = load_targets(path)
    overheads = [target for target in targets if target.check == "walk-overhead"]
    shares = [target for target in targets if target.check == "walk-share"]
    return "\n".join((BEGIN, "", *_table(overheads, _OVERHEADS), "", *_table(shares, _SHARES), "", END))


def replace_tables(page: str, tables: str) -> str:
    """Return the page with its tables replaced."""
    before, _, rest = page.partition(BEGIN)
    return before + tables + rest.partition(END)[2]


def _table(targets: list[Target], quantities: dict[str, str]) -> Iterable[str]:
    names = [target.name.removeprefix("walks-").removeprefix("walk-share-") for target in targets]
    yield f"| published → planner | {' | '.join(names)} | tolerance |"
    yield f"| --- |{' --- |' * (len(names) + 1)}"
    values = [load_checks()[target.check](target.config).values for target in targets]
    for key, title in quantities.items():
        pairs = zip(targets, values, strict=True)
        cells = [_cell(target.expected[key], found[key]) for target, found in pairs]
        yield f"| {title} | {' | '.join(cells)} | {_tolerance([target.expected[key] for target in targets])} |"


def _cell(expected: Expected, found: float) -> str:
    if expected.is_calibrated:
        return f"{expected.value:.3g} (fitted)"
    verdict = "" if expected.is_met_by(found) else " **missed**"
    return f"{expected.value:.3g} → {found:.3g}{verdict}"


def _tolerance(column: list[Expected]) -> str:
    expected = next((item for item in column if not item.is_calibrated), None)
    if expected is None:
        return ""
    return f"±{expected.relative:.0%}" if expected.relative else f"±{expected.absolute:.3g}"


if __name__ == "__main__":
    prepare_environment(False)
    PAGE.write_text(replace_tables(PAGE.read_text(encoding="utf-8"), render_tables()), encoding="utf-8")
