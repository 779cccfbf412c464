"""Rebuilding of large pages of the twin."""

import math

from tests.oracles.draws import draw


class Collapse:
    def collapse(self, tick):
        rate = self.rebuild.blocks_per_tick
        budget = math.floor(rate * (tick + 1)) - math.floor(rate * tick)
        first = tick % len(self.vms) if self.vms else 0
        for vm in self.vms[first:] + self.vms[:first]:
            if vm.granted <= 0 or self.small_pages(vm) == 0 or not self.has_block_free():
                continue
            whole_below = self.lower_exposure(vm, budget)
            n_blocks = self.n_blocks(vm)
            for _ in range(n_blocks):
                if budget == 0 or not self.has_block_free():
                    break
                block = vm.rebuild_cursor % n_blocks
                vm.rebuild_cursor = block + 1
                if block in vm.small_blocks:
                    budget -= 1
                    if draw(vm.key, block, 0, 71) < whole_below:
                        self.collapse_block(vm, block)

    def n_blocks(self, vm):
        return math.ceil(vm.granted / self.knobs.pages_per_block)

    def has_block_free(self):
        return self.free() >= self.rebuild.free_above + self.knobs.pages_per_block

    def lower_exposure(self, vm, budget):
        if budget == 0:
            return 0
        if self.knobs.scatter == 0:
            return 2**32
        per_page = self.knobs.scatter / vm.granted
        if vm.count("shared") * per_page > self.rebuild.max_shared:
            return 0
        if vm.count("compressed", "swapped") * per_page > self.rebuild.max_swapped:
            return 0
        gaps = sum(page.host_class in ("untouched", "ballooned", "evicted") for page in vm.pages[: vm.granted])
        whole = math.exp(-vm.exposure)
        wanted = min(whole + budget / self.n_blocks(vm), math.exp(-gaps * per_page))
        if wanted > whole:
            vm.exposure = -math.log(wanted)
        return math.exp(-vm.exposure) * 2**32

    def collapse_block(self, vm, block):
        size = self.knobs.pages_per_block
        pages = vm.pages[block * size : min((block + 1) * size, vm.granted)]
        shared = [page for page in pages if page.host_class == "shared"]
        out = [page for page in pages if page.host_class in ("compressed", "swapped")]
        if any(page.host_class in ("untouched", "ballooned", "evicted") for page in pages):
            return
        if len(shared) * 512 > self.rebuild.max_shared * size or len(out) * 512 > self.rebuild.max_swapped * size:
            return
        if out and vm.resident + len(out) > vm.limit:
            return
        vm.tick["rebuilt"] += len(pages)
        vm.tick["rebuild_unshared"] += len(shared)
        vm.tick["rebuild_read"] += sum(page.host_class == "swapped" for page in out)
        for page in shared + out:
            self.move(vm, page, "private")
        vm.small_blocks.remove(block)
