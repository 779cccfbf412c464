"""Page sharing of the twin: ESXi's scanner, writes, and frames of shared pages."""

import math

from tests.oracles.draws import draw, draw_below
from tests.oracles.host_ksm import Ksm


class Sharing(Ksm):
    def try_share(self, vm, page, may_break):
        content = page.content
        if content is None or page.host_class != "private":
            return False
        if self.refs(content) == 0 and self.frame_cost[content] > 0:
            partner_vm, partner = self.hints.get(content, (None, None))
            is_held = partner is not None and partner.host_class == "private" and partner.content == content
            if not is_held or partner is page:
                self.hints[content] = (vm, page)
                return False
            if may_break or not self.is_small(partner_vm, partner):
                self.break_shared(partner_vm, partner)
            self.move(partner_vm, partner, "shared")
        if may_break or not self.is_small(vm, page):
            self.break_shared(vm, page)
        self.move(vm, page, "shared")
        self.cpu_ns += self.costs[3] * self.knobs.sharing.page_scale
        return True

    def break_large(self, tick):
        self.cpu_ns = 0
        for vm in self.vms:
            if vm.granted <= 0:
                vm.on_tick = None
            elif vm.on_tick is None:
                vm.on_tick = tick
        is_short = self.free() < self.knobs.break_below
        if is_short and not self.was_short:
            first = draw(self.vms[0].key, 0, tick, 47) % len(self.vms)
            for vm in self.vms[first:] + self.vms[:first]:
                self.share_hashed(vm, tick)
            is_short = self.free() < self.knobs.break_below
        self.was_short = is_short

    def share_hashed(self, vm, tick):
        if vm.granted <= 0 or self.small_pages(vm) == vm.granted:
            return
        hashed = 1.0
        if vm.on_tick > 0:
            hashed = 1.0 - math.exp(-vm.scan_per_tick * (tick - vm.on_tick) / vm.granted)
        for page in vm.pages[: vm.granted]:
            if page.host_class != "private" or page.content is None:
                continue
            if draw(vm.key, page.number, 0, 46) >= 4294967296.0 * hashed:
                continue
            if self.free() >= self.knobs.break_below:
                break
            self.try_share(vm, page, True)

    def scan(self, tick):
        if self.knobs.sharing.is_ksm:
            self.scan_ksm(tick)
        else:
            self.scan_esx(tick)

    def scan_esx(self, tick):
        may_break = self.free() < self.knobs.break_below
        for vm in self.vms:
            if vm.granted <= 0:
                continue
            budget = math.floor(vm.scan_per_tick * (tick + 1)) - math.floor(vm.scan_per_tick * tick)
            self.scanned += budget
            self.cpu_ns += budget * self.costs[1] * self.knobs.sharing.page_scale
            if self.small_pages(vm) == 0 and not may_break:
                continue
            for n in range(budget):
                page = vm.pages[draw_below(vm.key, n, tick, 6, vm.granted)]
                if self.is_small(vm, page) or may_break:
                    self.try_share(vm, page, may_break)

    def touch_unique(self, vm, page, tick):
        knobs = self.knobs.sharing
        may_return = page.home_content is not None and page.guest_class in ("cache", "free")
        if may_return and draw(vm.key, page.number, tick, 42) < knobs.return_below:
            page.content = page.home_content
            return
        if draw(vm.key, page.number, 0, 41) < knobs.private_write_below:
            page.version += 1

    def self_frames(self):
        limit = self.knobs.sharing.self_limit
        if limit == 0:
            return 0
        by_content = {}
        for page in self.self_shared():
            by_content[page.content] = by_content.get(page.content, 0) + 1
        return sum((pages + limit // 2) // limit for pages in by_content.values())

    def shared_frames(self):
        shared = [p for vm in self.vms for p in vm.pages if p.host_class == "shared"]
        if self.knobs.sharing.is_ksm:
            return len({id(p.node) for p in shared if p.node is not None}) + self.self_frames()
        return sum(self.frame_cost[content] for content in {p.content for p in shared})
