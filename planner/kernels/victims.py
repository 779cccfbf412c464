"""The host's least recently used pages: a queue of the coldest, sorted by the tick of their last touch.

Linux keeps lists and moves pages at every scan; here the coldest eighth of the pages is sorted out once and then taken
one by one, so a victim costs some sixteen looks at pages that lie in turn, not a look at all of them. A page that was
touched since the queue was built stays. Equally old pages go from a random VM and page on: pages are numbered by
popularity, and going by number would take the hottest of them first.
"""

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
                if host_class[i] == PRIVATE or (host_class[i] == SHARED and _is_victim(stack, i)):
                    place[last_touch[i]] += 1
                    oldest = min(oldest, last_touch[i])
                    n_found += 1
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
    vms, swap = stack.vms, stack.swap
    host_class, last_touch = stack.pages.host_class, stack.pages.last_touch
    queue, place, cutoff, end = swap.queue, swap.place, swap.queue_state[QUEUE_CUTOFF], swap.queue_state[QUEUE_END]
    n_vms = vms.key.size
    first_vm = draw_below(vms.key[0], 0, tick, PURPOSE_TIE, n_vms)
    for m in range(n_vms):
        v = (first_vm + m) % n_vms
        if not _is_takeable(vms, v):
            continue
        granted = vms.granted[v]
        begin = draw_below(vms.key[v], 0, tick, PURPOSE_TIE, granted)
        for n in range(granted):
            i = vms.start[v] + (begin + n if begin + n < granted else begin + n - granted)
            touch = last_touch[i]
            is_victim = host_class[i] == PRIVATE or (host_class[i] == SHARED and _is_victim(stack, i))
            if is_victim and touch <= cutoff and place[touch] < end:
                queue[place[touch]] = i
                place[touch] += 1
