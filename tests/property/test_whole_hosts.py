"""Rules of whole runs: more memory never hurts, sharing saves swap writes, states do not flip within a margin.

Exact conservation is checked elsewhere (`test_host_oracle`). Here runs of the same demand are compared.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from planner.kernels import timeline
from tests.property.jumpy_hosts import build_host, run_steady_host, sampled_pages

SEEDS = st.integers(0, 2**20)
RATIOS = st.sampled_from([1.1, 1.3, 1.6, 2.0])
PRESETS = st.sampled_from(["esxi-8", "kvm"])
STALLS = ("swap_in", "guest_paging", "denied")
COMMON = {"deadline": None, "derandomize": True, "suppress_health_check": [HealthCheck.too_slow]}
SWITCHES = st.fixed_dictionaries(
    {name: st.fixed_dictionaries({"enabled": st.booleans()}) for name in ("page_sharing", "ballooning", "compression")}
)


def run(seed, preset, ratio, **sections):
    sim, problem = build_host(seed, preset, ratio, **sections)
    return sim.run(problem, keep_timeline=True)


@settings(max_examples=60, **COMMON)
@given(seed=SEEDS, preset=PRESETS, ratio=RATIOS, switches=SWITCHES)
def test_more_memory_never_costs_throughput(seed, preset, ratio, switches):
    less, more = (run(seed, preset, value, **switches) for value in (ratio, ratio / 1.25))
    assert sampled_pages(more, *STALLS) <= sampled_pages(less, *STALLS)
    slowdown = [np.nanmean(result.vm_rows["slowdown_mean"]) for result in (less, more)]
    assert slowdown[1] <= slowdown[0] * (1 + 1e-9)


@settings(max_examples=60, **COMMON)
@given(seed=SEEDS, preset=PRESETS, ratio=RATIOS, ballooning=st.booleans())
def test_sharing_never_adds_swap_writes(seed, preset, ratio, ballooning):
    switches = {"ballooning": {"enabled": ballooning}, "compression": {"enabled": False}}
    without, with_it = (
        sampled_pages(run(seed, preset, ratio, page_sharing={"enabled": is_on}, **switches), "swap_out")
        for is_on in (False, True)
    )
    # A write to a shared page needs a frame of its own, at a moment when a host without sharing needs none: a page or
    # two. Where swapping is more than that, sharing must save.
    assert with_it <= without * 1.02 + 2


def test_sharing_does_save_swap_writes():
    pages = [
        sampled_pages(run(7, "esxi-8", 1.6, page_sharing={"enabled": is_on}, ballooning={"enabled": False}), "swap_out")
        for is_on in (False, True)
    ]
    assert pages[1] < 0.95 * pages[0]


@pytest.mark.parametrize("threshold", [1.0, 0.64, 0.32, 0.16])
def test_states_do_not_flip_within_their_margin(threshold):
    # minFree is 200 of 1000 pages; free memory goes up and down around a threshold by less than a tenth of it.
    free_pages = [round(200 * threshold) + 2, round(200 * threshold) - 2]
    calm = run_steady_host(1000, free_pages, min_free_fraction=0.2, state_margin=0.1)
    assert np.count_nonzero(np.diff(calm)) <= 1
    nervous = run_steady_host(1000, free_pages, min_free_fraction=0.2, state_margin=0.0)
    assert np.count_nonzero(np.diff(nervous)) > 10


@settings(max_examples=40, **COMMON)
@given(seed=SEEDS, preset=PRESETS, ratio=RATIOS)
def test_what_vms_hold_fits_the_host_at_every_tick(seed, preset, ratio):
    result = run(seed, preset, ratio)
    column = {name: result.timeline[:, timeline.COLUMNS.index(name)] for name in ("consumed", "free", "granted")}
    total = column["consumed"] + column["free"]
    assert np.all(total == total[0])
    assert np.all(column["free"] >= 0)
    assume(column["granted"].max() > total[0])
    held = sum(result.timeline[:, timeline.COLUMNS.index(name)] for name in ("private", "shared", "compressed"))
    assert np.all(held <= column["granted"])
