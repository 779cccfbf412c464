"""Plain-integer twin of the draws in planner/kernels/draws.py and of the touch process in touches.py."""

MASK = 0xFFFFFFFF


def mix(x):
    x ^= x >> 16
    x = (x * 0x7FEB352D) & MASK
    x ^= x >> 15
    x = (x * 0x846CA68B) & MASK
    return x ^ (x >> 16)


def draw(key, page, tick, purpose):
    x = mix((key ^ ((page * 0x9E3779B1) & MASK)) & MASK)
    step = (tick * 128 + purpose) & MASK
    return mix(x ^ ((step * 0x85EBCA77) & MASK))


def draw_below(key, page, tick, purpose, n):
    return draw(key, page, tick, purpose) * n >> 32


def touches(key, clock, granted, n_pages, gap, exponential, clock_unit, drift_per_tick):
    """Return, by tick, the ascending list of pages touched again (first touches are not in it)."""
    due = {}
    rank = {}
    by_tick = []

    def next_due(page, tick):
        mean = gap[int((rank[page] + 0.5) * (len(gap) / n_pages))] * clock_unit
        value = clock[tick] + exponential[draw(key, page, tick, 1) >> 22] * mean + 1.0
        return MASK if value >= MASK else int(value)

    on_before = 0
    for tick in range(len(clock)):
        if granted[tick] < on_before:
            due.clear()
            rank.clear()
            on_before = 0
        touched = [page for page in range(on_before) if due[page] <= clock[tick]]
        for page in touched:
            due[page] = next_due(page, tick)
        for page in range(on_before, max(0, granted[tick])):
            rank[page] = page
            due[page] = next_due(page, tick)
        by_tick.append(touched)
        on_before = max(0, granted[tick])
        if on_before >= 2:
            expected = 0.5 * drift_per_tick * on_before
            swaps = int(expected)
            if draw(key, 0, tick, 3) < (expected - swaps) * 4294967296.0:
                swaps += 1
            for n in range(swaps):
                a = draw(key, n, tick, 4) % on_before
                b = draw(key, n, tick, 5) % on_before
                rank[a], rank[b] = rank[b], rank[a]
                due[a] = next_due(a, tick)
                due[b] = next_due(b, tick)
    return by_tick
