"""Small stacks for unit tests, without a fleet: every array by hand."""

import numpy as np

from planner.config.page_sharing import PageSharingSpec
from planner.host.sharing import build_sharing_arrays
from planner.kernels import state
from planner.kernels.balloon_policies import POLICIES
from planner.kernels.draws import build_normal_table
from planner.kernels.frames import IS_HELD
from planner.kernels.sharing_state import SharingKnobs

SHARING_KNOBS = SharingKnobs(
    is_ksm=False, is_smart=False, is_zero_merging=False, is_advised=False, page_scale=1, tick_ns=10**9, sleep_ns=10**6,
    max_sharing=256, self_limit=0, prune_ns=0, advisor_target_s=200, advisor_max_cpu=70, advisor_max_pages=1000,
    return_below=0, private_write_below=0, table_bytes=0,
)  # fmt: skip

DEFAULT_LIMITS = {
    "space": 1 << 40,
    "pool_cap": 0,
    "pool_accept": 0,
    "least_units": 1,
    "is_pool_shared": False,
    "is_slot_held": False,
    "is_ram": False,
    "may_kill": False,
    "is_promised": False,
    "background_per_tick": 1 << 40,
    "direct_batch": 1,
}


def build_small_stack(frames, n_pages=(10, 10), min_free=100, idle_memory_tax=0.75, n_contents=4, limits=None, **knobs):
    """Build a stack of VMs with `n_pages` pages each, nothing granted, thresholds at 100/64/32/16 % of min_free."""
    n_pages = np.asarray(n_pages, dtype=np.int64)
    n_vms, total = n_pages.size, int(n_pages.sum())
    start = np.concatenate(([0], np.cumsum(n_pages)))

    def ints(value):
        return np.full(n_vms, value, dtype=np.int64)

    counts = np.zeros((n_vms, state.N_CLASSES), dtype=np.int64)
    counts[:, state.UNTOUCHED] = n_pages
    values = {
        "frames": frames,
        "min_free": min_free,
        "clear_below": min_free,
        "soft_below": int(min_free * 0.64),
        "hard_below": int(min_free * 0.32),
        "low_below": int(min_free * 0.16),
        "break_below": 4 * min_free,
        "margin": 0.1,
        "is_linux": False,
        "fault_below": 1,
        "hard_goal": int(int(min_free * 0.32) * 1.1) + 1,
        "idle_cost": 1.0 / (1.0 - idle_memory_tax),
        "pages_per_block": 1,
        "scatter": 0.0,
        "shared_write_below": 0,
        "is_sharing": True,
        "is_compressing": False,
        "is_swapping": True,
        "is_lru": False,
        "is_large": False,
    } | knobs
    return state.Stack(
        pages=state.PageArrays(
            host_class=np.zeros(total, np.uint8),
            last_touch=np.zeros(total, np.int32),
            content=np.full(total, state.NO_CONTENT, np.int32),
            home_content=np.full(total, state.NO_CONTENT, np.int32),
            guest_class=np.zeros(total, np.uint8),
        ),
        contents=state.ContentArrays(
            np.zeros(n_contents, np.int32), np.full(n_contents, -1, np.int32), np.ones(n_contents, np.int64)
        ),
        vms=state.VmArrays(
            start=start,
            key=np.arange(1, n_vms + 1).astype(np.uint32),
            shares=n_pages.astype(np.float64),
            reservation=ints(0),
            limit=n_pages.copy(),
            compress_cap=n_pages * state.UNITS_PER_PAGE // 10,
            scan_per_tick=np.zeros(n_vms),
            granted=ints(-1),
            counts=counts,
            small=ints(0),
            tick=np.zeros((n_vms, state.N_TICK), np.int64),
            target=ints(0),
        ),
        host=state.HostArrays(
            totals=np.where(np.arange(state.N_TOTALS) == state.TOTAL_EXHAUSTED_TICK, -1, 0),
            is_small=np.ones(total, np.uint8),
            block_start=start.copy(),
            breaks=np.zeros(n_vms, dtype=np.int64),
        ),
        swap=state.SwapArrays(
            slot_units=np.full(total, state.UNITS_PER_PAGE, np.uint8),
            older=np.zeros(total, np.int32),
            newer=np.zeros(total, np.int32),
            oldest=np.zeros(n_vms, np.int32),
            newest=np.zeros(n_vms, np.int32),
            used=np.zeros(n_vms, np.int64),
            queue=np.zeros(total, np.int32),
            queue_state=np.zeros(3, np.int64),
            found=np.zeros(8, np.int32),
            draws=np.zeros(n_vms, np.int64),
            down_tick=np.full(n_vms, -2, np.int64),
            backlog=np.zeros(1),
            place=np.zeros(5000, np.int64),
            limits=state.SwapLimits(**(DEFAULT_LIMITS | (limits or {}))),
        ),
        knobs=state.Knobs(**values, sharing=SHARING_KNOBS),
        sharing=build_sharing_arrays(PageSharingSpec(), total, n_contents, n_vms),
        plan=state.DemandPlan(
            granted=np.zeros((n_vms, 1), np.int32),
            active=np.zeros((n_vms, 1)),
            touched_page=np.zeros(0, np.int32),
            touched_start=np.zeros((n_vms, 2), np.int64),
            calm_overhead=np.zeros((n_vms, 1)),
            calm_bin=np.zeros((n_vms, 1), np.uint8),
            age_bucket=np.minimum([a.bit_length() for a in range(5000)], 15).astype(np.uint8),
        ),
        guests=_build_guests(n_pages),
        balloons=_build_balloons(n_pages),
        active=state.ActiveArrays(*np.zeros((4, n_vms)), build_normal_table()),
        balloon_knobs=state.BalloonKnobs(**DEFAULT_BALLOON_KNOBS),
        rebuild=state.RebuildArrays(np.zeros(n_vms, np.int64), state.RebuildLimits(True, 10.0, 10, 2, 1)),
        stays=state.StayArrays(*np.zeros((3, n_vms), np.int64)),
    )


