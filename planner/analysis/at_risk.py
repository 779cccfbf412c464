"""Which hosts and VMs suffer in one scenario, worst first, and from what."""

import pandas as pd

from planner.analysis.by_replicate import PRESSED_STATES

STALLS = {
    "stall_swap_in_s": "host swap-in",
    "stall_decompress_s": "decompression",
    "stall_guest_paging_s": "guest paging after ballooning",
    "stall_cow_s": "copy-on-write breaks",
    "stall_denied_s": "no memory left",
    "stall_direct_reclaim_s": "reclaim by its own faults",
}


def hosts_at_risk(hosts: pd.DataFrame, scenario_id: int) -> pd.DataFrame:
    """List the hosts of a scenario, those nearest to breaking the objective first.

    Returns
    -------
    DataFrame, a row per host, means over replicates
        `host`, `vms`, `overcommit_ratio`, `broken_share` (of finished replicates), `failed_runs`,
        `swap_in_bytes_per_s_p99` [bytes/s], `swapped_bytes_mean` [bytes], `ballooned_bytes_mean` [bytes],
        `peak_granted_ratio` (largest over replicates of peak granted ÷ usable), `pressed_s` (time in state soft or
        worse) [s]. Measured columns are NaN for a host whose simulations all failed.
    """
    rows = hosts[(hosts["scenario_id"] == scenario_id) & (hosts["vms"] > 0)].copy()
    rows["is_failed"] = rows["status"] != "ok"
    rows["overcommit_ratio"] = rows["configured_bytes"] / rows["usable_bytes"]
    rows["peak_granted_ratio"] = rows["granted_bytes_max"].astype("float64") / rows["usable_bytes"]
    rows["pressed_s"] = rows[list(PRESSED_STATES)].astype("float64").sum(axis=1, skipna=False)
    measured = ["peak_granted_ratio", "pressed_s", "swap_in_bytes_per_s_p99", "swapped_bytes_mean"]
    measured += ["ballooned_bytes_mean"]
    rows["broken_share"] = rows["slo_is_broken"].astype("float64")
    rows.loc[rows["is_failed"], [*measured, "broken_share"]] = float("nan")
    table = rows.groupby("host", sort=True).agg(
        vms=("vms", "max"),
        overcommit_ratio=("overcommit_ratio", "mean"),
        broken_share=("broken_share", "mean"),
        failed_runs=("is_failed", "sum"),
        swap_in_bytes_per_s_p99=("swap_in_bytes_per_s_p99", "mean"),
        swapped_bytes_mean=("swapped_bytes_mean", "mean"),
        ballooned_bytes_mean=("ballooned_bytes_mean", "mean"),
        peak_granted_ratio=("peak_granted_ratio", "max"),
        pressed_s=("pressed_s", "mean"),
    )
    order = ["failed_runs", "broken_share", "swap_in_bytes_per_s_p99", "peak_granted_ratio"]
    return table.reset_index().sort_values(order, ascending=False, kind="stable", ignore_index=True)


def vms_at_risk(vms: pd.DataFrame, scenario_id: int) -> pd.DataFrame:
    """List the VMs of a scenario, the most slowed down first.

    Returns
    -------
    DataFrame, a row per VM, means over replicates
        `vm`, `host` (of the first replicate), `configured_bytes`, `granted_bytes_mean`, `ballooned_bytes_mean`,
        `swapped_bytes_mean` [bytes], `slowdown_mean`, `slowdown_p99`, `stall_s` (all stalls together) [s], `why` (the
        stall that takes most time, "" where there is none) and `why_share` (its part of them).
    """
    rows = _one_row_each(vms[vms["scenario_id"] == scenario_id]).sort_values(["replicate", "vm"], kind="stable")
    means = ["granted_bytes_mean", "ballooned_bytes_mean", "swapped_bytes_mean", "slowdown_mean", "slowdown_p99"]
    grouped = rows.groupby("vm", sort=True)
    table = grouped[[*means, *STALLS]].mean()
    table.insert(0, "host", grouped["host"].first())
    table.insert(1, "configured_bytes", grouped["configured_bytes"].max())
    stalls = table[list(STALLS)].fillna(0.0)
    table["stall_s"] = stalls.sum(axis=1)
    is_stalled = table["stall_s"] > 0
    if len(table):
        table["why"] = stalls.idxmax(axis=1).map(STALLS).where(is_stalled, "")
        table["why_share"] = (stalls.max(axis=1) / table["stall_s"].where(is_stalled)).fillna(0.0)
    else:
        table["why"], table["why_share"] = "", 0.0
    table = table.drop(columns=list(STALLS)).reset_index()
    return table.sort_values(["slowdown_p99", "stall_s"], ascending=False, kind="stable", ignore_index=True)


def _one_row_each(vms: pd.DataFrame) -> pd.DataFrame:
    """Join the rows of VMs that were on several hosts: means over the horizon add up, slowdowns by the time on each.

    The host is the one that it was on longest; its highest percentile is the worst host's.
    """
    keys = ["replicate", "vm"]
    is_several = vms.duplicated(keys, keep=False)
    if not is_several.any():
        return vms
    several = vms[is_several].copy()
    several["slowed_s"] = several["slowdown_mean"] * several["on_s"]
    several = several.sort_values([*keys, "on_s"], ascending=[True, True, False], kind="stable")
    summed = [name for name in several.columns if name.endswith("_bytes_mean") or name.startswith("stall_")]
    how = dict.fromkeys([*summed, "on_s", "slowed_s"], "sum") | dict.fromkeys(
        ["configured_bytes", "slowdown_p99"], "max"
    )
    joined = several.groupby(keys, sort=True).agg(how | {"host": "first", "scenario_id": "first"}).reset_index()
    joined["slowdown_mean"] = joined["slowed_s"] / joined["on_s"].where(joined["on_s"] > 0)
    return pd.concat([vms[~is_several], joined.drop(columns="slowed_s")], ignore_index=True)
