"""A VM that was on several hosts counts once."""

import numpy as np
import pandas as pd
import pytest

from planner.analysis.at_risk import STALLS, vms_at_risk


def row(vm, host, on_s, slowdown, **changes):
    values = {"scenario_id": 0, "replicate": 0, "vm": vm, "host": host, "configured_bytes": 100, "on_s": on_s}
    values |= {"granted_bytes_mean": 0.0, "ballooned_bytes_mean": 0.0, "swapped_bytes_mean": 0.0}
    values |= {"slowdown_mean": slowdown, "slowdown_p99": slowdown, **dict.fromkeys(STALLS, 0.0)}
    return values | changes


def test_rows_of_a_vm_on_two_hosts_are_joined():
    rows = [
        row("a", "h-1", 300.0, 1.0, granted_bytes_mean=20.0, stall_swap_in_s=5.0),
        row("a", "h-2", 900.0, 1.4, granted_bytes_mean=60.0, stall_swap_in_s=7.0, slowdown_p99=3.0),
        row("b", "h-2", 1200.0, 1.1),
    ]
    table = vms_at_risk(pd.DataFrame(rows), 0).set_index("vm")
    joined = ["host", "granted_bytes_mean", "stall_s", "slowdown_p99"]
    # Means over the horizon add up; slowdown by the time on each host: (300 x 1.0 + 900 x 1.4) / 1200.
    assert table.loc["a", joined].tolist() == [
        "h-2",
        80.0,
        12.0,
        3.0,
    ]
    assert table.loc["a", "slowdown_mean"] == pytest.approx(1.3)
    assert table.loc["b", "slowdown_mean"] == 1.1


def test_a_vm_that_was_never_on_has_no_slowdown():
    rows = [row("a", "h-1", 0.0, np.nan), row("a", "h-2", 0.0, np.nan)]
    assert np.isnan(vms_at_risk(pd.DataFrame(rows), 0).loc[0, "slowdown_mean"])
