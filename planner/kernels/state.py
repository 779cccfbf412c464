"""The arrays of one host's stack, bundled as NamedTuples that kernels take as arguments, and their index constants.

Pages are sampled pages: each stands for `page_scale` 4 KiB pages, for every VM the same, so frames, reference counts
and contents are whole numbers. The pages of VM v are `vms.start[v] : vms.start[v + 1]`, in the order in which the
guest first touches them. Arrays are changed in place by the kernels.
"""

from typing import NamedTuple

import numpy as np

from planner.kernels.bundle import by_reference
from planner.kernels.sharing_state import SharingArrays, SharingKnobs

# Host class of a guest page: every page has exactly one.
UNTOUCHED = 0  # never accessed since power-on, no frame
PRIVATE = 1  # has a frame of its own
SHARED = 2  # mapped to a frame shared by content
BALLOONED = 3  # in the guest's balloon, no frame
EVICTED = 4  # left a deflated balloon: content dropped or on the guest's own disk, no frame
COMPRESSED = 5  # compressed in RAM, a part of a frame
SWAPPED = 6  # on the host's swap device, no frame
N_CLASSES = 7

# Guest class of a page: what the guest OS does with it.
GUEST_ANON = 0
GUEST_CACHE = 1  # clean page cache
GUEST_FREE = 2  # touched once, now on the guest's free list
GUEST_KERNEL = 3  # never given back
GUEST_DIRTY = 4  # page cache that is not on the guest's disk yet
N_GUEST_CLASSES = 5
GUEST_ZEROED = 8  # flag: the guest zeroed the page at boot and has not used it yet, so it is free
N_GUEST_CODES = 16  # classes with and without the flag

# Memory states of a host.
STATE_HIGH, STATE_CLEAR, STATE_SOFT, STATE_HARD, STATE_LOW = 0, 1, 2, 3, 4

# Entries of `HostArrays.totals`. [pages]
TOTAL_PRIVATE = 0
TOTAL_SHARED_FRAMES = 1
TOTAL_COMPRESSED = 2
TOTAL_STATE = 3  # memory state, not pages
TOTAL_EXHAUSTED_TICK = 4  # last tick in which reclaim found nothing more to take
TOTAL_BROKEN_TICKS = 5  # ticks after which the books did not balance: always 0, or there is a bug
TOTAL_POOL_UNITS = 6  # room that compressed pages take [1/16 page]
TOTAL_SWAPPED = 7
TOTAL_METADATA = 8  # frames of the page sharing's own memory
TOTAL_BACKGROUND = 9  # frames that background reclaim gained in this tick
TOTAL_OVERHEAD = 10  # frames of overhead memory of the VMs that come and go
N_TOTALS = 11
N_AGE_BUCKETS = 16

# Columns of `VmArrays.tick`: what happened to a VM within the tick. [pages]
TICK_TOUCHED = 0
TICK_SWAP_IN = 1
TICK_SWAP_OUT = 2
TICK_DECOMPRESS = 3
TICK_GUEST_PAGING = 4
TICK_COW = 5
TICK_DENIED = 6
TICK_INFLATED = 7
TICK_GUEST_WRITE = 8  # written by the guest to its own disk to give pages up
TICK_INFLATE_WRITE = 9  # ... of these for the balloon to grow
TICK_REBUILT = 10  # pages of blocks mapped large again
TICK_REBUILD_UNSHARED = 11  # ... of these shared before
TICK_REBUILD_READ = 12  # ... and read from the swap device
TICK_DIRECT = 13  # faults that had to reclaim a frame themselves
TICK_KILLED = 14  # 1: killed for want of memory, starts again in the next tick
TICK_REFUSED = 15  # 1: wants to be on, and was not let
N_TICK = 16

UNITS_PER_PAGE = 16
"""Sizes of compressed pages are counted in sixteenths of a page: 256 bytes of 4 KiB."""

NO_CONTENT = -1
N_STRATA = 1024
"""Resolution of the popularity law over rank."""


