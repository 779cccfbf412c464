"""The host's least recently used pages: a queue of the coldest, sorted by the tick of their last touch.

Linux keeps lists and moves pages at every scan; here the coldest eighth of the pages is sorted out once and then taken
one by one, so a victim costs some sixteen looks at pages that lie in turn, not a look at all of them. A page that was
touched since the queue was built stays. Equally old pages go from a random VM and page on: pages are numbered by
popularity, and going by number would take the hottest of them first.
"""

import numpy as np

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.draws import PURPOSE_TIE, draw_below
from planner.kernels.state import PRIVATE, QUEUE_CUTOFF, QUEUE_END, QUEUE_NEXT, SHARED


@kernel
def next_victim(stack):
    """Take the next page off the queue. Returns -1 at its end; entries that were touched or taken are passed over."""
    pages, swap = stack.pages, stack.swap
    queue, at = swap.queue, swap.queue_state
    while at[QUEUE_NEXT] < at[QUEUE_END]:
        i = queue[at[QUEUE_NEXT]]
        at[QUEUE_NEXT] += 1
        if _is_victim(stack, i) and pages.last_touch[i] <= at[QUEUE_CUTOFF]:
            return i
    return -1


@small_kernel
def _is_victim(stack, i):
    """Say whether page `i` can be in the queue: with a frame of its own, or the first of those that KSM merged."""
    if stack.pages.host_class[i] != SHARED or not stack.knobs.sharing.is_ksm:
        return stack.pages.host_class[i] == PRIVATE
    node = stack.sharing.node[i]
    return node > 0 and stack.sharing.first_mapper[node] == i + 1


@kernel
def build_queue(stack, tick):
    """Fill the queue with the coldest pages of VMs above their reservation. In place; returns how many there are."""
    vms, swap = stack.vms, stack.swap
    host_class, last_touch, place = stack.pages.host_class, stack.pages.last_touch, swap.place
    n_found, oldest = 0, tick
    for v in range(vms.key.size):
        if _is_takeable(vms, v):
            for i in range(vms.start[v], vms.start[v] + vms.granted[v]):
                # Without a branch: which pages are there is random, and would be guessed wrong.
                is_found = np.int64(host_class[i] == PRIVATE)
                if host_class[i] == SHARED:
                    is_found = np.int64(_is_victim(stack, i))
                touch = np.int64(last_touch[i])
                place[touch] += is_found
                oldest = min(oldest, touch if is_found else oldest)
                n_found += is_found
    n_wanted = min(n_found, swap.queue.size)
    _close_queue(swap, oldest, n_wanted)
    if n_wanted > 0:
        _sort_in(stack, tick)
    # Only what was counted is set back: a run may have very many ticks, of which the pages' last touches span few.
    place[oldest : tick + 1] = 0
    return n_wanted


@kernel
def _is_takeable(vms, v):
    return vms.granted[v] > 0 and vms.counts[v, PRIVATE] + vms.counts[v, SHARED] > vms.reservation[v]


@kernel
def _close_queue(swap, oldest, n_wanted):
    """Turn the counts by last touch into places in the queue, and note up to which touch pages are in it."""
    place, at = swap.place, swap.queue_state
    at[QUEUE_NEXT], at[QUEUE_END], at[QUEUE_CUTOFF] = 0, n_wanted, -1
    before, touch = 0, oldest
    while before < n_wanted:
        count = place[touch]
        place[touch] = before
        before += count
        at[QUEUE_CUTOFF] = touch
        touch += 1


@kernel
def _sort_in(stack, tick):
    vms = stack.vms
    n_vms = vms.key.size
    first_vm = draw_below(vms.key[0], 0, tick, PURPOSE_TIE, n_vms)
    for m in range(n_vms):
        v = (first_vm + m) % n_vms
        if not _is_takeable(vms, v):
            continue
        first, granted = vms.start[v], vms.granted[v]
        begin = first + draw_below(vms.key[v], 0, tick, PURPOSE_TIE, granted)
        _sort_in_range(stack, begin, first + granted)
        _sort_in_range(stack, first, begin)


@kernel
def _sort_in_range(stack, first, end):
    """Put the pages from `first` to before `end` that are cold enough into the queue, in their order."""
    swap, found = stack.swap, stack.swap.found
    host_class, last_touch = stack.pages.host_class, stack.pages.last_touch
    queue, place, cutoff, n_wanted = swap.queue, swap.place, swap.queue_state[QUEUE_CUTOFF], swap.queue_state[QUEUE_END]
    for begin in range(first, end, found.size):
        # Every page is written and only cold ones are kept: a branch for each would be guessed wrong.
        n_found = 0
        for i in range(begin, min(end, begin + found.size)):
            found[n_found] = i
            is_there = np.int64(host_class[i] == PRIVATE) | np.int64(host_class[i] == SHARED)
            n_found += is_there & np.int64(last_touch[i] <= cutoff)
        for n in range(n_found):
            i = np.int64(found[n])
            touch = last_touch[i]
            if place[touch] < n_wanted and _is_victim(stack, i):
                queue[place[touch]] = i
                place[touch] += 1
