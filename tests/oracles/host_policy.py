"""Memory states, targets and the reclaim step of the twin."""

import math


class Policy:
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
        saved = sum(vm.count("shared") for vm in self.vms) - self.shared_frames()
        saved += compressed - self.pool_frames()
        supply = self.knobs.frames - self.metadata - self.knobs.min_free + saved
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
        if not is_waiting and self.free() < knobs.soft_below:
            self.page_out(int(knobs.soft_below * (1.0 + knobs.margin)) + 1 - self.free(), tick)
        if self.free() < knobs.hard_below:
            self.page_out(int(knobs.hard_below * (1.0 + knobs.margin)) + 1 - self.free(), tick)
        self.update_state()

    def reclaim_now(self, tick):
        if self.exhausted_tick == tick:
            return self.free()
        self.balloon_now(max(1, self.knobs.hard_below), tick)
        missing = max(1, self.knobs.hard_below) - self.free()
        if missing > 0:
            self.page_out(missing, tick)
        self.update_state()
        if self.free() < 1:
            self.exhausted_tick = tick
        return self.free()
