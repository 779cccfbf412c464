"""Slow, obvious twins of the translation kernels: dicts, lists and loops, no numpy.

Page-table memory is a dict from page number to a node, a node a dict from slot to (target address, is_leaf). Nodes are
taken in the same order as by the kernels (the last freed first), because node addresses decide how the host translates
them. Recency in the TLB is a list, most recent first.
"""

import math

PAGE = 4096


def leaf_bytes(level):
    return {1: 4 * 1024, 2: 2 * 1024**2, 3: 1024**3, 4: 512 * 1024**3, 5: 256 * 1024**4}[level]


class OracleRadix:
    def __init__(self, levels, base):
        self.levels = levels
        self.nodes = {base: {}}
        self.root = base
        self.next_address = base + PAGE
        self.freed = []

    def _take(self):
        if self.freed:
            address = self.freed.pop()
        else:
            address = self.next_address
            self.next_address += PAGE
        self.nodes[address] = {}
        return address

    def _give_back(self, address):
        del self.nodes[address]
        self.freed.append(address)

    def path(self, address):
        """List (level, node address, slot) from the root down to the last entry that exists or is missing."""
        steps = []
        node = self.root
        for level in range(self.levels, 0, -1):
            slot = address // leaf_bytes(level) % 512
            steps.append((level, node, slot))
            entry = self.nodes[node].get(slot)
            if entry is None or entry[1]:
                break
            node = entry[0]
        return steps

    def walk(self, address):
        """Return (target, leaf level, references); level 0 when not mapped."""
        steps = self.path(address)
        level, node, slot = steps[-1]
        entry = self.nodes[node].get(slot)
        if entry is None:
            return 0, 0, len(steps)
        return entry[0] + address % leaf_bytes(level), level, len(steps)

    def map(self, address, target, leaf_level):
        """Map a page; False when something is mapped there."""
        level, node, slot = self.path(address)[-1]
        if slot in self.nodes[node] or level < leaf_level:
            return False
        while level > leaf_level:
            child = self._take()
            self.nodes[node][slot] = (child, False)
            level, node = level - 1, child
            slot = address // leaf_bytes(level) % 512
        self.nodes[node][slot] = (target, True)
        return True

    def unmap(self, address):
        steps = self.path(address)
        leaf_level, node, slot = steps[-1]
        if slot not in self.nodes[node]:
            return 0
        for _, node, slot in reversed(steps):
            del self.nodes[node][slot]
            if self.nodes[node] or node == self.root:
                break
            self._give_back(node)
        return leaf_level

    def split(self, address):
        level, node, slot = self.path(address)[-1]
        if level == 1 or slot not in self.nodes[node]:
            return False
        target = self.nodes[node][slot][0]
        child = self._take()
        for i in range(512):
            self.nodes[child][i] = (target + i * leaf_bytes(level - 1), True)
        self.nodes[node][slot] = (child, False)
        return True

    def collapse(self, address, target):
        steps = self.path(address)
        level, child, _ = steps[-1]
        if level != 1 or len(self.nodes[child]) != 512:
            return False
        _, node, slot = steps[-2]
        self._give_back(child)
        self.nodes[node][slot] = (target, True)
        return True


