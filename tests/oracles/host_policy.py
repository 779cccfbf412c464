"""Memory states, targets and the reclaim step of the twin."""

import math

from tests.oracles.parts import STATES


class Policy:
    def state_at(self, free, factor):
        below = (self.knobs.clear_below, self.knobs.soft_below, self.knobs.hard_below, self.knobs.low_below)
        return sum(free < threshold * factor for threshold in below)

    def update_state(self):
        if self.knobs.is_linux:
            hard = STATES.index("hard")
            was_hard, self.state = self.state >= hard, self.state_at(self.free(), 1.0)
            if was_hard and self.free() < self.knobs.hard_goal:
                self.state = max(self.state, hard)
            return
        worse = self.state_at(self.free(), 1.0)
        better = self.state_at(self.free(), 1.0 + self.knobs.margin)
        if worse > self.state:
            self.state = worse
        elif better < self.state:
            self.state = better

    def set_targets(self):
        compressed = sum(vm.count("compressed") for vm in self.vms)
        saved = sum(vm.count("shared") for vm in self.vms) - self.shared_frames()
        saved += compressed - self.pool_frames()
        supply = self.knobs.frames - self.metadata - self.overhead() - self.knobs.min_free + saved
        cost = self.knobs.idle_cost
        wants = {id(vm): min(max(vm.granted, 0), vm.limit) for vm in self.vms}

        def entitled(vm, pages_per_share):
            active = vm.active
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

    def reclaim(self, tick):
        knobs = self.knobs
        self.update_state()
        is_waiting = self.step_balloons(tick)
        if knobs.is_swapping:
            for vm in self.vms:
                if vm.resident > vm.limit:
                    self.page_out_vm(vm, vm.resident - vm.limit, tick)
        if not is_waiting and self.free() < knobs.soft_below and not knobs.is_linux:
            self.page_out(int(knobs.soft_below * (1.0 + knobs.margin)) + 1 - self.free(), tick)
        if self.free() < knobs.hard_below or (knobs.is_linux and self.state == STATES.index("hard")):
            self.reclaim_in_background(tick)
        self.background = 0
        self.update_state()

    def reclaim_in_background(self, tick):
        most, before = self.limits.background_per_tick, self.free()
        want = min(self.knobs.hard_goal - before, most - self.background)
        if want <= 0:
            return
        self.page_out(want, tick)
        gained = self.free() - before
        self.background = self.background + gained if gained > 0 else most

    def reclaim_now(self, vm, tick):
        if self.exhausted_tick != tick:
            if self.knobs.is_linux:
                self.reclaim_by_watermarks(vm, tick)
            else:
                vm.tick["direct"] += 1
                goal = max(1, self.knobs.hard_below)
                self.balloon_now(goal, tick)
                if goal > self.free():
                    self.page_out(goal - self.free(), tick)
            if self.free() < 1:
                self.exhausted_tick = tick
        if self.free() < 1 and self.limits.may_kill and self.kill_largest(tick):
            self.exhausted_tick = -1
        self.update_state()

    def reclaim_by_watermarks(self, vm, tick):
        if self.background < self.limits.background_per_tick:
            self.balloon_now(self.knobs.hard_goal, tick)
            self.reclaim_in_background(tick)
        if self.free() < max(1, self.knobs.low_below):
            vm.tick["direct"] += 1
            before = self.free()
            self.page_out(self.limits.direct_batch, tick)
            if self.free() - before < 1:
                self.exhausted_tick = tick

    def kill_largest(self, tick):
        def held(vm):
            return vm.count("private", "shared", "compressed", "swapped")

        largest = max(self.vms, key=held)  # the first of equals
        if held(largest) == 0:
            return False
        self.release(largest)
        largest.down_tick = tick
        largest.ready_tick = tick + 1
        largest.tick["killed"] = 1
        return True
