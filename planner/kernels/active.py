"""The sampled estimate of active memory: random pages per period, three moving averages, the largest counts.

Waldspurger, OSDI 2002, section 5.3. In each period of a VM a set of random pages is watched; the share that was touched
goes into a slow and a fast average, and into the fast one as it stands within the period. The gains are read off the
paper's figure 6. Covers platforms that sample (ESXi); others use what their guests report.
"""

import math

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.draws import PURPOSE_NOISE, PURPOSE_SAMPLE, draw_u32
from planner.kernels.state import TICK_TOUCHED


@kernel
def step_active(stack, tick):
    """Update every VM's estimate of active memory after the tick's touches. Changes `stack.active` in place."""
    knobs, vms, active = stack.balloon_knobs, stack.vms, stack.active
    is_long = knobs.tick_s >= knobs.sample_period_s
    for v in range(vms.key.size):
        if vms.granted[v] < 0:
            continue
        if is_long:
            _add_whole_periods(stack, v, tick)
        else:
            _add_part_of_period(stack, v, tick)
        n_pages = vms.start[v + 1] - vms.start[v]
        estimate = max(active.slow[v], active.fast[v], active.current[v], knobs.least_active)
        active.pages[v] = min(estimate, 1.0) * n_pages


@kernel
def _add_whole_periods(stack, v, tick):
    """Draw the sampled share of each period that ends in the tick; every period sees the tick's touched pages."""
    knobs, vms, active = stack.balloon_knobs, stack.vms, stack.active
    n_pages = vms.start[v + 1] - vms.start[v]
    touched = min(1.0, vms.tick[v, TICK_TOUCHED] / n_pages)
    if tick == 0:
        # The fleet did not start with the simulation: the averages start at what they would be.
        active.slow[v], active.fast[v], active.current[v] = touched, touched, touched
    first = int(math.floor(tick * knobs.tick_s / knobs.sample_period_s))
    end = int(math.floor((tick + 1) * knobs.tick_s / knobs.sample_period_s))
    for period in range(first, end):
        uniform = draw_u32(vms.key[v], 0, period, PURPOSE_NOISE)
        share = draw_share(touched, knobs.sample_pages, active.normal[int(uniform) >> 22])
        active.slow[v] += knobs.slow_gain * (share - active.slow[v])
        active.fast[v] += knobs.fast_gain * (share - active.fast[v])
    active.current[v] = active.fast[v]


@small_kernel
def draw_share(touched, sample_pages, z):
    """Return the share of `sample_pages` random pages found touched where `touched` of all are; z standard normal.

    The binomial's quantile by its first three moments (Cornish-Fisher), rounded to whole pages.
    """
    sd = math.sqrt(sample_pages * touched * (1.0 - touched))
    count = sample_pages * touched + sd * z + (1.0 - 2.0 * touched) * (z * z - 1.0) / 6.0
    if sd == 0.0:
        count = sample_pages * touched
    return min(max(math.floor(count + 0.5), 0.0), float(sample_pages)) / sample_pages


@kernel
def _add_part_of_period(stack, v, tick):
    """Watch the period's own random pages: which of them were touched since it began."""
    knobs, vms, active = stack.balloon_knobs, stack.vms, stack.active
    period = int(math.floor(tick * knobs.tick_s / knobs.sample_period_s))
    # What is granted in the first tick was touched long before.
    begin = max(1, int(math.ceil(period * knobs.sample_period_s / knobs.tick_s)))
    first, n_pages = vms.start[v], vms.start[v + 1] - vms.start[v]
    in_use, last_touch = stack.guests.in_use[v], stack.pages.last_touch
    n_touched = 0
    for n in range(knobs.sample_pages):
        offset = int(draw_u32(vms.key[v], n, period, PURPOSE_SAMPLE)) % n_pages
        n_touched += offset < in_use and last_touch[first + offset] >= begin
    share = n_touched / knobs.sample_pages
    active.current[v] = active.fast[v] + knobs.fast_gain * (share - active.fast[v])
    if int(math.floor((tick + 1) * knobs.tick_s / knobs.sample_period_s)) > period:
        active.slow[v] += knobs.slow_gain * (share - active.slow[v])
        active.fast[v] = active.current[v]
