"""One host in full: where its bytes are, what slows its VMs down, and what binds. Finished tables in, a summary out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from planner.analysis.at_risk import STALLS
from planner.analysis.objectives import SUSTAINED, count_broken, objective_words
from planner.analysis.slowdown import slowdown_quantile
from planner.analysis.tables import GUEST_CLASSES
from planner.analysis.wording import format_count, format_ratio
from planner.config.slo import SloSpec
from planner.units import format_bytes, format_seconds

STATE_NAMES = ("high", "clear", "soft", "hard", "low")
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def summarize_host(row: Mapping[str, Any], vms: pd.DataFrame, slo: SloSpec) -> dict[str, Any]:
    """Summarise one host over its judged ticks, JSON-ready.

    Parameters
    ----------
    row : mapping
        The host's row, columns `planner.schema.HOST_COLUMNS`.
    vms : DataFrame
        Its VMs, columns `planner.schema.VM_COLUMNS`.
    slo : SloSpec

    Returns
    -------
    dict
        Bytes by class of guest memory (means), time by memory state, slowdown by quantile and by part, what binds.
    """
    held = {name: float(row[f"{name}_bytes_mean"]) for name in GUEST_CLASSES[:-1]}
    configured = int(row["configured_bytes"])
    counts = np.asarray(row["slowdown_histogram"], dtype=np.int64)
    usable = int(row["usable_bytes"])
    return {
        "host": row["host"],
        "vms": int(row["vms"]),
        "vcpus": int(row["vcpus"]),
        "configured_bytes": configured,
        "usable_bytes": usable,
        "overcommit_ratio": configured / usable if usable > 0 else None,
        "granted_bytes_mean": float(row["granted_bytes_mean"]),
        "granted_bytes_max": int(row["granted_bytes_max"]),
        "free_bytes_min": int(row["free_bytes_min"]),
        "bytes": held | {"never_touched": max(0.0, configured - sum(held.values()))},
        "saved_bytes": {
            "page sharing": float(row["shared_saved_bytes_mean"]),
            "compression": float(row["compressed_saved_bytes_mean"]),
        },
        "state_s": {name: float(row[f"state_{name}_s"]) for name in STATE_NAMES},
        "swap_in_bytes_per_s_p99": float(row["swap_in_bytes_per_s_p99"]),
        "guest_paging_bytes_per_s_mean": float(row["guest_paging_bytes_per_s_mean"]),
        "slowdown": {name: slowdown_quantile(counts, quantile) for name, quantile in _QUANTILES.items()},
        "slowdown_parts": slowdown_parts(vms),
        "translation_overhead_mean": float(row["translation_overhead_mean"]),
        "small_mapped_fraction_mean": float(row["small_mapped_fraction_mean"]),
        "slo_is_broken": bool(row["slo_is_broken"]),
        "slo_broken_by": list(count_broken([row["slo_broken_by"]])),
        "what_binds": what_binds(row, slo),
    }


def slowdown_parts(vms: pd.DataFrame) -> dict[str, float]:
    """Split the mean slowdown of a host's VMs, less 1, into its parts: address translation and each kind of stall.

    Notes
    -----
    A VM's stalls share what translation leaves of its slowdown in proportion to their times. VMs that were never on
    are left out.
    """
    was_on = vms[vms["slowdown_mean"].notna()]
    names = [name for name in vms.columns if name.startswith("stall_")]
    parts = {"address translation": float(was_on["translation_overhead_mean"].mean()) if len(was_on) else 0.0}
    stalled_s = was_on[names].sum(axis=1)
    excess = (was_on["slowdown_mean"] - 1.0 - was_on["translation_overhead_mean"]).clip(lower=0.0)
    per_second = excess / stalled_s.where(stalled_s > 0)
    for name in names:
        label = STALLS.get(name, name.removeprefix("stall_").removesuffix("_s").replace("_", " "))
        parts[label] = float((was_on[name] * per_second).fillna(0.0).mean()) if len(was_on) else 0.0
    return parts


def what_binds(row: Mapping[str, Any], slo: SloSpec) -> str:
    """Say in a sentence what this host runs into first, or that it does not."""
    outage = _outage(row)
    if outage:
        return outage
    if row["slo_is_broken"]:
        return f"The objective: the host {_broken_words(row, slo)}."
    pressed_s = sum(float(row[f"state_{name}_s"]) for name in STATE_NAMES[2:])
    if pressed_s > 0:
        return f"Free memory: {format_seconds(pressed_s)} in state soft or worse, without breaking the objective."
    reclaimed = row["ballooned_bytes_mean"] + row["compressed_bytes_mean"] + row["swapped_bytes_mean"]
    if reclaimed > 0:
        return f"Nothing breaks: {format_bytes(reclaimed)} are reclaimed on average, and that is enough."
    peak = format_ratio(row["granted_bytes_max"] / row["usable_bytes"]) if row["usable_bytes"] > 0 else "unknown"
    return (
        f"Nothing binds: granted memory peaks at {peak} times what is usable, and "
        f"{format_bytes(row['free_bytes_min'])} stay free at least."
    )


def _broken_words(row: Mapping[str, Any], slo: SloSpec) -> str:
    names = count_broken([row["slo_broken_by"]])
    words = [objective_words(name, slo, is_one=True) + (" for too long" if name in SUSTAINED else "") for name in names]
    timed = {"pressed", *SUSTAINED} & names.keys()
    return ", ".join(words) + (f", {format_seconds(row['slo_broken_s'])} in all" if timed else "")


def _outage(row: Mapping[str, Any]) -> str:
    """Say how memory runs out, or nothing."""
    if row["refused_vms_max"] > 0:
        refused = format_count(int(row["refused_vms_max"]), "VM")
        return f"VMs are not let on, up to {refused} at once: there is no memory or swap space to promise them."
    if row["killed_vms"] > 0:
        killed = format_count(int(row["killed_vms"]), "time")
        return f"Memory runs out: VMs were killed {killed}, with nothing left to reclaim."
    if row["denied_bytes"] > 0:
        return (
            f"Memory runs out: {format_bytes(row['denied_bytes'])} could not be backed, with nothing left to reclaim."
        )
    return ""
