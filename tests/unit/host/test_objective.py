"""Each objective on one host, by hand arithmetic: what breaks it, what just does not, and what is named."""

import numpy as np
import pytest

from planner.analysis.slowdown import slowdown_quantile
from planner.config.load import load_hypervisor
from planner.config.slo import SloSpec
from planner.config.spec import WorkloadSpec
from planner.host.objective import JudgedVms, objective_columns, slowdown_quantiles
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.results import RunOfHost
from planner.host.slowdown import slowdown_edges
from planner.kernels import account
from planner.schema import N_SLOWDOWN_BINS, TIMELINE_COLUMNS
from planner.units import GIB, MIB
from planner.workload.fleet import plain_vms
from planner.workload.overhead import min_free_bytes, sharing_kept_bytes, vm_overhead_bytes

N_VMS, N_TICKS, TICK_S = 4, 100, 300.0
QUIET_ROW = {"denied_bytes": 0, "killed_vms": 0, "refused_vms_max": 0, "state_hard_s": 0.0, "state_low_s": 0.0}
ESXI = load_hypervisor("esxi-8")


def make_run(**columns: object) -> RunOfHost:
    """A quiet run: slowdown below the first edge in every VM-tick, and the given columns of the time line."""
    timeline = np.zeros((N_TICKS, len(TIMELINE_COLUMNS)), dtype=np.int64)
    names = [column.name for column in TIMELINE_COLUMNS]
    for name, values in columns.items():
        timeline[:, names.index(name)] = values
    counts = np.zeros((N_VMS, N_SLOWDOWN_BINS), dtype=np.int64)
    counts[:, 0] = N_TICKS
    return RunOfHost(
        timeline, np.ones(len(names), np.int64), TICK_S, counts, np.zeros((N_VMS, account.N_VM_SUMS), dtype=np.int64)
    )


def slow_down(run: RunOfHost, vm: int, ticks: int, excess: float) -> None:
    """Move ticks of a VM into the bin of this slowdown - 1."""
    run.slowdown_counts[vm, 0] -= ticks
    run.slowdown_counts[vm, int(np.searchsorted(slowdown_edges(), excess, side="right"))] += ticks


def judge(slo: dict[str, object], run: RunOfHost, memory_gib: int = 128, **row: float) -> dict[str, object]:
    """Judge four VMs of 16 GiB: db-1 and db-2 of group a, web-1 of group b, web-2 of none."""
    vms = plain_vms(np.full(N_VMS, 16 * GIB, dtype=np.int64)).renamed(("db-1", "db-2", "web-1", "web-2"))
    object.__setattr__(vms, "groups", ("a", "a", "b", None))
    problem = HostProblem(
        host=HostHardware("host", memory_gib * GIB, 0, 64, "sapphire-rapids", SwapDevice("nvme", 80e-6, 5e5)),
        hypervisor=ESXI, workload=WorkloadSpec(), slo=SloSpec.model_validate(slo), seed=1, replicate=0,
        vm_idx=tuple(range(N_VMS)), page_scale=4096,
    )  # fmt: skip
    return objective_columns(
        problem, JudgedVms(vms, np.ones(N_VMS, dtype=bool), np.ones((N_VMS, N_TICKS))), run, QUIET_ROW | row
    )


def broken_by(slo: dict[str, object], run: RunOfHost, **row: float) -> str:
    found = judge(slo, run, **row)
    assert found["slo_is_broken"] == bool(found["slo_broken_by"])
    return found["slo_broken_by"]


def usable_bytes(memory_gib: int = 128) -> float:
    ram = memory_gib * GIB
    overhead = vm_overhead_bytes(plain_vms(np.full(N_VMS, 16 * GIB, dtype=np.int64)), ESXI).sum()
    return float(ram - min_free_bytes(ram, ESXI) - sharing_kept_bytes(ram, ESXI) - overhead)


def test_a_quiet_host_breaks_nothing() -> None:
    found = judge({"pressed": "0 s", "slowdown_p99": 1.01, "vms_affected": "0 %", "reclaimed": "0 B"}, make_run())
    assert found == {
        "slo_broken_s": 0.0, "slo_is_broken": False, "slo_swap_in_is_broken": False, "slo_broken_by": "",
        "affected_vms": 0, "reclaimed_bytes_max": 0,
    }  # fmt: skip


def test_rates_are_judged_by_runs_of_ticks() -> None:
    swap_in = np.zeros(N_TICKS)
    swap_in[10:13] = 2 * MIB * TICK_S
    found = judge({"for_more_than": "10 min"}, make_run(swap_in_bytes=swap_in))
    # Three ticks of 5 min are longer than 10 min.
    assert (found["slo_broken_by"], found["slo_broken_s"], found["slo_swap_in_is_broken"]) == ("swap_in", 900.0, True)
    assert broken_by({"for_more_than": "15 min"}, make_run(swap_in_bytes=swap_in)) == ""
    assert broken_by({"swap_in": None}, make_run(swap_in_bytes=swap_in)) == ""


