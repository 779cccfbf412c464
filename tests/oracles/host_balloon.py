"""How a guest of the twin answers the balloon."""

from tests.oracles.draws import draw
from tests.oracles.parts import HELD


class Balloon:
    def age_bucket(self, page, tick):
        return min((tick - page.last_touch).bit_length(), 15)

    def inflate(self, vm, want, tick):
        granted = vm.pages[: max(vm.granted, 0)]
        begin = draw(vm.key, 0, tick, 8) % len(granted) if granted else 0

        def oldest_first(guest_class):
            held = [p for p in granted if p.guest_class == guest_class and p.host_class in HELD]
            return sorted(held, key=lambda p: (-self.age_bucket(p, tick), (p.number - begin) % len(granted)))

        empty = [p for p in reversed(vm.pages) if p.host_class in ("untouched", "evicted")]
        given = [*oldest_first("free"), *empty, *oldest_first("cache"), *oldest_first("anon")][: max(0, want)]
        # The kernel gives in page order within a class; classes of pages do not depend on the order.
        for page in given:
            if page.host_class in HELD:
                if page.host_class == "swapped" and page.guest_class == "anon":
                    vm.tick["swap_in"] += 1
                self.break_block(vm, page)
            self.move(vm, page, "ballooned")
            vm.tick["inflated"] += 1
        return len(given)

    def deflate(self, vm, want):
        ballooned = [p for p in vm.pages if p.host_class == "ballooned"]
        for page in ballooned[:want]:
            self.move(vm, page, "evicted" if page.number < vm.granted else "untouched")