@by_reference
class PageArrays(NamedTuple):
    """One entry per sampled page. `content` is NO_CONTENT for content that equals no other page's."""

    host_class: np.ndarray  # uint8
    last_touch: np.ndarray  # int32, tick of the last touch
    content: np.ndarray  # int32, index into ContentArrays, or NO_CONTENT
    home_content: np.ndarray  # int32, content at first touch
    guest_class: np.ndarray  # uint8


@by_reference
class ContentArrays(NamedTuple):
    """One entry per distinct shareable content (per VM where sharing is salted)."""

    refs: np.ndarray  # int32, pages mapped to the shared frame; 0 = there is none
    hint: np.ndarray  # int32, page last seen with this content (KSM: in the unstable tree), or -1; may be stale
    frame_cost: (
        np.ndarray
    )  # int64, 1; 0 for a content that shares with itself (zero pages in sampled mode, KSM's zero page)


@by_reference
class VmArrays(NamedTuple):
    """One entry per VM of the host; `counts` has shape (n_vms, N_CLASSES), `tick` (n_vms, N_TICK)."""

    start: np.ndarray  # int64, shape (n_vms + 1,), first page
    key: np.ndarray  # uint32, draw key
    shares: np.ndarray  # float64
    reservation: np.ndarray  # int64 [pages]
    limit: np.ndarray  # int64 [pages]
    compress_cap: np.ndarray  # int64 [1/16 page], room of the VM's own compression cache
    scan_per_tick: np.ndarray  # float64 [pages]
    granted: np.ndarray  # int64 [pages], -1 = off
    counts: np.ndarray  # int64 [pages]
    small: np.ndarray  # int64 [pages], granted pages in blocks mapped with 4 KiB pages
    tick: np.ndarray  # int64 [pages]
    target: np.ndarray  # int64 [pages], entitlement to guest memory


@by_reference
class GuestArrays(NamedTuple):
    """What each guest OS knows of its own memory; one entry per VM. See `guest.py`."""

    reserve: np.ndarray  # int64 [pages], free memory that the guest keeps while it gives up other pages
    in_use: np.ndarray  # int64 [pages], pages the guest has used since power-on; -1 = off
    used: np.ndarray  # int64, shape (n_vms, N_GUEST_CLASSES) [pages], `in_use` by guest class
    held: np.ndarray  # int64, shape (n_vms, N_GUEST_CLASSES) [pages], pages in guest memory, zeroed ones as free
    zero_content: np.ndarray  # int32, content of zeroed pages, or NO_CONTENT
    hand: np.ndarray  # int64, shape (n_vms, N_HANDS), where each search goes on, numbered within the VM
    bar: np.ndarray  # int64, place in the giving order up to which the running lap takes pages
    lap_left: np.ndarray  # int64 [pages], what is left of the running lap
    counts: np.ndarray  # int64, shape (64,), scratch of lap planning


HAND_FREE, HAND_EMPTY, HAND_RECLAIM, HAND_DEFLATE = 0, 1, 2, 3
N_HANDS = 4


@by_reference
class BalloonArrays(NamedTuple):
    """Balloons and what policies remember of them; one entry per VM."""

    cap: np.ndarray  # int64 [pages], 0 without driver or with ballooning off
    inflate_per_tick: np.ndarray  # int64 [pages]
    paging_per_tick: np.ndarray  # int64 [pages], ... of pages that the guest must write first
    deflate_per_tick: np.ndarray  # int64 [pages]
    ready_tick: np.ndarray  # int64, first tick in which the driver is loaded
    wanted: np.ndarray  # int64 [pages], size that the policy asks for
    assigned: np.ndarray  # float64 [pages], memory that a policy with rounds last left the VM
    weight: np.ndarray  # float64, shares relative to the normal ones of a VM of its size
    history: np.ndarray  # float64, shape (n_vms + 1, 5) [pages], last readings of policies that average; host last
    scratch: np.ndarray  # float64, shape (n_vms, 3) [pages]


@by_reference
class ActiveArrays(NamedTuple):
    """The estimator of active memory; one entry per VM. Fractions of configured memory."""

    slow: np.ndarray  # float64, slow moving average
    fast: np.ndarray  # float64, fast moving average
    current: np.ndarray  # float64, fast average that counts the period under way
    pages: np.ndarray  # float64 [pages], the estimate: the largest of the three
    normal: np.ndarray  # float64, shape (1024,), standard normal draws


