"""How a guest of the twin finds memory: its free list, its reserve, its own reclaim."""

from tests.oracles.draws import draw_below
from tests.oracles.parts import HELD

AWAY = ("untouched", "evicted")


def age_bucket(page, tick):
    return min((tick - page.last_touch).bit_length(), 15)


def place_in_giving_order(page, tick):
    """0-13 cold cache, 14-27 cold dirty cache, 28-43 the rest, oldest first; None: never given."""
    if page.host_class not in HELD or page.effective_class in ("free", "kernel"):
        return None
    bucket = age_bucket(page, tick)
    if page.guest_class == "anon" or bucket <= 1:
        return 28 + 15 - bucket
    return (0 if page.guest_class == "cache" else 14) + 15 - bucket


class Guest:
    def boot_guest(self, vm, tick):
        vm.in_use = 0
        vm.bar = None
        vm.lap_left = 0
        vm.hand_free = 0
        vm.hand_empty = len(vm.pages) - 1
        vm.hand_reclaim = draw_below(vm.key, 0, tick, 50, len(vm.pages))
        vm.hand_deflate = 0
        for page in vm.pages:
            page.is_zeroed = self.balloon_knobs.is_zeroing

    def free_memory(self, vm):
        return [p for p in vm.pages if p.host_class in AWAY or (p.host_class in HELD and p.effective_class == "free")]

    def spare(self, vm):
        needed = sum(page.guest_class != "free" for page in vm.pages[: max(0, vm.in_use)])
        return len(self.free_memory(vm)) - min(vm.reserve, len(vm.pages) - needed)

    def next_free(self, vm):
        n = len(vm.pages)
        listed = [p for p in vm.pages if p.host_class in HELD and p.effective_class == "free"]
        if listed:
            page = min(listed, key=lambda p: (p.number - vm.hand_free) % n)
            vm.hand_free = page.number
            return page
        empty = [p for p in vm.pages if p.host_class in AWAY]
        if empty:
            page = min(empty, key=lambda p: (vm.hand_empty - p.number) % n)
            vm.hand_empty = page.number
            return page
        return None

    def next_reclaimed(self, vm, want, tick):
        pages = vm.pages[: max(0, vm.in_use)]
        while True:
            while vm.lap_left > 0:
                page = pages[vm.hand_reclaim if vm.hand_reclaim < len(pages) else 0]
                vm.hand_reclaim = page.number + 1
                vm.lap_left -= 1
                place = place_in_giving_order(page, tick)
                if place is not None and place <= vm.bar:
                    return page
            places = sorted(p for p in (place_in_giving_order(page, tick) for page in pages) if p is not None)
            if not places:
                return None
            vm.bar = self.lap_bar(places, want, max(1, len(pages) // 16))
            vm.lap_left = len(pages)

    def lap_bar(self, places, want, least):
        for kind_ends in (14, 28):
            in_kind = [place for place in places if place < kind_ends]
            if len(in_kind) >= least:
                return in_kind[min(max(want, least), len(in_kind)) - 1]
        return places[min(max(want, least), len(places)) - 1]

    def needs_write(self, page):
        return page.host_class in HELD and not page.is_zeroed and page.guest_class in ("anon", "dirty")

    def give(self, vm, page, host_class):
        if self.needs_write(page):
            vm.tick["guest_write"] += 1
            if page.host_class == "swapped":
                vm.tick["swap_in"] += 1
        self.move(vm, page, host_class)

    def find_memory(self, vm, page, is_first, tick):
        is_spare = self.spare(vm) > 0
        if page.host_class != "ballooned":
            if not is_spare and page.effective_class != "free":
                given = self.next_reclaimed(vm, 1, tick)
                if given is not None:
                    self.give(vm, given, "evicted")
            return
        given = self.next_free(vm) if is_spare else self.next_reclaimed(vm, 1, tick)
        if given is None:
            given = self.next_free(vm)
        if given is not None:
            self.give(vm, given, "ballooned")
        self.move(vm, page, "untouched" if is_first else "evicted")
