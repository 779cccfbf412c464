"""Replicates that replay the same demand are no independent evidence."""

import numpy as np
import pandas as pd

from planner.analysis.risk import estimate_risk
from planner.analysis.scenarios import host_runs
from planner.config.slo import SloSpec


def rows_of(n_replicates, n_hosts):
    replicate = np.repeat(np.arange(n_replicates), n_hosts)
    # Peaks depend on the window (replicate % 4) alone, and hosts of a window move together.
    peak = 100 + replicate % 4
    return pd.DataFrame(
        {
            "replicate": replicate,
            "host": [f"h{n}" for n in np.tile(np.arange(n_hosts), n_replicates)],
            "status": "ok",
            "slo_is_broken": False,
            "granted_bytes_max": peak,
            "active_bytes_max": peak,
            "usable_bytes": 200,
        }
    )


def test_replaying_the_same_windows_again_does_not_tighten_the_bound():
    slo = SloSpec()
    once, thrice = rows_of(4, 5), rows_of(12, 5)
    honest = estimate_risk(host_runs(once, 4), slo)
    again = estimate_risk(host_runs(thrice, 4), slo)
    naive = estimate_risk(host_runs(thrice), slo)
    assert (honest.replicates, again.replicates, naive.replicates) == (4, 4, 12)
    # Four windows whose hosts move as one: at most four independent runs, and the exact bound 1 - 0.05 ** (1 / 4).
    assert again.high >= 1 - 0.05 ** (1 / 4) - 1e-6
    assert again.high >= 0.95 * honest.high
    assert again.effective_runs <= 4 * 5
    assert naive.high < 0.5 * again.high
