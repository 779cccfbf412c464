"""What pages, frames and blocks add up to, recounted every time."""

import math


class Frames:
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
