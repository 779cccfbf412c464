"""A small made-up run: tables as a sweep would write them, from a closed-form picture of hosts under pressure.

Not a model of memory. Granted demand of a host is its configured memory times a fraction that has a part per replicate
(hosts move together) and a part per host; what passes usable memory is reclaimed, first ballooned, then swapped.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from planner.config.spec import PlannerConfig
from planner.results.store import RUN_FORMAT, RUN_FORMAT_VERSION
from planner.schema import HOST_COLUMNS, N_SLOWDOWN_BINS, TIMELINE_COLUMNS, VM_COLUMNS
from planner.units import GIB, MIB

HORIZON_S = 14 * 86_400.0
TICK_S = 300.0
USABLE_BYTES = 500 * GIB
VM_BYTES = 10 * GIB
N_VMS = 450
PREFIX_OF_TAIL = {"low": 0.92, "middle": 1.0, "high": 1.1}
SCRIPT_NAME = "<script>alert(1)</script>"


@dataclass(frozen=True)
class SyntheticRun:
    hosts: pd.DataFrame
    vms: pd.DataFrame
    scenarios: list[dict[str, Any]]
    config: PlannerConfig
    timelines: dict[str, pd.DataFrame]


def make_config(**changes: Any) -> PlannerConfig:
    base: dict[str, Any] = {
        "schema_version": 1,
        "seed": 7,
        "fleet": {
            "hosts": [{"name": "esx", "count": 12, "memory": "512 GiB", "cores": 64}],
            "vms": {"generate": "managed-hosting", "count": N_VMS},
        },
        "hypervisor": {"preset": "esxi-8"},
        "horizon": "14 days",
        "tick": "5 min",
        "slo": {"hosts_affected": "5 %"},
        "sweep": {
            "overcommit_ratio": [1.0, 1.2, 1.4, 1.6, 1.8, 2.0],
            "placement": ["first-fit", "worst-fit"],
            "replicates": 16,
        },
    }
    return PlannerConfig.model_validate({**base, **changes})


def make_scenarios(config: PlannerConfig, sensitivity: bool = True) -> list[dict[str, Any]]:
    scenarios: list[dict[str, Any]] = []
    plans = [(place, config.workload.tail, "sweep") for place in config.sweep.placement]
    if sensitivity:
        plans += [(config.sweep.placement[0], tail, "sensitivity") for tail in ("low", "high")]
    for placement, tail, role in plans:
        for ratio in config.sweep.overcommit_ratio:
            per_host = int(ratio * USABLE_BYTES // VM_BYTES)
            scenarios.append(
                {
                    "id": len(scenarios),
                    "overcommit_ratio": ratio,
                    "placement": placement,
                    "tail": tail,
                    "axes": {},
                    "role": role,
                    "unplaced_vms": 0,
                    "hosts_used": -(-N_VMS // per_host),
                    "hosts_used_mean": float(-(-N_VMS // per_host)),
                    "vms_placed": N_VMS,
                }
            )
    return scenarios


def make_run(config: PlannerConfig | None = None, sensitivity: bool = True) -> SyntheticRun:
    config = config or make_config()
    scenarios = make_scenarios(config, sensitivity)
    host_rows: list[dict[str, Any]] = []
    vm_rows: list[dict[str, Any]] = []
    for scenario in scenarios:
        for replicate in range(config.sweep.replicates):
            _add_replicate(scenario, replicate, host_rows, vm_rows)
    last = [item["id"] for item in scenarios if item["role"] == "sweep"][-2:]
    timelines = {f"scenario-{number:03d}-replicate-00-esx-01": make_timeline(number) for number in last}
    hosts = pd.DataFrame(host_rows, columns=[column.name for column in HOST_COLUMNS])
    vms = pd.DataFrame(vm_rows, columns=[column.name for column in VM_COLUMNS])
    return SyntheticRun(hosts, vms, scenarios, config, timelines)


def host_row(scenario_id: int, replicate: int, host: str, **changes: Any) -> dict[str, Any]:
    """A quiet host: every measured value 0 or as given."""
    row: dict[str, Any] = {
        column.name: "" if column.dtype == "string" else False if column.dtype == "bool" else 0
        for column in HOST_COLUMNS
    }
    histogram = np.zeros(N_SLOWDOWN_BINS, dtype=np.int64)
    histogram[0] = 4032
    row.update(
        scenario_id=scenario_id, replicate=replicate, host=host, status="ok", vms=1,
        configured_bytes=USABLE_BYTES, usable_bytes=USABLE_BYTES, slowdown_histogram=histogram, state_high_s=HORIZON_S,
    )  # fmt: skip
    return {**row, **changes}


def make_timeline(seed: int, n_ticks: int = 4032) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    hours = np.arange(n_ticks) * TICK_S / 3600
    granted = 560 * GIB * (1 - 0.45 * np.exp(-hours / 40)) + 12 * GIB * np.sin(hours / 24 * 2 * np.pi)
    over = np.maximum(0, granted - 480 * GIB)
    noise = rng.random(n_ticks)
    swapped = np.maximum(0, over - 60 * GIB)
    table = pd.DataFrame({column.name: np.zeros(n_ticks, dtype=np.int64) for column in TIMELINE_COLUMNS})
    table["tick"] = np.arange(n_ticks)
    table["granted_bytes"] = granted.astype(np.int64)
    table["active_bytes"] = (granted * (0.1 + 0.04 * np.sin(hours / 24 * 2 * np.pi) + 0.02 * noise)).astype(np.int64)
    table["shared_bytes"] = (0.1 * granted).astype(np.int64)
    table["shared_saved_bytes"] = (0.08 * granted).astype(np.int64)
    table["ballooned_bytes"] = np.minimum(over, 50 * GIB).astype(np.int64)
    table["compressed_bytes"] = np.clip(over - 50 * GIB, 0, 10 * GIB).astype(np.int64)
    table["swapped_bytes"] = swapped.astype(np.int64)
    reclaimed = table[["shared_bytes", "ballooned_bytes", "compressed_bytes", "swapped_bytes"]].sum(axis=1)
    table["private_bytes"] = table["granted_bytes"] - reclaimed
    table["consumed_bytes"] = table["private_bytes"] + table["shared_bytes"] - table["shared_saved_bytes"]
    table["free_bytes"] = np.maximum(0, USABLE_BYTES - table["consumed_bytes"])
    table["swap_in_bytes"] = (swapped * 0.002 * noise**4).astype(np.int64)
    table["state"] = np.digitize(over / GIB, [1, 20, 50, 75])
    return table


def make_manifest(run: SyntheticRun) -> dict[str, Any]:
    timelines = []
    for name in run.timelines:
        _, scenario_id, _, replicate, host = name.split("-", 4)
        timelines.append({"name": name, "scenario_id": int(scenario_id), "replicate": int(replicate), "host": host})
    return {
        "format": RUN_FORMAT,
        "format_version": RUN_FORMAT_VERSION,
        "config_hash": "0" * 64,
        "seed": run.config.seed,
        "replicate_meaning": "every VM draws its demand anew",
        "fidelity": {"pages_per_vm": 128, "bytes_per_sampled_page": [64 * 2**20], "is_exact": False},
        "versions": {"planner": "0.1.0"},
        "wall_s": 12.5,
        "timelines": timelines,
        "scenarios": run.scenarios,
    }


def write_run(run: SyntheticRun, summary: dict[str, Any], run_dir: Path) -> None:
    """Write the run as a directory, in the files that DESIGN names."""
    (run_dir / "timeline").mkdir(parents=True)
    run.hosts.to_parquet(run_dir / "hosts.parquet")
    run.vms.to_parquet(run_dir / "vms.parquet")
    for name, table in run.timelines.items():
        table.to_parquet(run_dir / "timeline" / f"{name}.parquet")
    (run_dir / "summary.json").write_text(json.dumps(summary))
    (run_dir / "manifest.json").write_text(json.dumps(make_manifest(run)))
    (run_dir / "config.yaml").write_text(yaml.safe_dump(run.config.model_dump(mode="json")))


def _add_replicate(
    scenario: dict[str, Any], replicate: int, host_rows: list[dict[str, Any]], vm_rows: list[dict[str, Any]]
) -> None:
    n_hosts = scenario["hosts_used"]
    rng = np.random.default_rng([replicate, 99])
    common = 0.008 * rng.standard_normal()
    own = 0.03 * rng.standard_normal(64)
    is_spread = scenario["placement"] == "worst-fit"
    per_host = int(scenario["overcommit_ratio"] * USABLE_BYTES // VM_BYTES)
    left = N_VMS
    for host_idx in range(n_hosts):
        n_here = -(-left // (n_hosts - host_idx)) if is_spread else min(per_host, left)
        left -= n_here
        fraction = (0.56 + common + own[host_idx]) * PREFIX_OF_TAIL[scenario["tail"]]
        host = f"esx-{host_idx + 1:02d}"
        host_rows.append(_pressed_host(scenario["id"], replicate, host, n_here, fraction))
        if replicate == 0:
            vm_rows.extend(_vm_rows(scenario["id"], host, n_here, N_VMS - left - n_here, host_rows[-1]))


def _pressed_host(scenario_id: int, replicate: int, host: str, n_vms: int, fraction: float) -> dict[str, Any]:
    configured = n_vms * VM_BYTES
    granted = int(configured * fraction)
    shared = int(0.10 * granted)
    saved = int(0.8 * shared)
    over = max(0, granted - saved - int(0.94 * USABLE_BYTES))
    ballooned = min(over, int(0.06 * granted))
    compressed = min(over - ballooned, int(0.015 * granted))
    swapped = over - ballooned - compressed
    private = granted - shared - ballooned - compressed - swapped
    consumed = private + shared - saved + compressed // 2
    swap_in = 40.0 * MIB * swapped / (20 * GIB)
    histogram = np.zeros(N_SLOWDOWN_BINS, dtype=np.int64)
    histogram[0] = 2000 * n_vms
    histogram[18:30] = n_vms * np.array([300, 420, 480, 380, 240, 130, 60, 20, 2, 0, 0, 0])
    if swapped:
        histogram[34:46] = (n_vms * np.geomspace(30, 1, 12) * (1 + swapped / GIB)).astype(np.int64)
    is_broken = swap_in > MIB
    return host_row(
        scenario_id, replicate, host,
        vms=n_vms, configured_bytes=configured, vcpus=4 * n_vms, granted_bytes_mean=float(granted),
        granted_bytes_max=int(granted * 1.05), active_bytes_mean=0.18 * granted, active_bytes_max=int(0.4 * granted),
        consumed_bytes_mean=float(consumed), free_bytes_min=max(0, USABLE_BYTES - int(consumed * 1.04)),
        private_bytes_mean=float(private), shared_bytes_mean=float(shared), shared_saved_bytes_mean=float(saved),
        ballooned_bytes_mean=float(ballooned), compressed_bytes_mean=float(compressed),
        compressed_saved_bytes_mean=compressed / 2, swapped_bytes_mean=float(swapped),
        swapped_bytes_max=int(1.3 * swapped), swap_in_bytes_per_s_mean=0.3 * swap_in, swap_in_bytes_per_s_p99=swap_in,
        swap_in_bytes_per_s_max=2.5 * swap_in, slo_broken_s=7200.0 if is_broken else 0.0, slo_is_broken=is_broken,
        slo_swap_in_is_broken=is_broken, slo_broken_by="swap_in" if is_broken else "",
        state_high_s=HORIZON_S * (0.4 if over else 1.0), state_clear_s=HORIZON_S * (0.2 if over else 0.0),
        state_soft_s=HORIZON_S * (0.3 if over else 0.0), state_hard_s=HORIZON_S * (0.1 if over else 0.0),
        small_mapped_fraction_mean=min(1.0, 0.05 + over / (60 * GIB)),
        translation_overhead_mean=0.031 + 0.1 * min(1.0, over / (60 * GIB)), slowdown_histogram=histogram,
    )  # fmt: skip


def _vm_rows(scenario_id: int, host: str, n_vms: int, first: int, host_row: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for offset in range(n_vms):
        weight = 0.5 + (first + offset) % 11 / 10
        row: dict[str, Any] = {column.name: 0.0 for column in VM_COLUMNS}
        swapped = host_row["swapped_bytes_mean"] / n_vms * weight
        ballooned = host_row["ballooned_bytes_mean"] / n_vms * (2 - weight)
        row.update(
            scenario_id=scenario_id, replicate=0, host=host, configured_bytes=VM_BYTES,
            vm=SCRIPT_NAME if first + offset == 0 else f"vm-{first + offset:04d}",
            granted_bytes_mean=host_row["granted_bytes_mean"] / n_vms, ballooned_bytes_mean=ballooned,
            swapped_bytes_mean=swapped, swapped_bytes_max=int(1.3 * swapped), slowdown_mean=1 + swapped / (20 * GIB),
            slowdown_p95=1 + swapped / (5 * GIB), slowdown_p99=1 + swapped / GIB,
            stall_swap_in_s=swapped / MIB, stall_guest_paging_s=ballooned / (2 * MIB),
            swap_in_bytes_per_s_mean=host_row["swap_in_bytes_per_s_mean"] / n_vms * weight,
        )  # fmt: skip
        rows.append(row)
    return rows
