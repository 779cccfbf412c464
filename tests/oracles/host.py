"""Slow, obvious twin of the host stack: pages are objects, everything is recounted, nothing is cached.

Reads its set-up off a freshly built Stack (see `Host.from_stack`) and then plays the ticks by itself. Agreement with
the kernels is exact: page by page, tick by tick.
"""

from itertools import pairwise

from tests.oracles.host_active import Active
from tests.oracles.host_balloon import Balloon
from tests.oracles.host_collapse import Collapse
from tests.oracles.host_demand import Demand
from tests.oracles.host_frames import Frames
from tests.oracles.host_guest import Guest
from tests.oracles.host_managers import Managers
from tests.oracles.host_paging import Paging
from tests.oracles.host_policy import Policy
from tests.oracles.host_sharing import Sharing
from tests.oracles.parts import GUEST_CLASSES, HELD, Page, Vm

__all__ = ["EVENTS", "HELD", "Host"]

EVENTS = (
    "touched",
    "swap_in",
    "swap_out",
    "decompress",
    "guest_paging",
    "cow",
    "denied",
    "inflated",
    "guest_write",
    "inflate_write",
    "rebuilt",
    "rebuild_unshared",
    "rebuild_read",
    "direct",
    "killed",
    "refused",
)
"""What happens to a VM within a tick, in the order of the kernels' columns."""


class Host(Frames, Demand, Policy, Active, Managers, Balloon, Guest, Paging, Sharing, Collapse):
    def __init__(self, vms, knobs, limits, queue_size, frame_cost):
        self.vms = vms
        self.knobs = knobs
        self.balloon_knobs = None  # set by from_stack
        self.normal = []
        self.rebuild = None  # set by from_stack
        self.host_history = []
        self.limits = limits
        self.pool = []  # compressed pages of the host, oldest first: (vm, page)
        self.queue = []  # coldest pages: (vm, page)
        self.queue_size = queue_size
        self.queue_cutoff = -1
        self.frame_cost = frame_cost
        self.hints = {}  # content -> (vm, page)
        self.state = 0
        self.background = 0  # frames that background reclaim gained in the tick
        self.exhausted_tick = -1
        self.was_short = False

    @classmethod
    def from_stack(cls, stack):
        vms = []
        for v in range(stack.vms.key.size):
            first, end = int(stack.vms.start[v]), int(stack.vms.start[v + 1])
            pages = [
                Page(
                    number=i - first,
                    home_content=None if stack.pages.home_content[i] < 0 else int(stack.pages.home_content[i]),
                    guest_class=GUEST_CLASSES[stack.pages.guest_class[i]],
                    slot_units=int(stack.swap.slot_units[i]),
                )
                for i in range(first, end)
            ]
            starts = [int(x) for x in stack.plan.touched_start[v]]
            touched = [[int(p) for p in stack.plan.touched_page[a:b]] for a, b in pairwise(starts)]
            vm = Vm(
                key=int(stack.vms.key[v]),
                pages=pages,
                shares=float(stack.vms.shares[v]),
                reservation=int(stack.vms.reservation[v]),
                limit=int(stack.vms.limit[v]),
                balloon_cap=int(stack.balloons.cap[v]),
                compress_cap=int(stack.vms.compress_cap[v]),
                inflate_per_tick=int(stack.balloons.inflate_per_tick[v]),
                paging_per_tick=int(stack.balloons.paging_per_tick[v]),
                deflate_per_tick=int(stack.balloons.deflate_per_tick[v]),
                scan_per_tick=float(stack.vms.scan_per_tick[v]),
                granted_by_tick=[int(x) for x in stack.plan.granted[v]],
                touched_by_tick=touched,
                reserve=int(stack.guests.reserve[v]),
                zero_content=None if stack.guests.zero_content[v] < 0 else int(stack.guests.zero_content[v]),
                weight=float(stack.balloons.weight[v]),
                assigned=float(end - first),
                running_tick=int(stack.stays.running_tick[v]),
                overhead=int(stack.stays.overhead[v]),
            )
            if not stack.knobs.is_large:
                vm.small_blocks = {page.number // stack.knobs.pages_per_block for page in pages}
            vms.append(vm)
        frame_cost = [int(x) for x in stack.contents.frame_cost]
        host = cls(vms, stack.knobs, stack.swap.limits, stack.swap.queue.size, frame_cost)
        host.balloon_knobs = stack.balloon_knobs
        host.rebuild = stack.rebuild.limits
        host.normal = [float(z) for z in stack.active.normal]
        host.start_ksm(stack.sharing)
        return host

    def step(self, tick):
        for vm in self.vms:
            vm.tick = dict.fromkeys(EVENTS, 0)
        for vm in self.vms:
            self.play_absence(vm, tick)
        for vm in self.vms:
            self.play_demand(vm, tick)
        if self.balloon_knobs.is_estimating:
            for vm in self.vms:
                if vm.granted >= 0:
                    self.estimate_active(vm, tick)
        if self.knobs.is_sharing and not self.knobs.sharing.is_ksm:
            self.break_large(tick)
        self.reclaim(tick)
        if self.knobs.is_sharing:
            self.scan(tick)
        if self.rebuild.is_on:
            self.collapse(tick)
