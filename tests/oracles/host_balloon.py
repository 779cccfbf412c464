"""Balloons of the twin: their bounds, and how they move towards the size that is asked for."""

from tests.oracles.parts import HELD


class Balloon:
    def balloon_room(self, vm, tick):
        if tick < vm.ready_tick or vm.granted < 0:
            return 0
        unreserved = len(vm.pages) - vm.reservation - vm.count("swapped", "compressed")
        return max(0, min(vm.balloon_cap, unreserved))

    def inflate(self, vm, want, most_written, tick):
        spare = self.spare(vm)
        taken = 0
        while taken < want:
            hand = vm.hand_free if taken < spare else vm.hand_reclaim
            page = self.next_free(vm) if taken < spare else self.next_reclaimed(vm, want - taken, tick)
            if page is None:
                break
            if self.needs_write(page):
                if most_written <= 0:
                    break
                most_written -= 1
                vm.tick["inflate_write"] += 1
            if page.host_class in HELD:
                self.break_range(vm, page, hand, page.number + 1)
            self.give(vm, page, "ballooned")
            vm.tick["inflated"] += 1
            taken += 1
        return taken

    def deflate(self, vm, want):
        n = len(vm.pages)
        for _ in range(want):
            page = min(
                (p for p in vm.pages if p.host_class == "ballooned"), key=lambda p: (p.number - vm.hand_deflate) % n
            )
            self.move(vm, page, "evicted" if page.number < vm.in_use else "untouched")
            vm.hand_deflate = page.number
        return want

    def move_balloon(self, vm, may_inflate, tick):
        size = vm.count("ballooned")
        goal = min(vm.wanted, self.balloon_room(vm, tick))
        if goal < size:
            return self.deflate(vm, min(size - goal, vm.deflate_per_tick)), False
        if goal == size or not may_inflate:
            return 0, False
        left, written_left = goal, goal
        if tick > 0:
            left = max(0, vm.inflate_per_tick - vm.tick["inflated"])
            written_left = max(0, vm.paging_per_tick - vm.tick["inflate_write"])
        before = vm.tick["inflate_write"]
        inflated = self.inflate(vm, min(goal - size, left), written_left, tick)
        is_slow = inflated == left or vm.tick["inflate_write"] - before == written_left
        return inflated, is_slow and size + inflated < goal
