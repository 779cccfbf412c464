"""Page sharing of the twin."""

import math

from tests.oracles.draws import draw


class Sharing:
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