DEFAULT_BALLOON_KNOBS = {
    "policy": POLICIES["esxi"],
    "interval_s": 10.0,
    "tick_s": 300.0,
    "host_pages": 1000.0,
    "page_bytes": 2.0**20,
    "host_target": 0.8,
    "buffer": 0.2,
    "delay_ticks": 0,
    "is_zeroing": False,
    "is_estimating": False,
    "sample_pages": 100,
    "sample_period_s": 60.0,
    "slow_gain": 0.4,
    "fast_gain": 0.8,
    "least_active": 0.0,
}


def _build_guests(n_pages):
    n_vms = n_pages.size
    hand = np.zeros((n_vms, state.N_HANDS), np.int64)
    hand[:, state.HAND_EMPTY] = n_pages - 1
    return state.GuestArrays(
        reserve=np.zeros(n_vms, np.int64),
        in_use=np.full(n_vms, -1, np.int64),
        used=np.zeros((n_vms, state.N_GUEST_CLASSES), np.int64),
        held=np.zeros((n_vms, state.N_GUEST_CLASSES), np.int64),
        zero_content=np.full(n_vms, state.NO_CONTENT, np.int32),
        hand=hand,
        bar=np.full(n_vms, -1, np.int64),
        lap_left=np.zeros(n_vms, np.int64),
        counts=np.zeros(64, np.int64),
    )


def _build_balloons(n_pages):
    n_vms = n_pages.size
    return state.BalloonArrays(
        cap=(n_pages * 65) // 100,
        inflate_per_tick=np.full(n_vms, 1000),
        paging_per_tick=np.full(n_vms, 1000),
        deflate_per_tick=np.full(n_vms, 1000),
        ready_tick=np.zeros(n_vms, np.int64),
        wanted=np.zeros(n_vms, np.int64),
        assigned=n_pages.astype(np.float64),
        weight=np.ones(n_vms),
        history=np.full((n_vms + 1, 5), -1.0),
        scratch=np.zeros((n_vms, 3)),
    )


def grant(stack, v, pages, contents=None):
    """Give VM `v` its first `pages` pages a private frame each, with `contents` where given."""
    from planner.kernels.frames import move_page

    first = int(stack.vms.start[v])
    stack.vms.granted[v] = pages
    for n in range(pages):
        move_page(stack, v, first + n, state.PRIVATE)
        if contents is not None:
            stack.pages.content[first + n] = contents[n]
    stack.vms.small[v] = pages
    stack.guests.in_use[v] = pages
    stack.guests.used[v, state.GUEST_ANON] = pages
    return stack


def set_guest_classes(stack, v, classes):
    """Make the granted pages of VM `v` of the given guest classes."""
    rows = slice(int(stack.vms.start[v]), int(stack.vms.start[v]) + len(classes))
    stack.pages.guest_class[rows] = classes
    stack.guests.used[v] = np.bincount(classes, minlength=state.N_GUEST_CLASSES)
    held = IS_HELD[stack.pages.host_class[rows]]
    stack.guests.held[v] = np.bincount(np.asarray(classes)[held], minlength=state.N_GUEST_CLASSES)


def with_policy(stack, name, **knobs):
    """Return the stack with another balloon policy and other knobs of it."""
    return stack._replace(balloon_knobs=stack.balloon_knobs._replace(policy=POLICIES[name], **knobs))