def test_time_in_hard_or_low_adds_up() -> None:
    state = np.zeros(N_TICKS)
    state[[1, 50, 90]] = (3, 4, 3)
    run = make_run(state=state)
    # Two ticks in hard and one in low: 15 min.
    assert broken_by({"pressed": "15 min"}, run, state_hard_s=600.0, state_low_s=300.0) == ""
    found = judge({"pressed": "10 min"}, run, state_hard_s=600.0, state_low_s=300.0)
    assert (found["slo_broken_by"], found["slo_broken_s"]) == ("pressed", 900.0)


def test_slowdown_is_judged_over_all_vm_ticks_of_the_host() -> None:
    run = make_run()
    slow_down(run, vm=0, ticks=6, excess=0.5)
    # 6 of 400 VM-ticks are slow: 1.5 %, so the 99th percentile is, and the 95th is not.
    assert broken_by({"slowdown_p99": 1.3}, run) == "slowdown_p99"
    assert broken_by({"slowdown_p95": 1.3}, run) == ""
    assert broken_by({"slowdown_p99": 2.0}, run) == ""


def test_share_of_vms_affected() -> None:
    run = make_run()
    slow_down(run, vm=2, ticks=6, excess=0.5)
    # web-1 is slow in 6 of its 100 ticks: its 95th percentile is. One VM of four is 25 %.
    assert broken_by({"vms_affected": "20 %"}, run) == "vms_affected"
    assert broken_by({"vms_affected": "25 %"}, run) == ""
    assert broken_by({"vms_affected": "0 %", "vm_slowdown_p95": 2.0}, run) == ""
    assert judge({}, run)["affected_vms"] == 1
    run.vm_sums[3, account.SUM_KILLED] = 1
    assert judge({}, run)["affected_vms"] == 2


def test_classes_by_name_and_by_group() -> None:
    run = make_run()
    slow_down(run, vm=2, ticks=6, excess=0.5)
    classes = [{"match": "db-*", "vms_affected": "0 %"}, {"group": "b", "slowdown_p99": 1.05}]
    # Of group b's 100 VM-ticks 6 % are slow; no VM of db-* is.
    assert broken_by({"classes": classes}, run) == "class group b"
    slow_down(run, vm=1, ticks=6, excess=0.5)
    assert broken_by({"classes": classes}, run) == "class db-*; class group b"


def test_allocation_is_judged_by_configured_memory() -> None:
    # 64 GiB configured on 128 GiB: about 0.51 of what is usable.
    ratio = 64 * GIB / usable_bytes()
    assert broken_by({"configured": ratio * 1.001}, make_run()) == ""
    assert broken_by({"configured": ratio * 0.999}, make_run()) == "configured"
    ballooned = np.zeros(N_TICKS)
    ballooned[40] = MIB
    found = judge({"preset": "allocation-conservative"}, make_run(ballooned_bytes=ballooned))
    assert (found["slo_broken_by"], found["reclaimed_bytes_max"]) == ("reclaimed", MIB)


def test_demand_is_judged_by_active_memory() -> None:
    active = np.full(N_TICKS, int(0.4 * usable_bytes()))
    active[7] = int(0.95 * usable_bytes())
    run = make_run(active_bytes=active)
    # Peak 95 %; mean 0.4055, so halfway is 67.8 %.
    assert broken_by({"active_peak": "90 %"}, run) == "active_peak"
    assert broken_by({"active_peak": "96 %"}, run) == ""
    assert broken_by({"active_typical": "67 %"}, run) == "active_typical"
    assert broken_by({"active_typical": "68 %"}, run) == ""


def test_memory_that_runs_out_always_counts() -> None:
    found = judge({"swap_in": None}, make_run(), denied_bytes=4096)
    assert (found["slo_is_broken"], found["slo_broken_by"]) == (True, "")


@pytest.mark.parametrize("quantile", [0.0, 0.5, 0.95, 0.99, 1.0])
def test_quantiles_of_many_histograms_are_those_of_each(quantile: float) -> None:
    rng = np.random.default_rng(43)
    counts = rng.integers(0, 50, (60, N_SLOWDOWN_BINS)) * (rng.random((60, N_SLOWDOWN_BINS)) < 0.2)
    counts[0] = 0
    expected = [slowdown_quantile(row, quantile) or 1.0 for row in counts]
    assert slowdown_quantiles(counts, quantile) == pytest.approx(expected, rel=1e-12)