@by_reference
class HostArrays(NamedTuple):
    """Totals of the host and the state of its 2 MiB blocks."""

    totals: np.ndarray  # int64, shape (N_TOTALS,)
    is_small: np.ndarray  # uint8, per block: mapped with 4 KiB pages
    block_start: np.ndarray  # int64, shape (n_vms + 1,), first block of each VM
    breaks: np.ndarray  # int64, shape (n_vms,), how often the rest of a sampled page broke blocks, for the draws


@by_reference
class SwapLimits(NamedTuple):
    """Scalars of compression and swap space: space in pages, pools in 1/16 page."""

    space: int  # pages that the swap device holds
    pool_cap: int  # most that the host's pool of compressed pages may take
    pool_accept: int  # a full pool is written back down to this
    least_units: int  # least room that a compressed page takes
    is_pool_shared: bool  # one pool for the host (zswap, zram), not a cache for each VM (ESXi)
    is_slot_held: bool  # a compressed page keeps its place on the swap device (zswap, zram)
    is_ram: bool  # the swap device is compressed RAM (zram)
    may_kill: bool  # a fault that cannot be served kills the largest VM (Linux), else it is denied
    is_promised: bool  # a VM is powered on only if its reservation, and swap space for the rest, can be promised (ESXi)
    background_per_tick: int  # most frames that background reclaim gains in a tick
    direct_batch: int  # frames that a fault reclaims itself when background reclaim cannot keep up


@by_reference
class SwapArrays(NamedTuple):
    """Compressed pages in order of their age, and the queue of least recently used pages.

    A pool is a doubly linked list: `older`, `newer`, `oldest` and `newest` hold page + 1, 0 = none, so that pages never
    compressed take no memory.
    """

    slot_units: np.ndarray  # uint8 per page, room it takes when compressed [1/16 page]; UNITS_PER_PAGE: gains nothing
    older: np.ndarray  # int32 per page
    newer: np.ndarray  # int32 per page
    oldest: np.ndarray  # int32, shape (n_vms,); a shared pool is the first
    newest: np.ndarray  # int32, shape (n_vms,)
    used: np.ndarray  # int64, shape (n_vms,), room that the pool takes [1/16 page]
    queue: np.ndarray  # int32, pages to take next, coldest first
    queue_state: np.ndarray  # int64, shape (3,): next entry, end, last touch up to which entries hold
    found: np.ndarray  # int32, any size, scratch of the sort by last touch
    draws: np.ndarray  # int64, shape (n_vms,), draws of random victims so far
    down_tick: np.ndarray  # int64, shape (n_vms,), tick in which the VM was killed last, -1 = never
    backlog: np.ndarray  # float64, shape (1,), writes that the device could not do in their tick and nobody waits for
    place: np.ndarray  # int64, shape (n_ticks + 1,), scratch of the sort by last touch, all 0 outside of it
    limits: SwapLimits


QUEUE_NEXT, QUEUE_END, QUEUE_CUTOFF = 0, 1, 2


@by_reference
class RebuildLimits(NamedTuple):
    """Scalars of the rebuilding of large pages. Limits count the 512 pages of a block."""

    is_on: bool
    blocks_per_tick: float  # blocks looked at, of the host
    free_above: int  # frames that stay free
    max_shared: int
    max_swapped: int


@by_reference
class RebuildArrays(NamedTuple):
    """Rebuilding of large pages; one entry per VM."""

    cursor: np.ndarray  # int64, next block to look at, numbered within the VM
    limits: RebuildLimits


@by_reference
class StayArrays(NamedTuple):
    """How VMs come to the host; one entry per VM. Overhead memory of VMs that never leave is no part of `frames`."""

    running_tick: np.ndarray  # int64, tick in which the VM is found running, without a boot; -1 = it boots, always
    overhead: np.ndarray  # int64 [pages], overhead memory that the host gives up while the VM is on
    held: np.ndarray  # int64 [pages], ... that it has given up


