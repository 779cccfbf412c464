"""What a change does against the base: every figure by replicate, its paired difference, and who carries it.

Both sides meet the same demand, so a replicate of one is compared with the same replicate of the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from planner.analysis.at_risk import STALLS
from planner.analysis.by_replicate import BROKEN_HOSTS, HEADROOM, PRESSED, RISK, headroom, values_by_replicate
from planner.analysis.paired import scenario_difference

_INTERVAL = ("low", "high", "unpaired_low", "unpaired_high", "replicates", "differing", "is_clear")


@dataclass(frozen=True)
class Metric:
    """A figure that both sides have for each replicate.

    Attributes
    ----------
    unit : str
        "fraction", "hosts", "bytes", "bytes/s", "slowdown" or "s".
    is_more_worse : bool
        Whether a larger value is worse; decides what is called lost and won.
    """

    name: str
    label: str
    unit: str
    is_more_worse: bool = True


METRICS = (
    Metric("swap_risk", "hosts that break the objective", "fraction"),
    Metric("broken_hosts", "hosts that break it, number", "hosts"),
    Metric("headroom_bytes", "memory left without reclaim", "bytes", is_more_worse=False),
    Metric("shared_saved_bytes_mean", "saved by page sharing", "bytes", is_more_worse=False),
    Metric("ballooned_bytes_mean", "ballooned", "bytes"),
    Metric("compressed_saved_bytes_mean", "saved by compression", "bytes"),
    Metric("swapped_bytes_mean", "swapped", "bytes"),
    Metric("swap_in_bytes_per_s_p99", "swap-in of the worst host, 99th percentile", "bytes/s"),
    Metric("guest_paging_bytes_per_s_mean", "guest paging, all hosts", "bytes/s"),
    Metric("slowdown_mean", "slowdown, mean", "slowdown"),
    Metric("slowdown_p99", "slowdown, 99th percentile", "slowdown"),
    Metric("pressed_s", "worst host's time in state soft or worse", "s"),
)
"""Rows of the table of differences, in its order."""


def differences(
    base: pd.DataFrame, changed: pd.DataFrame, confidence: float, independent_replicates: int | None
) -> list[dict[str, Any]]:
    """Compare every figure of two scenarios, changed less base.

    Parameters
    ----------
    base, changed : DataFrame
        Host rows of one scenario each, columns `planner.schema.HOST_COLUMNS`.
    confidence : float
        Chance that an interval holds the true difference.
    independent_replicates : int or None
        Number of replicates after which demand repeats.

    Returns
    -------
    list of dict, one for each of `METRICS` with a replicate that finished on both sides
        `metric`, `label`, `unit`, `base`, `changed` (means), `difference`, `low`, `high` (paired; None: the same in all
        replicates), `unpaired_low`,
        `unpaired_high`, `replicates`, `differing`, `is_clear`, `is_worse` (None where it is not clear).
    """
    rows = []
    for metric in METRICS:
        found = scenario_difference(changed, base, metric.name, confidence, independent_replicates)
        if found is None:
            continue
        left, right = (
            values_by_replicate(side, metric.name, independent_replicates).mean() for side in (base, changed)
        )
        row: dict[str, Any] = {"metric": metric.name, "label": metric.label, "unit": metric.unit}
        row |= {"base": float(left), "changed": float(right), "difference": found.mean}
        row |= {name: getattr(found, name) for name in _INTERVAL}
        if found.differing == 0 and metric.name != RISK:
            # What no replicate shows at all is bounded for the risk alone: for bytes the bound would be the fleet's.
            row |= {"low": None, "high": None}
        row["is_worse"] = (found.mean > 0) == metric.is_more_worse if found.is_clear else None
        rows.append(row)
    return rows


def worst_variant(variants: Sequence[pd.DataFrame]) -> int:
    """Say which of several variants of a change is the worst: its position.

    Parameters
    ----------
    variants : sequence of DataFrame
        Host rows of each.

    Notes
    -----
    Most broken hosts; then the highest swap-in of a host, the longest pressure, the highest slowdown, and the least
    memory left; all means over replicates. Ties go to the first.
    """
    order = (BROKEN_HOSTS, "swap_in_bytes_per_s_p99", PRESSED, "slowdown_p99")
    keys = []
    for position, rows in enumerate(variants):
        means = [float(values_by_replicate(rows, name).mean()) for name in order]
        keys.append((*(-mean for mean in means), float(values_by_replicate(rows, HEADROOM).mean()), position))
    return int(min(keys)[-1])


def host_differences(base: pd.DataFrame, changed: pd.DataFrame) -> pd.DataFrame:
    """Compare host by host, those that change most for the worse first.

    Parameters
    ----------
    base, changed : DataFrame
        Host rows of one scenario each.

    Returns
    -------
    DataFrame, a row per host that is in use on either side, means over replicates
        `host`, `vms_base`, `vms_changed` (NaN: not in use), and for each of `broken_share`, `headroom_bytes`,
        `swapped_bytes`, `ballooned_bytes`, `swap_in_bytes_per_s_p99`: the changed value and, with `_difference`, less
        that of the base (an absent host counts as zero); `peak_granted_ratio` of the changed side.
    """
    left, right = _by_host(base), _by_host(changed)
    table = left.merge(
        right, how="outer", left_index=True, right_index=True, suffixes=("_base", "_changed")
    ).sort_index()
    for name in ("broken_share", "headroom_bytes", "swapped_bytes", "ballooned_bytes", "swap_in_bytes_per_s_p99"):
        before, after = table.pop(f"{name}_base").fillna(0.0), table.pop(f"{name}_changed").fillna(0.0)
        table[name], table[f"{name}_difference"] = after, after - before
    table["peak_granted_ratio"] = table.pop("peak_granted_ratio_changed")
    table = table.drop(columns=["peak_granted_ratio_base"]).reset_index()
    table["loss"] = -table["headroom_bytes_difference"]
    order = ["broken_share_difference", "swap_in_bytes_per_s_p99_difference", "swapped_bytes_difference", "loss"]
    return table.sort_values(order, ascending=False, kind="stable", ignore_index=True).drop(columns=["loss"])


def _by_host(rows: pd.DataFrame) -> pd.DataFrame:
    finished = rows[(rows["vms"] > 0) & (rows["status"] == "ok")].copy()
    finished["headroom"] = headroom(finished)
    finished["broken"] = finished["slo_is_broken"].astype("float64")
    finished["peak_ratio"] = finished["granted_bytes_max"].astype("float64") / finished["usable_bytes"]
    return finished.groupby("host", sort=True).agg(
        vms=("vms", "max"),
        broken_share=("broken", "mean"),
        headroom_bytes=("headroom", "mean"),
        swapped_bytes=("swapped_bytes_mean", "mean"),
        ballooned_bytes=("ballooned_bytes_mean", "mean"),
        swap_in_bytes_per_s_p99=("swap_in_bytes_per_s_p99", "mean"),
        peak_granted_ratio=("peak_ratio", "max"),
    )


def vm_differences(base: pd.DataFrame, changed: pd.DataFrame) -> pd.DataFrame:
    """Compare VM by VM, those that are slowed down most by the change first.

    Parameters
    ----------
    base, changed : DataFrame
        VM rows of one scenario each, columns `planner.schema.VM_COLUMNS`.

    Returns
    -------
    DataFrame, a row per VM that is on both sides, means over replicates
        `vm`, `host_base`, `host_changed` (of the first replicate; of several the longest), `configured_bytes`,
        `slowdown_p99`, `slowdown_p99_difference`, `stall_s_difference` [s], `reclaimed_bytes_difference` (ballooned,
        compressed and swapped).
    """
    left, right = _by_vm(base), _by_vm(changed)
    table = left.merge(
        right, how="inner", left_index=True, right_index=True, suffixes=("_base", "_changed")
    ).sort_index()
    table["configured_bytes"] = table.pop("configured_bytes_base")
    for name in ("slowdown_p99", "stall_s", "reclaimed_bytes"):
        before, after = table.pop(f"{name}_base"), table.pop(f"{name}_changed")
        table[name], table[f"{name}_difference"] = after, after - before
    table = table.drop(columns=["configured_bytes_changed", "stall_s", "reclaimed_bytes"]).reset_index()
    order = ["slowdown_p99_difference", "stall_s_difference", "reclaimed_bytes_difference"]
    return table.sort_values(order, ascending=False, kind="stable", ignore_index=True)


def _by_vm(rows: pd.DataFrame) -> pd.DataFrame:
    """Sum up a VM's stays on several hosts in each replicate, then take the mean over replicates."""
    table = rows.copy()
    table["stall_s"] = table[list(STALLS)].fillna(0.0).sum(axis=1)
    reclaimed = ["ballooned_bytes_mean", "compressed_bytes_mean", "swapped_bytes_mean"]
    table["reclaimed_bytes"] = table[reclaimed].sum(axis=1)
    # The host where it was on for most of the judged time; a host that is lost before holds none of it.
    table = table.sort_values("on_s", kind="stable")
    by_replicate = table.groupby(["vm", "replicate"], sort=True).agg(
        host=("host", "last"),
        configured_bytes=("configured_bytes", "max"),
        slowdown_p99=("slowdown_p99", "max"),
        stall_s=("stall_s", "sum"),
        reclaimed_bytes=("reclaimed_bytes", "sum"),
    )
    return by_replicate.groupby(level="vm", sort=True).agg(
        host=("host", "first"),
        configured_bytes=("configured_bytes", "max"),
        slowdown_p99=("slowdown_p99", "mean"),
        stall_s=("stall_s", "mean"),
        reclaimed_bytes=("reclaimed_bytes", "mean"),
    )
