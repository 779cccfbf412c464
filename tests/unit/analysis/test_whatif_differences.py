"""What a change does, by hand: headroom, the worst of several variants, hosts and VMs that carry it, words."""

import pandas as pd
import pytest

from planner.analysis.by_replicate import BROKEN_HOSTS, HEADROOM, PRESSED, values_by_replicate
from planner.analysis.whatif import METRICS, differences, host_differences, vm_differences, worst_variant
from planner.analysis.whatif_wording import difference_text, format_change, format_figure
from planner.schema import VM_COLUMNS
from planner.units import GIB
from tests.synthetic_run import host_row


def rows(*hosts: dict[str, object], replicates: int = 3) -> pd.DataFrame:
    """Host rows of one scenario: the same hosts in every replicate, `step` added to granted memory per replicate."""
    found = []
    for replicate in range(replicates):
        for idx, changes in enumerate(hosts):
            row = host_row(0, replicate, str(changes.get("host", f"h{idx}")))
            row |= {"granted_bytes_mean": 400.0 * GIB, "shared_saved_bytes_mean": 0.0, "usable_bytes": 500 * GIB}
            row |= {"swap_in_bytes_per_s_p99": 0.0, "slo_is_broken": False, **changes}
            found.append(row)
    return pd.DataFrame(found)


def test_headroom_is_what_is_left_before_anything_must_be_reclaimed() -> None:
    table = rows({"shared_saved_bytes_mean": 10.0 * GIB}, {"granted_bytes_mean": 520.0 * GIB})
    # 500 + 10 - 400 = 110; 500 - 520 = -20.
    assert values_by_replicate(table, HEADROOM).tolist() == pytest.approx([90.0 * GIB] * 3)


def test_broken_hosts_and_pressure_by_replicate() -> None:
    table = rows({"slo_is_broken": True, "state_soft_s": 60.0, "state_hard_s": 30.0, "state_low_s": 10.0}, {})
    assert values_by_replicate(table, BROKEN_HOSTS).tolist() == [1.0, 1.0, 1.0]
    assert values_by_replicate(table, PRESSED).tolist() == [100.0] * 3


def test_a_difference_is_changed_less_base_and_says_which_way_is_worse() -> None:
    base = rows({}, {})
    less = rows({}, {"granted_bytes_mean": 450.0 * GIB})
    less["granted_bytes_mean"] += less["replicate"] * float(GIB)
    found = {row["metric"]: row for row in differences(base, less, 0.95, None)}
    assert set(found) == {metric.name for metric in METRICS}
    memory = found[HEADROOM]
    # 50 GiB on one host, and 0, 1, 2 GiB on each of two: -50, -52, -54.
    assert memory["difference"] == pytest.approx(-52.0 * GIB)
    assert memory["base"] == pytest.approx(200.0 * GIB)
    assert (memory["is_clear"], memory["is_worse"]) == (True, True)
    assert found["swapped_bytes_mean"]["is_worse"] is None


def test_the_worst_variant_has_most_broken_hosts_then_most_swap_in_then_least_memory() -> None:
    calm = rows({}, {})
    broken = rows({"slo_is_broken": True}, {})
    swapping = rows({"swap_in_bytes_per_s_p99": 5e6}, {})
    full = rows({"granted_bytes_mean": 480.0 * GIB}, {})
    assert worst_variant([calm, broken, swapping, full]) == 1
    assert worst_variant([calm, full, swapping]) == 2
    assert worst_variant([calm, full, full]) == 1


def test_hosts_that_carry_the_change_come_first_and_lost_ones_are_known() -> None:
    base = rows({"host": "a"}, {"host": "b"}, {"host": "c"})
    changed = rows({"host": "a"}, {"host": "b", "slo_is_broken": True, "granted_bytes_mean": 600.0 * GIB})
    found = host_differences(base, changed)
    assert found["host"].tolist()[0] == "b"
    assert found.loc[0, "broken_share_difference"] == 1.0
    assert found.loc[0, "headroom_bytes_difference"] == pytest.approx(-200.0 * GIB)
    lost = found[found["host"] == "c"].iloc[0]
    assert pd.isna(lost["vms_changed"])
    assert lost["vms_base"] == base["vms"].iloc[0]


def vm_rows(*vms: tuple[str, str, float, float, float]) -> pd.DataFrame:
    """VM rows of one replicate: name, host, slowdown p99, GiB swapped, hours on."""
    blank = {column.name: 0.0 for column in VM_COLUMNS}
    return pd.DataFrame(
        [
            blank
            | {
                "scenario_id": 0,
                "replicate": 0,
                "vm": vm,
                "host": host,
                "configured_bytes": 4 * GIB,
                "slowdown_p99": slowdown,
                "swapped_bytes_mean": gib * GIB,
                "on_s": 3600.0 * hours,
            }
            for vm, host, slowdown, gib, hours in vms
        ]
    )


def test_a_vm_that_changed_hosts_counts_once_with_its_worst_slowdown_and_all_its_memory() -> None:
    base = vm_rows(("x", "c", 1.0, 0.0, 9), ("y", "b", 1.0, 1.0, 9))
    changed = vm_rows(("x", "c", 1.1, 1.0, 1), ("x", "b", 1.5, 2.0, 8), ("y", "b", 1.2, 1.0, 9))
    found = vm_differences(base, changed)
    assert found["vm"].tolist() == ["x", "y"]
    first = found.iloc[0]
    assert (first["host_base"], first["host_changed"]) == ("c", "b")
    assert first["slowdown_p99_difference"] == pytest.approx(0.5)
    assert first["reclaimed_bytes_difference"] == pytest.approx(3.0 * GIB)


def test_figures_and_changes_are_written_in_their_unit() -> None:
    assert format_figure(0.05, "fraction") == "5 %"
    assert format_figure(7200.0, "s") == "2.0 h"
    assert format_figure(None, "bytes") == "not known"
    assert format_change(0.125, "fraction") == "+12.5 points"
    assert format_change(-2.0 * GIB, "bytes") == "\N{MINUS SIGN}2 GiB"
    assert format_change(0.0, "bytes") == "0"


def test_a_difference_without_interval_says_so() -> None:
    row = {"unit": "bytes", "difference": -float(GIB), "low": None, "high": None, "replicates": 4}
    assert difference_text(row) == "\N{MINUS SIGN}1 GiB (the same in all 4 replicates)"
    assert difference_text(row | {"replicates": 1}) == "\N{MINUS SIGN}1 GiB (no interval: 1 replicate)"
