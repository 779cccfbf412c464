"""Power, first touches, touches and faults of the twin."""

from tests.oracles.draws import draw


class Demand:
    def play_demand(self, vm, tick):
        granted = vm.granted_by_tick[tick]
        if granted < 0:
            return
        if granted < vm.in_use:
            self.release(vm)
        if vm.granted < 0 and self.limits.is_promised and not self.may_power_on(vm):
            vm.tick["refused"] = 1
        elif vm.down_tick < tick:
            self.play(vm, granted, tick)

    def play_absence(self, vm, tick):
        if vm.granted_by_tick[tick] < 0:
            self.release(vm)
            vm.granted = vm.in_use = -1
            vm.overhead_held = 0

    def take_overhead(self, vm, tick):
        while vm.overhead_held < vm.overhead and self.find_frame(vm, tick):
            vm.overhead_held += 1

    def play(self, vm, granted, tick):
        self.take_overhead(vm, tick)
        if vm.down_tick == tick:
            return
        before = max(vm.in_use, 0)
        if before == 0:
            self.boot(vm, granted, tick)
        if vm.down_tick < tick - 1:
            self.touch_again(vm, tick)
        if vm.down_tick < tick:
            vm.granted = max(vm.granted, granted)
            vm.in_use = granted
            self.grow(vm, vm.pages[before:granted], tick)

    def touch_again(self, vm, tick):
        for number in vm.touched_by_tick[tick]:
            self.touch(vm, vm.pages[number], tick)
            if vm.down_tick == tick:
                return
        vm.tick["touched"] += len(vm.touched_by_tick[tick])

    def release(self, vm):
        for page in vm.pages:
            if page.host_class != "untouched":
                self.move(vm, page, "untouched")
        if self.knobs.is_large:
            vm.small_blocks = set()
        vm.granted = vm.in_use = 0
        vm.on_tick = None

    def may_power_on(self, vm):
        running = [other for other in self.vms if other.granted >= 0] + [vm]
        reserved = sum(other.reservation + other.overhead for other in running)
        rest = sum(len(other.pages) - other.reservation for other in running)
        return reserved <= self.knobs.frames and rest <= self.limits.space

    def find_frame(self, vm, tick):
        if self.free() >= self.knobs.fault_below:
            return True
        self.reclaim_now(vm, tick)
        if vm.down_tick == tick:
            return False
        if self.free() < 1:
            vm.tick["denied"] += 1
        return self.free() >= 1

    def grow(self, vm, pages, tick):
        for page in pages:
            page.is_zeroed = False
        for page in pages:
            self.use_first(vm, page, tick)
            if vm.down_tick == tick:
                return
        if tick != vm.running_tick:
            vm.tick["touched"] += len(pages)

    def boot(self, vm, granted, tick):
        self.boot_guest(vm, tick)
        vm.wanted, vm.assigned, vm.history = 0, float(len(vm.pages)), []
        vm.ready_tick = tick + (self.balloon_knobs.delay_ticks if tick != vm.running_tick else 0)
        if not self.balloon_knobs.is_zeroing:
            return
        vm.granted = len(vm.pages)
        for page in vm.pages[granted:]:
            page.last_touch = tick
            self.back(vm, page, tick, is_first=True)
            if vm.down_tick == tick:
                return
            if page.host_class == "private":
                page.content = vm.zero_content
        if tick != vm.running_tick:
            vm.tick["touched"] += len(vm.pages) - granted

    def use_first(self, vm, page, tick):
        page.last_touch = tick
        if page.host_class not in ("private", "shared"):
            self.back(vm, page, tick, is_first=True)
            return
        self.write(vm, page, tick)
        if page.host_class == "private":
            page.content = page.home_content

    def touch(self, vm, page, tick):
        page.last_touch = tick
        if page.host_class not in ("private", "shared") and not self.back(vm, page, tick, is_first=False):
            return
        if page.content is None:
            if self.knobs.is_sharing:
                self.touch_unique(vm, page, tick)
            return
        if draw(vm.key, page.number, tick, 2) >= self.knobs.shared_write_below:
            return
        self.write(vm, page, tick)

    def write(self, vm, page, tick):
        if page.host_class == "shared" and not self.find_frame(vm, tick):
            return
        if page.host_class == "shared":
            vm.tick["cow"] += 1
            self.move(vm, page, "private")
        page.content = None
        page.version += 1

    def back(self, vm, page, tick, is_first):
        if page.host_class in ("ballooned", "evicted", "untouched") and vm.count("ballooned") > 0:
            self.find_memory(vm, page, is_first, tick)
        if not self.find_frame(vm, tick):
            return False
        was = page.host_class
        if was == "swapped":
            vm.tick["swap_in"] += 1
        elif was == "compressed":
            vm.tick["decompress"] += 1
        elif was in ("ballooned", "evicted") and not is_first and page.guest_class != "free":
            vm.tick["guest_paging"] += 1
        self.move(vm, page, "private")
        if is_first or was == "untouched":
            page.content = page.home_content
            page.version += 1
        elif was in ("ballooned", "evicted") and page.guest_class == "free":
            page.content = None
            page.version += 1
        return True
