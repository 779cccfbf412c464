"""oVirt MOM's balloon policy (doc/balloon.rules and the defaults of mom.conf), with its constants.

Every 10 s: with little free host memory each guest is cut down to what it uses and a share that shrinks with the
pressure, else grown again. Inputs are means over the last 10 samples, one each 5 s. Not modelled: samples are taken
twice a round, here one reading counts for both; while the host is at ease no history is kept, so it starts full with
the first reading under pressure.
"""

from planner.kernels.balloon import has_balloon
from planner.kernels.balloon_rounds import assign_size, current_size, is_managed
from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.frames import free_frames
from planner.kernels.guest import free_pages

PRESSURE_THRESHOLD = 0.20
PRESSURE_CRITICAL = 0.05
MIN_GUEST_FREE = 0.20
MAX_CHANGE = 0.05
MIN_CHANGE = 0.0025
HISTORY_ROUNDS = 5
NO_HISTORY = -1.0


@kernel
def is_mom_calm(stack):
    """Return whether no round can change anything: enough free host memory and no balloon. Forgets the history then."""
    history = stack.balloons.history
    if free_frames(stack) < PRESSURE_THRESHOLD * stack.balloon_knobs.host_pages or has_balloon(stack):
        return False
    history[:, 0] = NO_HISTORY
    return True


@small_kernel
def _add_reading(history, row, reading):
    """Add a reading to a row of the history; returns the mean of the row."""
    readings = history[row]
    if readings[0] == NO_HISTORY:
        readings[:] = reading
    total = 0.0
    for n in range(HISTORY_ROUNDS - 1):
        readings[n] = readings[n + 1]
        total += readings[n]
    readings[HISTORY_ROUNDS - 1] = reading
    return (total + reading) / HISTORY_ROUNDS


@kernel
def _is_steady(history, row):
    for n in range(HISTORY_ROUNDS):
        if history[row, n] != history[row, HISTORY_ROUNDS - 1]:
            return False
    return True


@kernel
def run_mom(stack, tick):
    """Run one round: read host and guests, set the size each VM should have. Changes `stack.balloons` in place.

    Returns
    -------
    bool
        Whether the next round may decide otherwise although no balloon moved.
    """
    history, host_pages = stack.balloons.history, stack.balloon_knobs.host_pages
    n_vms = stack.vms.key.size
    host_free = _add_reading(history, n_vms, float(free_frames(stack))) / host_pages
    is_unsteady = not _is_steady(history, n_vms)
    for v in range(n_vms):
        if not is_managed(stack, v, tick):
            history[v, 0] = NO_HISTORY
            continue
        size = current_size(stack, v)
        used = _add_reading(history, v, max(0.0, size - free_pages(stack, v)))
        is_unsteady = is_unsteady or not _is_steady(history, v)
        if host_free < PRESSURE_THRESHOLD:
            _shrink(stack, v, size, used, host_free)
        else:
            _grow(stack, v, size, used)
    return is_unsteady


@kernel
def _shrink(stack, v, size, used, host_free):
    guest_free = host_free - PRESSURE_CRITICAL
    if host_free > PRESSURE_CRITICAL:
        guest_free = MIN_GUEST_FREE * host_free / PRESSURE_THRESHOLD
    new_size = max(size * (1.0 - MAX_CHANGE), used + guest_free * size)
    if new_size <= size and size - new_size > MIN_CHANGE * size:
        assign_size(stack, v, new_size)


@small_kernel
def _grow(stack, v, size, used):
    configured = float(stack.vms.start[v + 1] - stack.vms.start[v])
    if size >= configured:
        return
    new_size = min(configured, max(size * (1.0 + MAX_CHANGE), used + MIN_GUEST_FREE * configured))
    if abs(new_size - size) > MIN_CHANGE * size:
        assign_size(stack, v, new_size)
