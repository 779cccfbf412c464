"""Host-level paging of the twin."""

from tests.oracles.draws import draw, draw_below


class Paging:
    def page_out(self, want, tick):
        if want <= 0 or not (self.knobs.is_swapping or self.knobs.is_compressing):
            return
        goal = self.free() + want
        if self.knobs.is_lru:
            self.page_out_lru(goal, tick)
        else:
            self.page_out_random(goal, want, tick)

    def page_out_random(self, goal, want, tick):
        def above_target(vm):
            return max(0, vm.resident - max(vm.target, vm.reservation))

        def above_reservation(vm):
            return max(0, vm.resident - vm.reservation)

        excess = sum(above_target(vm) for vm in self.vms)
        for vm in self.vms:
            over, missing = above_target(vm), goal - self.free()
            if over > 0 and missing > 0:
                self.page_out_vm(vm, min(missing, over, want * over // excess + 1), tick)
        held = sum(above_reservation(vm) for vm in self.vms)
        missing = goal - self.free()
        if missing <= 0:
            return
        for vm in self.vms:
            over = above_reservation(vm)
            if over > 0 and goal - self.free() > 0:
                self.page_out_vm(vm, min(over, missing * over // held + 1), tick)

    def page_out_vm(self, vm, want, tick):
        taken, offset = 0, 0
        for n in range(2 * max(vm.granted, 0)):
            if taken >= want or vm.resident <= vm.reservation:
                break
            if n <= vm.granted:
                offset = draw(vm.key, vm.draws, tick, 7) % vm.granted
                vm.draws += 1
            else:
                offset = (offset + 1) % vm.granted
            if vm.pages[offset].host_class == "private" and self.evict(vm, vm.pages[offset]):
                taken += 1

    def page_out_lru(self, goal, tick):
        n_gone, is_new = 0, False
        while self.free() < goal:
            if not self.queue:
                if is_new and n_gone == 0:
                    return
                self.build_queue(tick)
                if not self.queue:
                    return
                n_gone, is_new = 0, True
            vm, page = self.queue.pop(0)
            was = page.host_class
            if not self.is_victim(vm, page) or page.last_touch > self.queue_cutoff:
                continue
            if was == "shared":
                self.swap_merged(vm, page)
            elif vm.resident > vm.reservation:
                self.evict(vm, page)
            n_gone += page.host_class != was

    def is_victim(self, vm, page):
        is_first = page.node is not None and page.node.mappers[0] == (vm, page)
        return page.host_class == "private" or is_first

    def build_queue(self, tick):
        first_vm = draw_below(self.vms[0].key, 0, tick, 8, len(self.vms))
        found = []
        for vm in self.vms[first_vm:] + self.vms[:first_vm]:
            if vm.granted <= 0 or vm.resident <= vm.reservation:
                continue
            begin = draw_below(vm.key, 0, tick, 8, vm.granted)
            found += [(vm, p) for p in vm.pages[begin : vm.granted] + vm.pages[:begin] if self.is_victim(vm, p)]
        # Sorting is stable: equally old pages stay in this order.
        self.queue = sorted(found, key=lambda entry: entry[1].last_touch)[: self.queue_size]
        self.queue_cutoff = self.queue[-1][1].last_touch if self.queue else -1

    def evict(self, vm, page):
        if self.knobs.is_sharing and not self.knobs.sharing.is_ksm and self.try_share(vm, page, True):
            return True
        if self.knobs.is_compressing and page.slot_units < 16 and self.make_room(vm, page.slot_units):
            self.break_victim(vm, page)
            self.move(vm, page, "compressed")
            return True
        if not self.knobs.is_swapping or self.space_left() < 1:
            return False
        self.break_victim(vm, page)
        if self.limits.is_ram:
            self.move(vm, page, "compressed")
            return page.slot_units < 16
        self.move(vm, page, "swapped")
        vm.tick["swap_out"] += 1
        return True

    def space_left(self):
        classes = ("swapped", "compressed") if self.limits.is_slot_held else ("swapped",)
        return self.limits.space - sum(vm.count(*classes) for vm in self.vms)

    def make_room(self, vm, units):
        if self.limits.is_pool_shared:
            if self.pool_units(self.vms) + units <= self.limits.pool_cap:
                return self.space_left() > 0
            while self.pool_units(self.vms) > self.limits.pool_accept and self.write_back(self.pool):
                pass
            return False
        if units > vm.compress_cap:
            return False
        while self.pool_units([vm]) + units > vm.compress_cap:
            if not self.write_back([entry for entry in self.pool if entry[0] is vm]):
                return False
        return True

    def write_back(self, pool):
        if not pool or not self.knobs.is_swapping:
            return False
        if not self.limits.is_slot_held and self.space_left() < 1:
            return False
        vm, page = pool[0]
        self.move(vm, page, "swapped")
        vm.tick["swap_out"] += 1
        return True
