"""The cases of a what-if on the terminal: a row per case, then a sentence for each."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from planner.analysis.wording import format_percent, format_ratio


def print_whatif(summary: Mapping[str, Any], console: Console) -> None:
    """Print the base, a table of the cases, and a sentence for each."""
    base = summary["base"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, title in enumerate(("case", "objective", "swap risk", "change of risk", "memory left", "hosts")):
        table.add_column(title, justify="left" if position in (0, 1) else "right", overflow="fold")
    table.add_row("base", summary["base_status"], _risk(base), "", "", str(base["hosts_used"]))
    for case in summary["cases"]:
        cells = (case["name"], case["status"], _risk(case), case["risk_text"], case["memory_text"])
        table.add_row(*cells, str(case["hosts_used"]))
    title = f"Ratio {format_ratio(base['overcommit_ratio'])}, {base['placement']}, {base['replicates']} replicates."
    console.print(f"{title} {summary['objective']}", markup=False, highlight=False, soft_wrap=True)
    console.print()
    console.print(table)
    console.print()
    for case in summary["cases"]:
        console.print(f"{case['name']}. {case['sentence']}", markup=False, highlight=False, soft_wrap=True)


def _risk(item: Mapping[str, Any]) -> str:
    bound = format_percent(item["swap_risk_high"])
    if item["swap_risk"] is None:
        return f"not known, at most {bound}"
    return f"{format_percent(item['swap_risk'])} (at most {bound})" if item["swap_risk"] else f"below {bound}"
