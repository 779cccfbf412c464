"""Slow, obvious twin of the host stack: pages are objects, everything is recounted, nothing is cached.

Reads its set-up off a freshly built Stack (see `Host.from_stack`) and then plays the ticks by itself. Agreement with
the kernels is exact: page by page, tick by tick.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise

from tests.oracles.draws import draw

HELD = ("private", "shared", "compressed", "swapped")
GUEST_CLASSES = ("anon", "cache", "free", "kernel")
STATES = ("high", "clear", "soft", "hard", "low")


@dataclass
class Page:
    number: int
    home_content: int | None
    guest_class: str
    is_compressible: bool
    host_class: str = "untouched"
    content: int | None = None
    last_touch: int = 0
    is_stable: bool = False


@dataclass
class Vm:
    key: int
    pages: list
    shares: float
    reservation: int
    limit: int
    balloon_cap: int
    compress_cap: int
    inflate_per_tick: int
    deflate_per_tick: int
    scan_per_tick: float
    granted_by_tick: list
    touched_by_tick: list
    small_blocks: set = field(default_factory=set)
    granted: int = -1
    active_slow: float = 0.0
    target: int = 0
    scan_cursor: int = 0
    tick: dict = field(default_factory=dict)

    def count(self, *host_classes):
        return sum(page.host_class in host_classes for page in self.pages)

    @property
    def resident(self):
        return self.count("private", "shared")


class Host:
    def __init__(self, vms, knobs, frame_cost):
        self.vms = vms
        self.knobs = knobs
        self.frame_cost = frame_cost
        self.hints = {}  # content -> (vm, page)
        self.state = 0
        self.exhausted_tick = -1

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
                    is_compressible=bool(stack.pages.is_compressible[i]),
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
                balloon_cap=int(stack.vms.balloon_cap[v]),
                compress_cap=int(stack.vms.compress_cap[v]),
                inflate_per_tick=int(stack.vms.inflate_per_tick[v]),
                deflate_per_tick=int(stack.vms.deflate_per_tick[v]),
                scan_per_tick=float(stack.vms.scan_per_tick[v]),
                granted_by_tick=[int(x) for x in stack.plan.granted[v]],
                touched_by_tick=touched,
            )
            if not stack.knobs.is_large:
                vm.small_blocks = {page.number // stack.knobs.pages_per_block for page in pages}
            vms.append(vm)
        return cls(vms, stack.knobs, [int(x) for x in stack.contents.frame_cost])

    # --- frames -----------------------------------------------------------------------------------------------------

    def refs(self, content):
        return sum(p.host_class == "shared" and p.content == content for vm in self.vms for p in vm.pages)

    def free(self):
        private = sum(vm.count("private") for vm in self.vms)
        compressed = sum(vm.count("compressed") for vm in self.vms)
        return self.knobs.frames - private - self.shared_frames() - math.ceil(compressed / 2)

    def shared_frames(self):
        contents = {p.content for vm in self.vms for p in vm.pages if p.host_class == "shared"}
        return sum(self.frame_cost[content] for content in contents)

    def move(self, vm, page, host_class):
        if page.host_class == "private" and self.hints.get(page.content) == (vm, page):
            del self.hints[page.content]
        page.host_class = host_class

    def is_small(self, vm, page):
        return page.number // self.knobs.pages_per_block in vm.small_blocks

    def break_block(self, vm, page):
        vm.small_blocks.add(page.number // self.knobs.pages_per_block)

    def small_pages(self, vm):
        return sum(self.is_small(vm, page) for page in vm.pages[: max(vm.granted, 0)])

    # --- one tick ---------------------------------------------------------------------------------------------------

    def step(self, tick):
        for vm in self.vms:
            vm.tick = dict.fromkeys(
                ("touched", "swap_in", "swap_out", "decompress", "guest_paging", "cow", "denied", "inflated"), 0
            )
        for vm in self.vms:
            self.play_demand(vm, tick)
        self.reclaim(tick)
        if self.knobs.is_sharing:
            self.scan(tick)
        for vm in self.vms:
            if vm.granted >= 0:
                vm.active_slow += self.knobs.slow_gain * (vm.tick["touched"] - vm.active_slow)

    def play_demand(self, vm, tick):
        granted = vm.granted_by_tick[tick]
        if granted < vm.granted:
            for page in vm.pages:
                if page.host_class != "untouched":
                    self.move(vm, page, "untouched")
            if self.knobs.is_large:
                vm.small_blocks = set()
            vm.granted = 0
            vm.active_slow = 0.0
        if granted < 0:
            vm.granted = -1
            return
        before = max(vm.granted, 0)
        for number in vm.touched_by_tick[tick]:
            self.touch(vm, vm.pages[number], tick)
        vm.tick["touched"] += len(vm.touched_by_tick[tick])
        vm.granted = granted
        for page in vm.pages[before:granted]:
            page.last_touch = tick
            self.back(vm, page, tick, is_first=True)
        if tick > 0:
            vm.tick["touched"] += granted - before

    def touch(self, vm, page, tick):
        page.last_touch = tick
        if page.host_class not in ("private", "shared") and not self.back(vm, page, tick, is_first=False):
            return
        if page.content is None or draw(vm.key, page.number, tick, 2) >= self.knobs.shared_write_below:
            return
        if page.host_class == "shared" and self.free() < 1 and self.reclaim_now(tick) < 1:
            vm.tick["denied"] += 1
            return
        if page.host_class == "shared":
            vm.tick["cow"] += 1
            self.move(vm, page, "private")
        if self.hints.get(page.content) == (vm, page):
            del self.hints[page.content]
        page.content = None
        page.is_stable = False

    def back(self, vm, page, tick, is_first):
        if self.free() < 1 and self.reclaim_now(tick) < 1:
            vm.tick["denied"] += 1
            return False
        was = page.host_class
        if was == "swapped":
            vm.tick["swap_in"] += 1
        elif was == "compressed":
            vm.tick["decompress"] += 1
        elif was in ("ballooned", "evicted") and not is_first and page.guest_class != "free":
            vm.tick["guest_paging"] += 1
        self.move(vm, page, "private")
        page.is_stable = False
        if is_first or was == "untouched":
            page.content = page.home_content
        elif was in ("ballooned", "evicted") and page.guest_class == "free":
            page.content = None
        return True

    # --- policy -----------------------------------------------------------------------------------------------------

    def state_at(self, free, factor):
        below = (self.knobs.clear_below, self.knobs.soft_below, self.knobs.hard_below, self.knobs.low_below)
        return sum(free < threshold * factor for threshold in below)

    def update_state(self):
        worse = self.state_at(self.free(), 1.0)
        better = self.state_at(self.free(), 1.0 + self.knobs.margin)
        if worse > self.state:
            self.state = worse
        elif better < self.state:
            self.state = better

    def set_targets(self):
        compressed = sum(vm.count("compressed") for vm in self.vms)
        saved = sum(vm.count("shared") for vm in self.vms) - self.shared_frames() + compressed // 2
        supply = self.knobs.frames - self.knobs.min_free + saved
        cost = self.knobs.idle_cost
        wants = {id(vm): min(max(vm.granted, 0), vm.limit) for vm in self.vms}

        def entitled(vm, pages_per_share):
            active = max(float(vm.tick["touched"]), vm.active_slow)
            pages = pages_per_share * vm.shares
            if pages > active:
                pages = (pages + (cost - 1.0) * active) / cost
            most = float(wants[id(vm)])
            return min(max(pages, min(float(vm.reservation), most)), most)

        if sum(wants.values()) <= supply:
            for vm in self.vms:
                vm.target = wants[id(vm)]
            return
        low, high = 0.0, max([cost * wants[id(vm)] / vm.shares for vm in self.vms if vm.shares > 0], default=0.0)
        for _ in range(40):
            middle = 0.5 * (low + high)
            total = 0.0
            for vm in self.vms:
                total += entitled(vm, middle)
            if total > supply:
                high = middle
            else:
                low = middle
                if supply - total < 0.5:
                    break
        for vm in self.vms:
            vm.target = math.floor(entitled(vm, low))

    # --- reclaim ----------------------------------------------------------------------------------------------------

    def reclaim(self, tick):
        knobs = self.knobs
        self.update_state()
        has_cause = any(vm.count("ballooned") > 0 or vm.limit < vm.granted for vm in self.vms)
        if self.state >= STATES.index("soft") or has_cause:
            self.set_targets()
            can_inflate_more = self.move_balloons(tick, self.state >= STATES.index("soft"))
            if knobs.is_swapping:
                for vm in self.vms:
                    if vm.resident > vm.limit:
                        self.page_out_vm(vm, vm.resident - vm.limit, tick)
            if not can_inflate_more and self.free() < knobs.soft_below:
                self.page_out(int(knobs.soft_below * (1.0 + knobs.margin)) + 1 - self.free(), tick)
        if self.free() < knobs.hard_below:
            self.page_out(int(knobs.hard_below * (1.0 + knobs.margin)) + 1 - self.free(), tick)
        self.update_state()

    def reclaim_now(self, tick):
        if self.exhausted_tick == tick:
            return self.free()
        self.set_targets()
        self.move_balloons(tick, True)
        missing = max(1, self.knobs.hard_below) - self.free()
        if missing > 0:
            self.page_out(missing, tick)
        self.update_state()
        if self.free() < 1:
            self.exhausted_tick = tick
        return self.free()

    def move_balloons(self, tick, may_inflate):
        can_inflate_more = False
        for vm in self.vms:
            size = vm.count("ballooned")
            goal = 0
            if vm.target < vm.granted:
                unreserved = len(vm.pages) - vm.reservation - vm.count("swapped", "compressed")
                goal = max(0, min(len(vm.pages) - vm.target, vm.balloon_cap, unreserved))
            if goal < size:
                self.deflate(vm, min(size - goal, vm.deflate_per_tick))
            elif goal > size and (may_inflate or vm.limit < vm.granted):
                left = goal if tick == 0 else max(0, vm.inflate_per_tick - vm.tick["inflated"])
                inflated = self.inflate(vm, min(goal - size, left), tick)
                if inflated == left and size + inflated < goal:
                    can_inflate_more = True
        return can_inflate_more and self.state >= STATES.index("soft")

    def age_bucket(self, page, tick):
        return min((tick - page.last_touch).bit_length(), 15)

    def inflate(self, vm, want, tick):
        granted = vm.pages[: max(vm.granted, 0)]
        begin = draw(vm.key, 0, tick, 8) % len(granted) if granted else 0

        def oldest_first(guest_class):
            held = [p for p in granted if p.guest_class == guest_class and p.host_class in HELD]
            return sorted(held, key=lambda p: (-self.age_bucket(p, tick), (p.number - begin) % len(granted)))

        empty = [p for p in reversed(vm.pages) if p.host_class in ("untouched", "evicted")]
        given = [*oldest_first("free"), *empty, *oldest_first("cache"), *oldest_first("anon")][: max(0, want)]
        # The kernel gives in page order within a class; classes of pages do not depend on the order.
        for page in given:
            if page.host_class in HELD:
                if page.host_class == "swapped" and page.guest_class == "anon":
                    vm.tick["swap_in"] += 1
                self.break_block(vm, page)
            self.move(vm, page, "ballooned")
            vm.tick["inflated"] += 1
        return len(given)

    def deflate(self, vm, want):
        ballooned = [p for p in vm.pages if p.host_class == "ballooned"]
        for page in ballooned[:want]:
            self.move(vm, page, "evicted" if page.number < vm.granted else "untouched")

    # --- paging -----------------------------------------------------------------------------------------------------

    def page_out(self, want, tick):
        if want <= 0 or not (self.knobs.is_swapping or self.knobs.is_compressing):
            return
        goal = self.free() + want
        if self.knobs.is_lru:
            self.page_out_lru(goal, tick)
        else:
            self.page_out_random(goal, want, tick)

    def page_out_random(self, goal, want, tick):
        def above_target(vm):
            return max(0, vm.resident - max(vm.target, vm.reservation))

        def above_reservation(vm):
            return max(0, vm.resident - vm.reservation)

        excess = sum(above_target(vm) for vm in self.vms)
        for vm in self.vms:
            over, missing = above_target(vm), goal - self.free()
            if over > 0 and missing > 0:
                self.page_out_vm(vm, min(missing, over, want * over // excess + 1), tick)
        held = sum(above_reservation(vm) for vm in self.vms)
        missing = goal - self.free()
        if missing <= 0:
            return
        for vm in self.vms:
            over = above_reservation(vm)
            if over > 0 and goal - self.free() > 0:
                self.page_out_vm(vm, min(over, missing * over // held + 1), tick)

    def page_out_vm(self, vm, want, tick):
        if vm.granted <= 0:
            return
        period = 1 << (vm.granted - 1).bit_length()
        number = draw(vm.key, vm.tick["swap_out"], tick, 7)
        offset, stride = number % period, ((number >> 15) | 1) % period | 1
        taken = 0
        for _ in range(period):
            if taken >= want or vm.resident <= vm.reservation:
                break
            if offset < vm.granted and vm.pages[offset].host_class == "private" and self.evict(vm, vm.pages[offset]):
                taken += 1
            offset = (offset + stride) % period

    def page_out_lru(self, goal, tick):
        bucket_of = {id(p): self.age_bucket(p, tick) for vm in self.vms for p in vm.pages if p.host_class == "private"}
        for bucket in range(15, -1, -1):
            first_vm = draw(self.vms[0].key, bucket, tick, 8) % len(self.vms)
            for vm in self.vms[first_vm:] + self.vms[:first_vm]:
                begin = draw(vm.key, 0, tick, 8) % len(vm.pages)
                for page in vm.pages[begin:] + vm.pages[:begin]:
                    if self.free() >= goal or vm.resident <= vm.reservation:
                        break
                    if page.host_class == "private" and bucket_of.get(id(page)) == bucket:
                        self.evict(vm, page)

    def evict(self, vm, page):
        if self.knobs.is_sharing and not self.knobs.is_two_pass and self.try_share(vm, page):
            return True
        if self.knobs.is_compressing and page.is_compressible and vm.count("compressed") < vm.compress_cap:
            self.break_block(vm, page)
            self.move(vm, page, "compressed")
            return True
        if self.knobs.is_swapping:
            self.break_block(vm, page)
            self.move(vm, page, "swapped")
            vm.tick["swap_out"] += 1
            return True
        return False

    # --- sharing ----------------------------------------------------------------------------------------------------

    def try_share(self, vm, page):
        content = page.content
        if content is None or page.host_class != "private":
            return False
        if self.refs(content) == 0 and self.frame_cost[content] > 0:
            partner_vm, partner = self.hints.get(content, (None, None))
            if partner is None or partner is page:
                self.hints[content] = (vm, page)
                return False
            self.break_block(partner_vm, partner)
            self.move(partner_vm, partner, "shared")
        self.break_block(vm, page)
        self.move(vm, page, "shared")
        return True

    def scan(self, tick):
        may_break = self.free() < self.knobs.break_below
        for vm in self.vms:
            if vm.granted <= 0 or (self.small_pages(vm) == 0 and not may_break):
                continue
            budget = math.floor(vm.scan_per_tick * (tick + 1)) - math.floor(vm.scan_per_tick * tick)
            for n in range(budget):
                if self.knobs.is_sequential_scan:
                    offset = vm.scan_cursor % vm.granted
                    vm.scan_cursor = offset + 1
                else:
                    offset = draw(vm.key, n, tick, 6) % vm.granted
                self.scan_page(vm, vm.pages[offset], may_break)

    def scan_page(self, vm, page, may_break):
        if page.host_class != "private" or page.content is None:
            return
        if not self.is_small(vm, page) and not may_break:
            return
        if self.knobs.is_two_pass and not page.is_stable:
            page.is_stable = True
            return
        self.try_share(vm, page)
