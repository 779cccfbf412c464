"""Which assumption moves the answer most, for the demo and for Bitbrains: the tables of docs/sensitivity.md.

Run as `make sensitivity-study SOURCE=FLEET_DIR` (minutes); without a fleet directory of Bitbrains its part is left out.
`--stored DIR ...` writes the tables from run directories that are there already, one per config.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from planner.analysis.wording import format_percent, format_ratio
from planner.cli.main import main as planner
from planner.sweep.sensitivity import load_assumptions
from tools.marked import DOCS, markdown_table, write_marked

CONFIGS = Path(__file__).parents[1] / "cluster_configs"
PAGE = DOCS / "sensitivity.md"


def main() -> None:
    """Run both configs, or read their runs, and write the page."""
    words = sys.argv[1:]
    if words[:1] == ["--stored"]:
        summaries = [_read(Path(word)) for word in words[1:]]
    else:
        summaries = [run("demo", [])]
        if words:
            summaries.append(run("bitbrains", [f"fleet.vms={{fleet: {Path(words[0]).resolve()}}}"]))
    write_marked(PAGE, "ranges", ranges_part())
    write_marked(PAGE, "measured", "\n\n".join(_part(name, summary) for name, summary in summaries))


def run(name: str, overrides: list[str]) -> tuple[str, dict[str, Any]]:
    """Run the adaptive sweep of a config with sensitivity; return its name and summary."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / name
        sets = [word for override in overrides for word in ("--set", override)]
        code = planner(
            ["sweep", str(CONFIGS / f"{name}.yaml"), "--adaptive", "--sensitivity", *sets, "--out", str(out)]
        )
        if code:
            raise RuntimeError(f"{name} ended with {code}")
        return _read(out)


def ranges_part() -> str:
    """Write the declared ranges as a table."""
    rows = [
        (item.name, f"`{item.path}`" if item.path else "`fleet.hosts[].swap`", str(item.low), str(item.high),
         " ".join(item.source.split()))
        for item in load_assumptions()
    ]  # fmt: skip
    return markdown_table(("assumption", "path", "low", "high", "source"), rows, n_text=5)


def _read(run_dir: Path) -> tuple[str, dict[str, Any]]:
    return run_dir.name.split("-")[0], json.loads((run_dir / "summary.json").read_text(encoding="utf-8"))


def _part(name: str, summary: Mapping[str, Any]) -> str:
    found = summary["sensitivity"]
    here, following = format_ratio(found["ratio"]), format_ratio(found["next_ratio"])
    head = ("assumption", "end", "value", "largest ratio", f"broken at {here}", f"broken at {following}")
    order = [row["assumption"] for row in found["ranking"]]
    ends = sorted(found["ends"], key=lambda end: (order.index(end["assumption"]), end["side"] != "low"))
    rows = [_row(end) for end in (found["base"], *ends, *found["pairs"])]
    intro = (
        f"{summary['recommendation']['sentence']} {found['sentence']} The ends took {found['host_problems']:,} host "
        f"simulations; line {found['placement']}, at most {found['replicates']} replicates."
    )
    return f"### {name.capitalize()}\n\n{intro}\n\n{markdown_table(head, rows, n_text=3)}"


def _row(end: Mapping[str, Any]) -> tuple[str, ...]:
    ratio = end["overcommit_ratio"]
    shares = (end["swap_risk_at_ratio"], end["swap_risk_at_next"])
    shown = ("none seen" if share == 0 else format_percent(share) for share in shares)
    return (end["assumption"], end["side"], end["value"], "none" if ratio is None else format_ratio(ratio), *shown)


if __name__ == "__main__":
    main()
