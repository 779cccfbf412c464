"""Balloon managers of the twin: ESXi's entitlements, oVirt MOM, Proxmox VE and Hyper-V."""

import math

from tests.oracles.parts import STATES

MIB = 2**20


class Managers:
    def step_balloons(self, tick):
        policy = self.balloon_knobs.policy
        is_short = self.state >= STATES.index("soft")
        if policy == 1:
            has_cause = any(vm.count("ballooned") > 0 or vm.limit < vm.granted for vm in self.vms)
            return (is_short or has_cause) and self.run_esxi(is_short, tick) and is_short
        if policy == 0:
            self.move_all(tick)
        else:
            self.run_rounds(0, tick)
        return False

    def balloon_now(self, enough_free, tick):
        if self.balloon_knobs.policy == 1:
            self.run_esxi(True, tick)
        elif self.balloon_knobs.policy != 0 and tick == 0:
            self.run_rounds(enough_free, tick)

    def run_esxi(self, may_inflate, tick):
        self.set_targets()
        can_inflate_more = False
        for vm in self.vms:
            vm.wanted = len(vm.pages) - vm.target if vm.target < vm.granted else 0
            is_slow = self.move_balloon(vm, may_inflate or vm.limit < vm.granted, tick)[1]
            can_inflate_more = can_inflate_more or is_slow
        return can_inflate_more

    def move_all(self, tick):
        return sum(self.move_balloon(vm, True, tick)[0] for vm in self.vms)

    def run_rounds(self, enough_free, tick):
        knobs = self.balloon_knobs
        if self.is_calm():
            return
        rounds = math.floor((tick + 1) * knobs.tick_s / knobs.interval_s)
        rounds = 360 if tick == 0 else rounds - math.floor(tick * knobs.tick_s / knobs.interval_s)
        run = {2: self.run_mom, 3: self.run_pve, 4: self.run_hyperv}[knobs.policy]
        for _ in range(rounds):
            is_unsteady = run(tick)
            moved = self.move_all(tick)
            if (moved == 0 and not is_unsteady) or 0 < enough_free <= self.free():
                return

    def is_calm(self):
        knobs = self.balloon_knobs
        if any(vm.count("ballooned") for vm in self.vms):
            return False
        if knobs.policy == 2:
            is_calm = self.free() >= 0.20 * knobs.host_pages
            if is_calm:
                self.host_history = []
                for vm in self.vms:
                    vm.history = []
            return is_calm
        if knobs.policy == 3:
            return self.pve_goal() >= -10.0 * MIB / knobs.page_bytes
        return self.free() >= self.knobs.min_free

    def managed(self, tick):
        return [vm for vm in self.vms if vm.balloon_cap > 0 and vm.granted >= 0 and tick >= vm.ready_tick]

    def size(self, vm):
        actual = float(len(vm.pages) - vm.count("ballooned"))
        return vm.assigned if abs(vm.assigned - actual) < 1.0 else actual

    def least(self, vm):
        return float(len(vm.pages) - vm.balloon_cap)

    def assign(self, vm, size):
        vm.assigned = size
        vm.wanted = max(0, math.floor(len(vm.pages) - size))

    # oVirt MOM

    def run_mom(self, tick):
        def add(history, reading):
            history[:] = [*history[1:], reading] if history else [reading] * 5
            return (((history[0] + history[1]) + history[2]) + history[3] + history[4]) / 5

        def is_steady(history):
            return len(set(history)) == 1

        host_free = add(self.host_history, float(self.free())) / self.balloon_knobs.host_pages
        is_unsteady = not is_steady(self.host_history)
        managed = self.managed(tick)
        for vm in self.vms:
            if vm not in managed:
                vm.history = []
                continue
            size = self.size(vm)
            used = add(vm.history, max(0.0, size - len(self.free_memory(vm))))
            is_unsteady = is_unsteady or not is_steady(vm.history)
            if host_free < 0.20:
                guest_free = 0.20 * host_free / 0.20 if host_free > 0.05 else host_free - 0.05
                new_size = max(size * (1.0 - 0.05), used + guest_free * size)
                if new_size <= size and size - new_size > 0.0025 * size:
                    self.assign(vm, new_size)
            elif size < len(vm.pages):
                new_size = min(float(len(vm.pages)), max(size * (1.0 + 0.05), used + 0.20 * len(vm.pages)))
                if abs(new_size - size) > 0.0025 * size:
                    self.assign(vm, new_size)
        return is_unsteady

    # Proxmox VE

    def pve_goal(self):
        knobs = self.balloon_knobs
        return self.free() - (1.0 - knobs.host_target) * knobs.host_pages

    def run_pve(self, tick):
        takes_part = [vm for vm in self.managed(tick) if self.least(vm) > 0 and vm.weight > 0]
        idle = [
            vm
            for vm in takes_part
            if len(self.free_memory(vm)) > 0.25 * self.least(vm) and self.size(vm) >= self.least(vm)
        ]
        needy = [vm for vm in takes_part if vm not in idle]
        sizes = {id(vm): self.size(vm) for vm in takes_part}
        goal, dead_band = self.pve_goal(), 10.0 * MIB / self.balloon_knobs.page_bytes
        if goal > dead_band:
            rest = self.spread(sizes, needy, goal)
            if rest >= goal:
                self.spread(sizes, takes_part, rest)
        elif goal < -dead_band:
            rest = self.spread(sizes, idle, goal)
            if rest <= goal:
                self.spread(sizes, takes_part, rest)
        for vm in takes_part:
            if sizes[id(vm)] != self.size(vm):
                self.assign(vm, sizes[id(vm)])
        return False

    def spread(self, sizes, group, pages):
        most_change = 100.0 * MIB / self.balloon_knobs.page_bytes
        rest, still_open = pages, list(group)
        for _ in range(100):
            shares, above_least = 0.0, rest
            for vm in still_open:
                shares += 1000.0 * vm.weight
                above_least += sizes[id(vm)] - self.least(vm)
            changed, is_progress = 0.0, False
            for vm in list(still_open):
                share = above_least / shares * (1000.0 * vm.weight)
                desired = self.least(vm) + math.floor(share * 1024.0) / 1024.0
                desired = min(max(desired, self.least(vm)), float(len(vm.pages)))
                size = self.size(vm)
                if pages > 0 and desired > size:
                    new_size = min(desired, size + most_change)
                elif desired < size:
                    new_size = max(desired, size - most_change)
                else:
                    still_open.remove(vm)
                    continue
                change = new_size - sizes[id(vm)]
                sizes[id(vm)] = new_size
                changed += change
                is_progress = is_progress or change != 0
            rest -= changed
            if not is_progress or rest == 0:
                break
        return rest

    # Hyper-V

    def run_hyperv(self, tick):
        def demand(vm):
            committed = sum(p.guest_class in ("anon", "kernel", "dirty") for p in vm.pages[: max(0, vm.in_use)])
            return min(max(committed * (1.0 + self.balloon_knobs.buffer), self.least(vm)), float(len(vm.pages)))

        def weight(vm):
            return max(vm.weight, 0.01)

        missing = float(self.knobs.min_free - self.free())
        managed = self.managed(tick)
        sizes = {id(vm): self.size(vm) for vm in managed}
        surplus, lacking, above_least = 0.0, 0.0, 0.0
        lacks, above = {}, {}
        for vm in managed:
            size = sizes[id(vm)]
            surplus += max(0.0, size - demand(vm))
            lacks[id(vm)] = max(0.0, demand(vm) - size) * weight(vm) if vm.count("ballooned") else 0.0
            above[id(vm)] = (min(size, demand(vm)) - self.least(vm)) / weight(vm)
            lacking += lacks[id(vm)]
            above_least += above[id(vm)]
        if missing > 0:
            surplus_share = min(1.0, missing / surplus) if surplus > 0 else 0.0
            rest_share = max(0.0, missing - surplus) / above_least if above_least > 0 else 0.0
            for vm in managed:
                size = sizes[id(vm)]
                taken = max(0.0, size - demand(vm)) * surplus_share + above[id(vm)] * rest_share
                new_size = max(size - taken, self.least(vm))
                if new_size < size:
                    self.assign(vm, new_size)
        elif missing < 0 and lacking > 0:
            for vm in managed:
                if lacks[id(vm)] > 0:
                    share = -missing * lacks[id(vm)] / lacking
                    self.assign(vm, min(demand(vm), sizes[id(vm)] + share))
        return False
