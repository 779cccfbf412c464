"""Host-level paging of the twin."""

from tests.oracles.draws import draw


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
        if vm.granted <= 0:
            return
        period = 1 << (vm.granted - 1).bit_length()
        number = draw(vm.key, vm.tick["swap_out"], tick, 7)
        offset, stride = number % period, ((number >> 15) | 1) % period | 1
        taken = 0
        for _ in range(period):
            if taken >= want or vm.resident <= vm.reservation:
                break
            if offset < vm.granted and vm.pages[offset].host_class == "private" and self.evict(vm, vm.pages[offset]):
                taken += 1
            offset = (offset + stride) % period

    def page_out_lru(self, goal, tick):
        bucket_of = {id(p): self.age_bucket(p, tick) for vm in self.vms for p in vm.pages if p.host_class == "private"}
        for bucket in range(15, -1, -1):
            first_vm = draw(self.vms[0].key, bucket, tick, 8) % len(self.vms)
            for vm in self.vms[first_vm:] + self.vms[:first_vm]:
                begin = draw(vm.key, 0, tick, 8) % len(vm.pages)
                for page in vm.pages[begin:] + vm.pages[:begin]:
                    if self.free() >= goal or vm.resident <= vm.reservation:
                        break
                    if page.host_class == "private" and bucket_of.get(id(page)) == bucket:
                        self.evict(vm, page)

    def evict(self, vm, page):
        if self.knobs.is_sharing and not self.knobs.is_two_pass and self.try_share(vm, page):
            return True
        if self.knobs.is_compressing and page.is_compressible and vm.count("compressed") < vm.compress_cap:
            self.break_block(vm, page)
            self.move(vm, page, "compressed")
            return True
        if self.knobs.is_swapping:
            self.break_block(vm, page)
            self.move(vm, page, "swapped")
            vm.tick["swap_out"] += 1
            return True
        return False
