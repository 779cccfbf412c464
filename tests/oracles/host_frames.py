"""What pages, frames and blocks add up to, recounted every time."""

import math

from tests.oracles.draws import draw


class Frames:
    def refs(self, content):
        return sum(p.host_class == "shared" and p.content == content for vm in self.vms for p in vm.pages)

    def free(self):
        private = sum(vm.count("private") for vm in self.vms)
        return self.knobs.frames - self.metadata - private - self.shared_frames() - self.pool_frames()

    def pool_frames(self):
        return math.ceil(self.pool_units(self.vms) / 16)

    def pool_units(self, vms):
        return sum(page.slot_units for vm in vms for page in vm.pages if page.host_class == "compressed")

    def move(self, vm, page, host_class):
        if page.host_class == "compressed":
            self.pool = [entry for entry in self.pool if entry[1] is not page]
        if host_class == "compressed":
            self.pool.append((vm, page))
        if page.host_class == "shared" and page.node is not None:
            page.node.mappers.remove((vm, page))
            page.node = None
        page.host_class = host_class
        if host_class == "shared" and page.node is not None:
            page.node.mappers.insert(0, (vm, page))

    def is_small(self, vm, page):
        return page.number // self.knobs.pages_per_block in vm.small_blocks

    def break_block(self, vm, page):
        """Break the page's block, and those in which the other pages lie that the sampled page stands for."""
        vm.small_blocks.add(page.number // self.knobs.pages_per_block)
        if self.knobs.scatter == 0 or self.small_pages(vm) == max(vm.granted, 0):
            return
        vm.exposure += self.knobs.scatter / vm.granted
        for block in range(math.ceil(vm.granted / self.knobs.pages_per_block)):
            if draw(vm.key, block, 0, 71) >= math.exp(-vm.exposure) * 2**32:
                vm.small_blocks.add(block)

    def small_pages(self, vm):
        return sum(self.is_small(vm, page) for page in vm.pages[: max(vm.granted, 0)])
