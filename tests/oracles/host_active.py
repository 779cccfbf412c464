"""The estimator of active memory of the twin."""

import math

from tests.oracles.draws import draw


class Active:
    def estimate_active(self, vm, tick):
        knobs = self.balloon_knobs
        n = len(vm.pages)
        first = math.floor(tick * knobs.tick_s / knobs.sample_period_s)
        end = math.floor((tick + 1) * knobs.tick_s / knobs.sample_period_s)
        if knobs.tick_s >= knobs.sample_period_s:
            touched = min(1.0, vm.tick["touched"] / n)
            if tick == 0:
                vm.slow = vm.fast = touched
            for period in range(first, end):
                share = self.drawn_share(touched, draw(vm.key, 0, period, 52))
                vm.slow += knobs.slow_gain * (share - vm.slow)
                vm.fast += knobs.fast_gain * (share - vm.fast)
            vm.current = vm.fast
        else:
            begin = max(1, math.ceil(first * knobs.sample_period_s / knobs.tick_s))
            sample = [draw(vm.key, k, first, 51) % n for k in range(knobs.sample_pages)]
            hits = sum(p < vm.in_use and vm.pages[p].last_touch >= begin for p in sample)
            share = hits / knobs.sample_pages
            vm.current = vm.fast + knobs.fast_gain * (share - vm.fast)
            if end > first:
                vm.slow += knobs.slow_gain * (share - vm.slow)
                vm.fast = vm.current
        vm.active = min(max(vm.slow, vm.fast, vm.current, knobs.least_active), 1.0) * n

    def drawn_share(self, touched, number):
        n = self.balloon_knobs.sample_pages
        sd = math.sqrt(n * touched * (1.0 - touched))
        count = n * touched
        if sd > 0:
            z = self.normal[number >> 22]
            count = n * touched + sd * z + (1.0 - 2.0 * touched) * (z * z - 1.0) / 6.0
        return min(max(math.floor(count + 0.5), 0.0), float(n)) / n
