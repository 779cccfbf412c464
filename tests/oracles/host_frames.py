"""What pages, frames and blocks add up to, recounted every time."""

import math

from tests.oracles.draws import draw


class Frames:
    def refs(self, content):
        return sum(p.host_class == "shared" and p.content == content for vm in self.vms for p in vm.pages)

    def free(self):
        private = sum(vm.count("private") for vm in self.vms)
        taken = self.metadata + self.overhead()
        return self.knobs.frames - taken - private - self.shared_frames() - self.pool_frames()

    def overhead(self):
        return sum(vm.overhead_held for vm in self.vms)

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

    # A sampled page stands for pages in many blocks; exact mode breaks the page's own.

    def break_block(self, vm, page):
        """Break for a page taken at random: it stands for pages in all large blocks, unless its own is broken."""
        if not self.is_small(vm, page):
            n_blocks = math.ceil(vm.granted / self.knobs.pages_per_block)
            self.break_some(vm, page, range(n_blocks), vm.granted - self.small_pages(vm))

    def break_range(self, vm, page, first, end):
        """Break for the only page taken of those numbered `first` .. `end`."""
        size = self.knobs.pages_per_block
        blocks = range(first // size, math.ceil(end / size)) if end > first + 1 else ()
        self.break_some(vm, page, blocks, end - first)

    def break_among(self, vm, page, kind):
        """Break for a page taken for its kind: it stands for what lies half-way to the next of its kind."""
        alike = [other.number for other in vm.pages[: vm.granted] if kind(other) == kind(page)]
        before = [number for number in alike if number < page.number]
        after = [number for number in alike if number > page.number]
        first = (before[-1] + page.number + 1) // 2 if before else 0
        self.break_range(vm, page, first, (page.number + after[0] + 1) // 2 if after else vm.granted)

    def break_shared(self, vm, page):
        self.break_among(vm, page, lambda other: other.content is not None)

    def break_victim(self, vm, page):
        if self.knobs.is_lru:
            self.break_among(vm, page, lambda other: other.last_touch)
        else:
            self.break_block(vm, page)

    def break_some(self, vm, page, blocks, n_pages):
        if self.knobs.scatter > 0 and blocks:
            whole = math.exp(-self.knobs.scatter / max(1, n_pages)) * 2**32
            vm.breaks += 1
            vm.small_blocks |= {block for block in blocks if draw(vm.key, block, vm.breaks, 71) >= whole}
        vm.small_blocks.add(page.number // self.knobs.pages_per_block)

    def small_pages(self, vm):
        return sum(self.is_small(vm, page) for page in vm.pages[: max(vm.granted, 0)])
