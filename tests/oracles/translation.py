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


def walk_nested(guest, host, address):
    """Return (host-physical address, guest leaf level, host leaf level, references); levels 0 on a fault."""
    # Machine memory: the guest's nodes where the host maps them.
    memory = {host.walk(node)[0]: entries for node, entries in guest.nodes.items()}
    references = 0
    table = guest.root
    for level in range(guest.levels, 0, -1):
        pointer, host_level, host_references = host.walk(table)
        references += host_references
        if host_level == 0:
            return 0, 0, 0, references
        references += 1
        entry = memory[pointer].get(address // leaf_bytes(level) % 512)
        if entry is None:
            return 0, 0, 0, references
        table, is_leaf = entry
        if is_leaf:
            physical, host_level, host_references = host.walk(table + address % leaf_bytes(level))
            references += host_references
            if host_level == 0:
                return 0, 0, 0, references
            return physical, level, host_level, references
    raise AssertionError("a table ends with leaves")


class OracleTlb:
    def __init__(self, geometry):
        self.l1_small = OracleCache(geometry.l1_4k_entries, geometry.l1_4k_ways)
        self.l1_large = OracleCache(geometry.l1_2m_entries, geometry.l1_2m_ways)
        self.l2 = OracleCache(geometry.l2_entries, geometry.l2_ways)
        self.l2_holds_2m = geometry.l2_holds_2m

    def lookup(self, address):
        """Return (0 first level, 1 second level or 2 miss; physical address)."""
        for size, first_level in ((PAGE, self.l1_small), (2 * 1024**2, self.l1_large)):
            base = first_level.get(address // size, size)
            if base is not None:
                return 0, base + address % size
        for size, first_level in ((PAGE, self.l1_small), (2 * 1024**2, self.l1_large)):
            base = self.l2.get(address // size, size)
            if base is not None:
                first_level.put(address // size, size, base)
                return 1, base + address % size
        return 2, 0

    def fill(self, address, physical, is_large):
        size = 2 * 1024**2 if is_large else PAGE
        first_level = self.l1_large if is_large else self.l1_small
        first_level.put(address // size, size, physical - physical % size)
        if self.l2_holds_2m or not is_large:
            self.l2.put(address // size, size, physical - physical % size)


class OracleCache:
    def __init__(self, entries, ways):
        self.ways = ways
        self.sets = [[] for _ in range(entries // ways)]

    def get(self, number, size):
        entries = self.sets[number % len(self.sets)]
        for entry in entries:
            if entry[:2] == (number, size):
                entries.remove(entry)
                entries.insert(0, entry)
                return entry[2]
        return None

    def put(self, number, size, base):
        entries = self.sets[number % len(self.sets)]
        entries.insert(0, (number, size, base))
        if len(entries) > self.ways:
            entries.pop()


def run_nested(guest, host, tlb, addresses):
    """List (outcome, references, physical address) of each address: 0 and 1 TLB hits, 2 walk, 3 fault."""
    results = []
    for address in addresses:
        outcome, physical = tlb.lookup(address)
        references = 0
        if outcome == 2:
            physical, guest_level, host_level, references = walk_nested(guest, host, address)
            if guest_level == 0:
                outcome = 3
            else:
                tlb.fill(address, physical, min(guest_level, host_level) > 1)
        results.append((outcome, references, physical))
    return results


def run_native(table, tlb, addresses):
    """The same through one table."""
    results = []
    for address in addresses:
        outcome, physical = tlb.lookup(address)
        references = 0
        if outcome == 2:
            physical, level, references = table.walk(address)
            if level == 0:
                outcome = 3
            else:
                tlb.fill(address, physical, level > 1)
        results.append((outcome, references, physical))
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
