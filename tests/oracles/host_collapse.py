"""Rebuilding of large pages of the twin."""

import math

from tests.oracles.draws import draw

GAPS = ("untouched", "ballooned", "evicted")


class Collapse:
    def collapse(self, tick):
        rate = self.rebuild.blocks_per_tick
        budget = math.floor(rate * (tick + 1)) - math.floor(rate * tick)
        first = tick % len(self.vms) if self.vms else 0
        for vm in self.vms[first:] + self.vms[:first]:
            if vm.granted <= 0 or self.small_pages(vm) == 0 or not self.has_block_free():
                continue
            n_blocks = self.n_blocks(vm)
            for _ in range(n_blocks):
                if budget == 0 or not self.has_block_free():
                    break
                block = vm.rebuild_cursor % n_blocks
                vm.rebuild_cursor = block + 1
                if block in vm.small_blocks:
                    budget -= 1
                    self.collapse_block(vm, block)

    def n_blocks(self, vm):
        return math.ceil(vm.granted / self.knobs.pages_per_block)

    def has_block_free(self):
        return self.free() >= self.rebuild.free_above + self.knobs.pages_per_block

    def collapse_block(self, vm, block):
        size = self.knobs.pages_per_block
        pages = vm.pages[block * size : min((block + 1) * size, vm.granted)]
        shared = [page for page in pages if page.host_class == "shared"]
        out = [page for page in pages if page.host_class in ("compressed", "swapped")]
        if any(page.host_class in GAPS for page in pages):
            return
        rest_shared, rest_out = self.rest_of_block(vm, block)
        if len(shared) + rest_shared > self.rebuild.max_shared or len(out) + rest_out > self.rebuild.max_swapped:
            return
        if out and vm.resident + len(out) > vm.limit:
            return
        if self.has_gap(vm, block):
            return
        vm.tick["rebuilt"] += len(pages)
        vm.tick["rebuild_unshared"] += len(shared)
        vm.tick["rebuild_read"] += sum(page.host_class == "swapped" for page in out)
        for page in shared + out:
            self.move(vm, page, "private")
        vm.small_blocks.remove(block)

    def rest_of_block(self, vm, block):
        size = self.knobs.pages_per_block
        around = vm.pages[max(0, block * size - 8) : min(vm.granted, (block + 1) * size + 8)]
        shared = sum(page.host_class == "shared" for page in around)
        out = sum(page.host_class in ("compressed", "swapped") for page in around)
        return shared * (self.knobs.scatter / len(around)), out * (self.knobs.scatter / len(around))

    def has_gap(self, vm, block):
        size = self.knobs.pages_per_block
        first, last = block * size, min((block + 1) * size, vm.granted) - 1
        gaps = [page.number for page in vm.pages[: vm.granted] if page.host_class in GAPS]
        if not gaps or self.knobs.scatter == 0:
            return False
        distance = min(first - gap if gap < first else gap - last for gap in gaps)
        return draw(vm.key, block, 0, 72) >= math.exp(-0.5 * self.knobs.scatter / distance) * 2**32
