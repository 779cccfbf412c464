"""Host-level paging: choose victims, then share, compress or swap each. Reserved memory is never taken.

Victims are random within VMs above their target (ESXi) or the host's least recently used pages (Linux). Only pages
with a frame of their own are taken. Not modelled: replacement inside the compression cache, clustering of writes.
"""

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.draws import PURPOSE_TIE, PURPOSE_VICTIM, draw_u32
from planner.kernels.frames import break_block, free_frames, move_page
from planner.kernels.sharing import try_share
from planner.kernels.state import (
    COMPRESSED,
    N_AGE_BUCKETS,
    PRIVATE,
    SHARED,
    SWAPPED,
    TICK_SWAP_OUT,
)


@small_kernel
def _resident(vms, v):
    return vms.counts[v, PRIVATE] + vms.counts[v, SHARED]


@small_kernel
def evict_page(stack, v, i):
    """Take the frame of private page `i`: share it if its content is known, else compress, else swap. In place.

    Returns
    -------
    bool
        Whether the page gave up its frame.
    """
    knobs, vms = stack.knobs, stack.vms
    if knobs.is_sharing and not knobs.is_two_pass and try_share(stack, v, i):
        return True
    may_compress = knobs.is_compressing and stack.pages.is_compressible[i] == 1
    if may_compress and vms.counts[v, COMPRESSED] < vms.compress_cap[v]:
        break_block(stack, v, i)
        move_page(stack, v, i, COMPRESSED)
        return True
    if knobs.is_swapping:
        break_block(stack, v, i)
        move_page(stack, v, i, SWAPPED)
        vms.tick[v, TICK_SWAP_OUT] += 1
        return True
    return False


@kernel
def page_out_vm(stack, v, want, tick):
    """Page out up to `want` random private pages of VM `v`, down to its reservation. Returns pages taken.

    Walks the granted pages once in a random cyclic order: start and odd stride drawn, modulo the next power of two.
    """
    vms, pages = stack.vms, stack.pages
    first, granted = vms.start[v], vms.granted[v]
    if granted <= 0:
        return 0
    period = 1
    while period < granted:
        period *= 2
    draw = draw_u32(vms.key[v], vms.tick[v, TICK_SWAP_OUT], tick, PURPOSE_VICTIM)
    offset = int(draw) % period
    stride = ((int(draw) >> 15) | 1) % period | 1
    taken = 0
    for _ in range(period):
        if taken >= want or _resident(vms, v) <= vms.reservation[v]:
            break
        if offset < granted and pages.host_class[first + offset] == PRIVATE and evict_page(stack, v, first + offset):
            taken += 1
        offset = (offset + stride) % period
    return taken


@kernel
def page_out_random(stack, want, tick):
    """Page out about `want` frames from VMs in proportion to what they hold above their target. In place."""
    vms = stack.vms
    n_vms = vms.key.size
    goal = free_frames(stack) + want
    excess = 0
    for v in range(n_vms):
        excess += max(0, _resident(vms, v) - max(vms.target[v], vms.reservation[v]))
    if excess > 0:
        for v in range(n_vms):
            over = max(0, _resident(vms, v) - max(vms.target[v], vms.reservation[v]))
            missing = goal - free_frames(stack)
            if over > 0 and missing > 0:
                page_out_vm(stack, v, min(missing, min(over, want * over // excess + 1)), tick)
    # What the VMs above their target could not give (two compressed pages still take a frame) comes from all alike.
    held = 0
    for v in range(n_vms):
        held += max(0, _resident(vms, v) - vms.reservation[v])
    missing = goal - free_frames(stack)
    if missing > 0 and held > 0:
        for v in range(n_vms):
            over = max(0, _resident(vms, v) - vms.reservation[v])
            still_missing = goal - free_frames(stack)
            if over > 0 and still_missing > 0:
                page_out_vm(stack, v, min(over, missing * over // held + 1), tick)


@kernel
def page_out_lru(stack, want, tick):
    """Page out about `want` frames, the host's least recently touched pages first. Changes in place."""
    pages, buckets, counts = stack.pages, stack.plan.age_bucket, stack.host.victim_counts
    goal = free_frames(stack) + want
    counts[:] = 0
    for i in range(stack.vms.start[stack.vms.key.size]):
        if pages.host_class[i] == PRIVATE:
            counts[buckets[tick - pages.last_touch[i]]] += 1
    for bucket in range(N_AGE_BUCKETS - 1, -1, -1):
        if counts[bucket] > 0 and free_frames(stack) < goal:
            _page_out_bucket(stack, bucket, goal, tick)


@kernel
def _page_out_bucket(stack, bucket, goal, tick):
    # Equally old pages are taken from a random VM and page on: pages are numbered by popularity.
    vms, pages, buckets = stack.vms, stack.pages, stack.plan.age_bucket
    n_vms = vms.key.size
    first_vm = int(draw_u32(vms.key[0], bucket, tick, PURPOSE_TIE)) % n_vms
    for m in range(n_vms):
        v = (first_vm + m) % n_vms
        n_pages = vms.start[v + 1] - vms.start[v]
        begin = int(draw_u32(vms.key[v], 0, tick, PURPOSE_TIE)) % n_pages
        for n in range(n_pages):
            if free_frames(stack) >= goal or _resident(vms, v) <= vms.reservation[v]:
                break
            i = vms.start[v] + (begin + n if begin + n < n_pages else begin + n - n_pages)
            if pages.host_class[i] == PRIVATE and buckets[tick - pages.last_touch[i]] == bucket:
                evict_page(stack, v, i)


@kernel
def page_out(stack, want, tick):
    """Page out about `want` frames by the policy's choice of victims. Returns frames gained. Changes in place."""
    knobs = stack.knobs
    before = free_frames(stack)
    if want > 0 and (knobs.is_swapping or knobs.is_compressing):
        if knobs.is_lru:
            page_out_lru(stack, want, tick)
        else:
            page_out_random(stack, want, tick)
    return free_frames(stack) - before