@by_reference
class Knobs(NamedTuple):
    """Scalars of the policy. Thresholds and targets in pages (frames).

    `scatter` over granted pages is how many 4 KiB pages a sampled page stands for, less one, per 2 MiB block.
    """

    frames: int
    min_free: int
    clear_below: int
    soft_below: int
    hard_below: int
    low_below: int
    break_below: int
    margin: float
    is_linux: bool  # states by watermarks: clear, hard, low are high, low, min; hard lasts until high
    fault_below: int  # a fault that finds fewer free frames reclaims
    hard_goal: int  # free frames at which hard is left
    idle_cost: float
    pages_per_block: int
    scatter: float
    shared_write_below: int
    is_sharing: bool
    is_compressing: bool
    is_swapping: bool
    is_lru: bool
    is_large: bool
    sharing: SharingKnobs


@by_reference
class BalloonKnobs(NamedTuple):
    """Scalars of ballooning and of the estimator. Memory in pages, as floats where policies reckon in bytes."""

    policy: int
    interval_s: float
    tick_s: float
    host_pages: float
    page_bytes: float
    host_target: float
    buffer: float
    delay_ticks: int
    is_zeroing: bool
    is_estimating: bool
    sample_pages: int
    sample_period_s: float
    slow_gain: float
    fast_gain: float
    least_active: float


class TouchProcess(NamedTuple):
    """The popularity law as one VM's touches need it. `gap` is the mean time between touches by stratum of rank."""

    gap: np.ndarray  # float64, shape (N_STRATA,), in units of the law's time
    exponential: np.ndarray  # float64, shape (N_EXPONENTIAL,), unit-exponential draws
    clock_unit: float  # clock units per unit of the law's time
    drift_per_tick: float  # share of granted pages that get a new rank


class VmDemand(NamedTuple):
    """Demand of one VM as its touches need it."""

    key: np.uint32  # draw key
    clock: np.ndarray  # uint32, shape (n_ticks,), touch clock at the end of each tick
    granted: np.ndarray  # int32, shape (n_ticks,), pages touched since power-on; -1 = off. A fall is a restart.


class TouchScratch(NamedTuple):
    """State of one VM's touches between ticks, one entry per page of the VM."""

    due: np.ndarray  # uint32, touch clock at which the page is touched next
    stratum: np.ndarray  # uint16, stratum of the popularity rank, 0 = hottest
    draws: np.ndarray  # uint32, any size: draws made at once


@by_reference
class DemandPlan(NamedTuple):
    """Demand of the host's VMs as the kernels need it.

    The pages that VM v touches in tick t are `touched_page[touched_start[v, t] : touched_start[v, t + 1]]`, numbered
    within the VM. `active` is the traced active memory, `age_bucket` sorts pages by age without a logarithm per page.
    The `calm_*` columns hold what most VM-ticks come to, worked out once per replicate and not once per host.
    """

    granted: np.ndarray  # int32, shape (n_vms, n_ticks), pages touched since power-on; -1 = off
    active: np.ndarray  # float64, shape (n_vms, n_ticks), pages touched within the tick, expected
    touched_page: np.ndarray  # int32
    touched_start: np.ndarray  # int64, shape (n_vms, n_ticks + 1)
    age_bucket: np.ndarray  # uint8, shape (n_ticks + 1,), bucket of an age: 0, 1, 2-3, 4-7, ... ticks
    calm_overhead: np.ndarray  # float64, shape (n_vms, n_ticks), translation overhead while all is mapped large
    calm_bin: np.ndarray  # uint8, shape (n_vms, n_ticks), slowdown bin of such a tick if nothing stalls


@by_reference
class Stack(NamedTuple):
    """All of one host: what the kernels of the tick take."""

    pages: PageArrays
    contents: ContentArrays
    vms: VmArrays
    host: HostArrays
    swap: SwapArrays
    knobs: Knobs
    plan: DemandPlan
    guests: GuestArrays
    balloons: BalloonArrays
    active: ActiveArrays
    balloon_knobs: BalloonKnobs
    sharing: SharingArrays
    rebuild: RebuildArrays
    stays: StayArrays
