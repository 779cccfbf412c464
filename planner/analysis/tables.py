"""Tables that the report draws, from the summary and the host rows. Numbers only: no words, no colours.

`frame` below is `scenario_frame(summary)`: one row per scenario with the fields of `ScenarioSummary`.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from planner.analysis.scenarios import complete_replicates, summed_histogram
from planner.analysis.slowdown import share_slower, slowdown_edges

CELL_MEETS = "meets"
CELL_UNSURE = "unsure"
CELL_FAILS = "fails"
CELL_INFEASIBLE = "infeasible"
GUEST_CLASSES = ("private", "shared", "ballooned", "evicted", "compressed", "swapped", "never_touched")

TICK_FLOWS = ("swap_in_bytes", "swap_out_bytes", "guest_paging_bytes", "denied_bytes", "cow_break_bytes")
"""Columns of the time line that count what happened within a tick."""


def scenario_frame(summary: dict[str, Any]) -> pd.DataFrame:
    """Make a table of the scenarios in a summary, with columns that tell which line of the sweep each belongs to.

    Returns
    -------
    DataFrame, a row per scenario
        Fields of `ScenarioSummary`, `axes_key` (text), `status` (one of the `CELL_*`), and the flags
        `is_base` (axes as configured), `is_line` (the recommended line) and `is_recommended`.
    """
    recommendation = summary["recommendation"]
    frame = pd.DataFrame(summary["scenarios"])
    frame["axes_key"] = [json.dumps(axes, sort_keys=True) for axes in frame["axes"]]
    allowed = recommendation["slo"]["hosts_affected_fraction"]
    frame["status"] = [_status(row, allowed) for row in summary["scenarios"]]
    base_key = json.dumps(recommendation["axes"], sort_keys=True)
    frame["is_base"] = (frame["axes_key"] == base_key) & (frame["role"] == "sweep")
    frame["is_line"] = frame["is_base"] & (frame["placement"] == recommendation["placement"])
    frame["is_recommended"] = frame["scenario_id"] == recommendation["scenario_id"]
    if not recommendation["meets_slo"]:
        frame["is_recommended"] = False
    return frame.sort_values(["role", "placement", "tail", "axes_key", "overcommit_ratio"], kind="stable")


def line_ids(frame: pd.DataFrame) -> list[int]:
    """List the scenario ids of the recommended line, ratios ascending."""
    line = frame[frame["is_line"]].sort_values("overcommit_ratio", kind="stable")
    return [int(value) for value in line["scenario_id"]]


def byte_classes(hosts: pd.DataFrame, frame: pd.DataFrame, ids: Sequence[int]) -> pd.DataFrame:
    """Say where the fleet's bytes are at each ratio.

    Returns
    -------
    DataFrame, a row per scenario in `ids` that has a complete replicate
        `overcommit_ratio`, `hosts_used` and, all [bytes], mean over ticks and complete replicates, sums over the
        fleet: `configured`, `usable`, `granted`, `active`, `consumed`, `free` (usable less consumed) and the classes of
        guest memory in `GUEST_CLASSES`, which add up to `configured`.
    """
    measured = {
        "granted": "granted_bytes_mean",
        "active": "active_bytes_mean",
        "consumed": "consumed_bytes_mean",
        "shared_saved": "shared_saved_bytes_mean",
        **{name: f"{name}_bytes_mean" for name in GUEST_CLASSES[:-1]},
    }
    rows = []
    for scenario_id, complete in _complete_by_scenario(hosts, ids):
        sums = complete.groupby("replicate", sort=True)[[*measured.values(), "configured_bytes", "usable_bytes"]].sum()
        mean = sums.mean()
        row = {name: float(mean[column]) for name, column in measured.items()}
        row |= {"configured": float(mean["configured_bytes"]), "usable": float(mean["usable_bytes"])}
        row["never_touched"] = max(0.0, row["configured"] - sum(row[name] for name in GUEST_CLASSES[:-1]))
        row["free"] = max(0.0, row["usable"] - row["consumed"])
        rows.append({"scenario_id": scenario_id, **row})
    names = ("configured", "usable", "shared_saved", "granted", "active", "consumed", "free", *GUEST_CLASSES)
    return _with_ratio(rows, names, frame)


def slowdown_by_ratio(hosts: pd.DataFrame, frame: pd.DataFrame, ids: Sequence[int]) -> pd.DataFrame:
    """Share of VM-ticks that are slowed down by more than each edge, at each ratio.

    Returns
    -------
    DataFrame, a row per scenario and edge
        `overcommit_ratio`, `slowdown_less_one` (edge), `share` of VM-ticks above it.
    """
    edges = slowdown_edges()
    parts = []
    for scenario_id in ids:
        share = share_slower(summed_histogram(hosts[(hosts["scenario_id"] == scenario_id) & (hosts["vms"] > 0)]))
        if np.isfinite(share).all():
            parts.append(pd.DataFrame({"scenario_id": scenario_id, "slowdown_less_one": edges, "share": share}))
    if not parts:
        return pd.DataFrame(columns=["scenario_id", "overcommit_ratio", "slowdown_less_one", "share"])
    return pd.concat(parts, ignore_index=True).merge(frame[["scenario_id", "overcommit_ratio"]], on="scenario_id")


def translation_by_ratio(hosts: pd.DataFrame, frame: pd.DataFrame, ids: Sequence[int]) -> pd.DataFrame:
    """Cost of address translation at each ratio, and the share of memory that lost its 2 MiB mappings.

    Returns
    -------
    DataFrame, a row per scenario with a finished host
        `overcommit_ratio`, `overhead` (time for nested walks ÷ useful CPU time, mean over VMs) and `small_mapped`
        (granted memory mapped with 4 KiB pages ÷ granted memory).
    """
    rows = []
    for scenario_id, complete in _complete_by_scenario(hosts, ids):
        granted = complete["granted_bytes_mean"].to_numpy(dtype=np.float64)
        small = complete["small_mapped_fraction_mean"].to_numpy(dtype=np.float64)
        mapped = float((granted * small).sum() / granted.sum()) if granted.sum() else None
        rows.append({"scenario_id": scenario_id, "small_mapped": mapped})
    table = _with_ratio(rows, ("small_mapped",), frame)
    overhead = frame.set_index("scenario_id")["translation_overhead_mean"]
    table["overhead"] = [overhead[scenario_id] for scenario_id in table["scenario_id"]]
    return table.dropna(subset=["overhead", "small_mapped"])


def largest_ratio_by_axes(frame: pd.DataFrame) -> pd.DataFrame:
    """Say how far each placement may go with each combination of the further axes (mechanisms on and off).

    Returns
    -------
    DataFrame, a row per placement and combination; empty if the sweep has no further axes
        `axes`, `placement`, `is_base`, `largest_ratio` that meets the objective with every smaller one,
        `hosts_used` there, `first_broken_ratio` (smallest at which a host broke); None where there is none.
    """
    swept = frame[(frame["role"] == "sweep") & (frame["axes_key"] != "{}")]
    rows = []
    for (axes_key, placement), line in swept.groupby(["axes_key", "placement"], sort=True):
        ordered = line.sort_values("overcommit_ratio", kind="stable")
        # Ratios at which the hosts do not hold all VMs are no evidence against larger ones.
        has_room = (ordered["status"] != CELL_INFEASIBLE).to_numpy(dtype=bool)
        is_met = (ordered["status"] == CELL_MEETS).to_numpy(dtype=bool) | (~has_room & (np.cumsum(has_room) == 0))
        n_met = (int(np.argmin(is_met)) if not is_met.all() else len(is_met)) if has_room.any() else 0
        n_met = n_met if n_met > int(np.argmax(has_room)) else 0
        broken = ordered[ordered["broken_host_runs"] > 0]
        rows.append(
            {
                "axes": json.loads(str(axes_key)),
                "placement": placement,
                "is_base": bool(ordered["is_base"].iloc[0]),
                "largest_ratio": float(ordered["overcommit_ratio"].iloc[n_met - 1]) if n_met else None,
                "hosts_used": int(ordered["hosts_used"].iloc[n_met - 1]) if n_met else None,
                "first_broken_ratio": float(broken["overcommit_ratio"].iloc[0]) if len(broken) else None,
            }
        )
    return pd.DataFrame(rows, dtype=object)


def thin_timeline(timeline: pd.DataFrame, most_points: int) -> pd.DataFrame:
    """Shorten a timeline to at most `most_points` rows of equal width in ticks.

    Returns
    -------
    DataFrame
        Columns of `planner.schema.TIMELINE_COLUMNS`: `tick` is the first of the row; `state` and the flows of a tick
        (swap-in, swap-out, guest paging, denied, copied) are the worst of its ticks; stocks are their mean.
    """
    width = -(-len(timeline) // most_points) if len(timeline) else 1
    groups = timeline.groupby(np.arange(len(timeline)) // width, sort=True)
    worst = {"state", *TICK_FLOWS}
    how = {name: "first" if name == "tick" else "max" if name in worst else "mean" for name in timeline.columns}
    return groups.agg(how)


def _status(row: dict[str, Any], allowed: float) -> str:
    if not row["feasible"]:
        return CELL_INFEASIBLE
    if row["swap_risk"] is not None and row["swap_risk"] > allowed:
        return CELL_FAILS
    is_met = row["swap_risk"] is not None and row["swap_risk_high"] <= allowed
    return CELL_MEETS if is_met else CELL_UNSURE


def _complete_by_scenario(hosts: pd.DataFrame, ids: Sequence[int]) -> list[tuple[int, pd.DataFrame]]:
    found = []
    for scenario_id in ids:
        rows = hosts[(hosts["scenario_id"] == scenario_id) & (hosts["vms"] > 0)]
        complete = complete_replicates(rows)
        if len(complete):
            found.append((scenario_id, complete))
    return found


def _with_ratio(rows: list[dict[str, Any]], names: Sequence[str], frame: pd.DataFrame) -> pd.DataFrame:
    """Make a table that has its columns even without a row, and say the ratio of each row."""
    table = pd.DataFrame(rows, columns=["scenario_id", *names])
    return table.merge(frame[["scenario_id", "overcommit_ratio", "hosts_used"]], on="scenario_id", how="left")