class OracleCache:
    """Sets of (number, label, value), the most recent first; without ways it holds nothing."""

    def __init__(self, entries, ways):
        self.ways = ways
        self.sets = [[] for _ in range(entries // ways if ways else 1)]

    def get(self, number, label=None):
        entries = self.sets[number % len(self.sets)]
        for entry in entries:
            if entry[:2] == (number, label):
                entries.remove(entry)
                entries.insert(0, entry)
                return entry[2]
        return None

    def put(self, number, value, label=None):
        entries = self.sets[number % len(self.sets)]
        entries.insert(0, (number, label, value))
        if len(entries) > self.ways:
            entries.pop()


class OracleTlb:
    def __init__(self, geometry):
        small = OracleCache(*geometry.l1_4k)
        unified = geometry.l1_is_unified
        self.first = {1: small, 2: small if unified else OracleCache(*geometry.l1_2m)}
        if geometry.l1_1g[0]:
            self.first[3] = small if unified else OracleCache(*geometry.l1_1g)
        shared = OracleCache(*geometry.l2)
        self.second = {1: shared}
        if geometry.l2_holds_2m:
            self.second[2] = shared
        if geometry.l2_1g[0]:
            self.second[3] = OracleCache(*geometry.l2_1g)

    def lookup(self, address):
        """Return (0 first level, 1 second level or 2 miss; physical address)."""
        for outcome, caches in enumerate((self.first, self.second)):
            for level, cache in sorted(caches.items()):
                size = leaf_bytes(level)
                base = cache.get(address // size, level)
                if base is not None:
                    if outcome == 1:
                        self.first[level].put(address // size, base, level)
                    return outcome, base + address % size
        return 2, 0

    def fill(self, address, physical, leaf_level):
        level = max(size for size in self.first if size <= leaf_level)
        size = leaf_bytes(level)
        for caches in (self.first, self.second):
            if level in caches:
                caches[level].put(address // size, physical - physical % size, level)


WHERE = ("L1", "L2", "LLC", "DRAM")


class OracleWalker:
    def __init__(self, geometry):
        self.pwc = {
            "guest": {level: OracleCache(*shape) for level, shape in enumerate(geometry.guest_pwc, start=2)},
            "host": {level: OracleCache(*shape) for level, shape in enumerate(geometry.host_pwc, start=2)},
        }
        self.nested_tlb = OracleCache(*geometry.nested_tlb)
        self.data_caches = [OracleCache(*shape) for shape in geometry.data_caches]
        self.latency = dict(zip((*WHERE, "hit"), geometry.latency_cycles, strict=True))
        self.start()

    def start(self):
        """Forget the last walk: `read` lists (line, where), `hits` the caches that shortened the walk."""
        self.read = []
        self.hits = []

    def read_line(self, address):
        line = address // 64
        missed = []
        where = "DRAM"
        for name, cache in zip(WHERE, self.data_caches, strict=False):
            if cache.get(line) is not None:
                where = name
                break
            missed.append(cache)
        for cache in missed:
            cache.put(line, "present")
        return where

    def read_entry(self, address):
        self.read.append((address // 64, self.read_line(address)))

    def start_of_walk(self, side, table, address):
        for level in range(2, table.levels + 1):
            below = self.pwc[side][level].get(address // leaf_bytes(level))
            if below is not None:
                self.hits.append(side)
                return level - 1, below
        return table.levels, table.root

    def tally(self):
        """List references, cycles, cycles of the last, references by place, hits in guest PWC, host PWC, nested TLB."""
        costs = [self.latency[where] for _, where in self.read]
        cycles = sum(costs) + self.latency["hit"] * len(self.hits)
        places = [where for _, where in self.read]
        return [
            len(self.read),
            cycles,
            costs[-1] if costs else 0,
            *(places.count(where) for where in WHERE),
            *(self.hits.count(name) for name in ("guest", "host", "nested TLB")),
        ]


def walk_one(table, walker, side, address):
    """Return (target, leaf level) by one table whose nodes lie where it says; (0, 0) when not mapped."""
    level, node = walker.start_of_walk(side, table, address)
    while True:
        slot = address // leaf_bytes(level) % 512
        walker.read_entry(node + 8 * slot)
        entry = table.nodes[node].get(slot)
        if entry is None:
            return 0, 0
        if entry[1]:
            return entry[0] + address % leaf_bytes(level), level
        walker.pwc[side][level].put(address // leaf_bytes(level), entry[0])
        level, node = level - 1, entry[0]


def walk_nested(guest, host, walker, address):
    """Return (host-physical address, guest leaf level, host leaf level); zeros on a fault."""
    level, table = walker.start_of_walk("guest", guest, address)
    while True:
        pointer = walker.nested_tlb.get(table // PAGE)
        if pointer is not None:
            walker.hits.append("nested TLB")
        else:
            pointer, host_level = walk_one(host, walker, "host", table)
            if host_level == 0:
                return 0, 0, 0
            walker.nested_tlb.put(table // PAGE, pointer)
        slot = address // leaf_bytes(level) % 512
        walker.read_entry(pointer + 8 * slot)
        entry = guest.nodes[table].get(slot)
        if entry is None:
            return 0, 0, 0
        if entry[1]:
            physical, host_level = walk_one(host, walker, "host", entry[0] + address % leaf_bytes(level))
            return (physical, level, host_level) if host_level else (0, 0, 0)
        walker.pwc["guest"][level].put(address // leaf_bytes(level), entry[0])
        level, table = level - 1, entry[0]


def run_nested(guest, host, tlb, walker, addresses):
    """List (outcome, physical address, tally, what was read) of each: 0 and 1 TLB hits, 2 walk, 3 fault."""

    def walk(address):
        physical, guest_level, host_level = walk_nested(guest, host, walker, address)
        return physical, min(guest_level, host_level)

    return run(walk, tlb, walker, addresses)


def run_native(table, tlb, walker, addresses):
    """The same through one table."""
    return run(lambda address: walk_one(table, walker, "guest", address), tlb, walker, addresses)


def run(walk, tlb, walker, addresses):
    results = []
    for address in addresses:
        walker.start()
        outcome, physical = tlb.lookup(address)
        if outcome == 2:
            physical, level = walk(address)
            if level == 0:
                outcome = 3
            else:
                tlb.fill(address, physical, level)
        read = list(walker.read)
        results.append((outcome, physical, walker.tally(), read))
        if outcome != 3:
            walker.read_line(physical)
    return results


def interpolate_overhead(sizes_log2, fractions, grid, active_bytes, small_fraction):
    """Weight the four corners around a point; grid is a list of rows, one per size."""
    if active_bytes <= 0:
        return 0.0
    total = 0.0
    for i, row_weight in hat_weights(sizes_log2, math.log2(active_bytes)):
        for j, column_weight in hat_weights(fractions, small_fraction):
            total += row_weight * column_weight * grid[i][j]
    return total


def hat_weights(axis, value):
    """List (index, weight) of the axis points around a value; the end point alone outside."""
    if value <= axis[0]:
        return [(0, 1.0)]
    if value >= axis[-1]:
        return [(len(axis) - 1, 1.0)]
    above = next(i for i, point in enumerate(axis) if point > value)
    weight = (value - axis[above - 1]) / (axis[above] - axis[above - 1])
    return [(above - 1, 1.0 - weight), (above, weight)]
