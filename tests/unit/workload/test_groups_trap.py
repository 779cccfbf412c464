"""The trap: a fleet whose tenants are taken for independent understates the p99 of a host that holds one group."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from planner.workload.drawn import DrawnSource, VmModels
from planner.workload.generated import GeneratedSource

DAY_S = 86_400.0
LEAST_VMS = 6
RECORDED = Path(__file__).parents[4] / "shared" / "data" / "bitbrains_rnd"


def without_groups(models: VmModels) -> VmModels:
    """The same VMs with no group or tenant label: each keeps its own distribution and its own autocorrelation."""
    nobody = (None,) * len(models.names)
    shared = tuple(
        factor if factor.kind == "fleet" else replace(factor, labels=nobody, weight=np.zeros_like(factor.weight))
        for factor in models.shared
    )
    return replace(models, shared=shared)


def active_gib(source: DrawnSource, models: VmModels, replicates: int) -> np.ndarray:
    """Active memory: float array, shape (n_vms, replicates x n_ticks). [GiB]"""
    drawn = source.with_models(source.vms, models)
    series = [drawn.demand(number).active_fraction for number in range(replicates)]
    return np.concatenate(series, axis=1) * (source.vms.configured_bytes / 2**30)[:, None]


def p99_by_group(active: np.ndarray, labels: tuple[str | None, ...]) -> dict[str, float]:
    """99th percentile over time of the sum of each large group: the active memory of a host that holds it."""
    names = sorted({label for label in labels if label is not None})
    members = {name: [row for row, label in enumerate(labels) if label == name] for name in names}
    return {
        name: float(np.quantile(active[rows].sum(axis=0), 0.99))
        for name, rows in members.items()
        if len(rows) >= LEAST_VMS
    }


def test_generated_hosts_of_one_group_peak_higher_than_independent_vms_would() -> None:
    source = GeneratedSource("managed-hosting", 400, horizon_s=7 * DAY_S, tick_s=300.0, seed=3)
    together = active_gib(source, source.models, replicates=8)
    apart = active_gib(source, without_groups(source.models), replicates=8)
    # The same VMs: each one's own distribution is untouched, so means agree, and so do the VMs' own p99 in the median.
    assert together.mean() == pytest.approx(apart.mean(), rel=0.10)
    own = np.quantile(together, 0.99, axis=1) / np.quantile(apart, 0.99, axis=1)
    assert np.median(own) == pytest.approx(1.0, abs=0.03)
    real, supposed = p99_by_group(together, source.vms.groups), p99_by_group(apart, source.vms.groups)
    ratios = np.array([real[name] / supposed[name] for name in real])
    # Measured: 8 groups, 1.09 to 3.24, 2.87 for the sum of them (docs/model/risk.md).
    assert len(ratios) >= 5
    assert (ratios > 1.0).all()
    assert sum(real.values()) / sum(supposed.values()) > 2.0


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded fleet is not part of the repository")
def test_recorded_hosts_of_one_group_peak_higher_than_shuffled_vms_would() -> None:
    with (RECORDED / "vms.csv").open(encoding="utf-8") as file:
        group_of = {row["id"]: row["group"] or None for row in csv.DictReader(file)}
    table = pq.read_table(RECORDED / "active_2013-08.parquet").to_pandas()
    names = [name for name in table.columns if name in group_of]
    active = table[names].to_numpy(dtype=np.float64).T
    active = np.nan_to_num(active) / 10.0 / 1024.0
    labels = tuple(group_of[name] for name in names)
    # Each VM's own month, started at another moment: same values in the same order, no longer at the same time.
    rng = np.random.default_rng(41)
    shifts = rng.integers(active.shape[1], size=len(names))
    shuffled = np.stack([np.roll(series, shift) for series, shift in zip(active, shifts, strict=True)])
    real, supposed = p99_by_group(active, labels), p99_by_group(shuffled, labels)
    ratios = np.array([real[name] / supposed[name] for name in real])
    # Measured: 8 groups, 1.05 to 3.46, 2.17 for the sum of them (docs/model/risk.md).
    assert (ratios > 1.0).all()
    assert sum(real.values()) / sum(supposed.values()) > 1.7
