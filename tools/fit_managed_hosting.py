"""Fit the generator "managed-hosting" to a fleet's recorded memory: profiles, tenant groups, restarts, reference.

    python tools/fit_managed_hosting.py SOURCE --out planner/workload/data/managed-hosting.yaml

SOURCE holds active_YYYY-MM.parquet (tenths of MiB), granted_YYYY-MM.parquet (MiB), cpu_mhz_YYYY-MM.parquet (rows = UTC
bins of 5 minutes, a column per VM) and vms.csv (id, cores, cpu_cap_mhz, configured_mib, group). Deterministic. Writes
figures only, no series.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from fit_profiles import fit_profiles
from recorded_fleet import Recorded, load_recorded, restart_events

from planner.workload.profiles import PROFILE_QUANTILES
from planner.workload.statistics import QUANTILES, summarize_demand

LARGEST_MIB = 262_144
"""VMs above are left out: one idle VM of 512 GiB would be a tenth of the fleet's configured memory."""
RESTART_AGES_S = (300.0, 3600.0, 86_400.0, 604_800.0)
WINDOWS = (("2013-07", 0), ("2013-08", 0), ("2013-08", 4032))
WINDOW_TICKS = 4032
HEADER = """\
# Fitted figures of the generator "managed-hosting". Written by tools/fit_managed_hosting.py; do not edit by hand.
# What the keys mean: planner/workload/profiles.py and docs/model/workload.md.
"""
SOURCE_TEXT = (
    'GWA-T-12 "Rnd" trace, July and August 2013 (400 of its VMs, 5-minute samples): memory of a managed-hosting fleet '
    "of Bitbrains IT Services Inc., The Netherlands; Grid Workloads Archive, TU Delft. S. Shen, V. van Beek, A. Iosup, "
    "Statistical characterization of business-critical workloads hosted in cloud datacenters, CCGrid 2015."
)
ACKNOWLEDGEMENT = "Thanks to Bitbrains IT Services Inc. and the Grid Workloads Archive (TU Delft) for the data."


@dataclass(frozen=True)
class Growth:
    """Restarts and growth as written to the file, with the evidence behind them."""

    entry: dict[str, Any]
    events: int


def fit_restarts(fleet: Recorded) -> Growth:
    """Fit how often VMs restart, how granted memory grows after, and how it grows otherwise."""
    events = [event for event in restart_events(fleet, below=0.7) if event.is_first_in_day]
    vm_days = float(np.isfinite(fleet.granted).sum()) * fleet.tick_s / 86_400.0
    paths = np.array([event.path_at(RESTART_AGES_S, fleet.tick_s) for event in events if event.is_watched_for_a_week])
    rows = np.maximum.accumulate(np.quantile(paths, PROFILE_QUANTILES, axis=0), axis=1)
    growth = []
    for series in fleet.granted:
        known = series[np.isfinite(series)]
        falls = np.flatnonzero(np.diff(known) < -0.01)
        # Growth before the first fall, or after a week past the last one: what boots and reclaim leave alone.
        steady = known[: falls[0] + 1] if len(falls) and falls[0] > 4032 else known
        steady = steady[2016:] if len(steady) > 8064 else steady
        growth.append(max(steady[-1] - steady[0], 0.0) / (len(steady) * fleet.tick_s / 86_400.0))
    entry = {
        "per_vm_day": round(len(events) / vm_days, 6),
        "times_s": list(RESTART_AGES_S),
        "granted": [[round(float(value), 4) for value in row] for row in rows],
        "growth_per_day": [round(float(value), 6) for value in np.quantile(growth, (0.0, 0.25, 0.5, 0.75, 0.95))],
    }
    return Growth(entry, len(paths))


def fit_reference(fleet: Recorded) -> dict[str, Any]:
    """Summarize two-week windows of the data: mean, least and largest of each statistic over the windows."""
    windows = []
    for month, offset in WINDOWS:
        start = fleet.month_start[month] + offset
        active = fleet.active[:, start : start + WINDOW_TICKS]
        granted = fleet.granted[:, start : start + WINDOW_TICKS]
        seen = np.isfinite(active).mean(axis=1) > 0.5
        groups = tuple(group for group, is_seen in zip(fleet.groups, seen, strict=True) if is_seen)
        configured = fleet.configured_mib[seen]
        windows.append(summarize_demand(configured, active[seen], granted[seen], groups, fleet.tick_s))
    reference: dict[str, Any] = {"vms": len(fleet.names), "window_days": 14, "quantiles": list(QUANTILES)}
    for key in windows[0]:
        values = np.array([window[key] for window in windows])
        bounds = {"mean": values.mean(axis=0), "low": values.min(axis=0), "high": values.max(axis=0)}
        reference[key] = {name: np.round(bound, 4).tolist() for name, bound in bounds.items()}
    return reference


def main(arguments: list[str]) -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    fleet = load_recorded(options.source, LARGEST_MIB)
    growth = fit_restarts(fleet)
    profiles, fleet_weight, fit_report = fit_profiles(fleet)
    reference = fit_reference(fleet)
    data = {
        "source": SOURCE_TEXT,
        "acknowledgement": ACKNOWLEDGEMENT,
        "data_dates": "2013-07-01 to 2013-08-30",
        "left_out": f"VMs above {LARGEST_MIB // 1024} GiB: {', '.join(fleet.left_out) or 'none'}",
        "evidence": {"restarts_watched_for_a_week": growth.events, **fit_report},
        "restarts": growth.entry,
        "fleet_weight": fleet_weight,
        "profiles": profiles,
        "reference": reference,
    }
    text = yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=118, allow_unicode=True)
    options.out.write_text(HEADER + text, encoding="utf-8")
    sys.stdout.write(f"{len(profiles)} profiles of {len(fleet.names)} VMs -> {options.out}\n")
    for key, value in [*growth.entry.items(), *fit_report.items(), *reference.items()]:
        sys.stdout.write(f"  {key}: {value}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
