"""Linux KSM of the twin: items, nodes and chains as objects, trees as dicts, everything recounted.

`page.bytes_held` stands for the bytes of a page; a checksum is those bytes.
"""


class Item:
    """The scanner's record of a page."""

    def __init__(self, vm, page):
        self.vm, self.page = vm, page
        self.checksum = None
        self.age = 0
        self.skips = 0
        self.node = None
        self.is_unstable = False


class Node:
    """A merged frame with the pages mapped to it (newest first) and its items."""

    def __init__(self, content):
        self.content = content
        self.mappers = []
        self.items = []
        self.is_in_tree = True


class Ksm:
    def start_ksm(self, sharing):
        self.costs = [int(x) for x in sharing.cost_ns]
        self.batch_size = int(sharing.counters[16])
        self.batch_pages = 0
        self.time_left_ns = 0
        self.now_end_ns = 0
        self.cpu_ns = 0
        self.scanned = 0
        self.skipped = 0
        self.full_scans = 0
        self.pass_start_ns = 0
        self.pass_cpu_ns = 0
        self.advisor = {"scan_time": 0, "change": 0}
        self.stable = {}  # content -> nodes, first first
        self.chains = {}  # content -> time of its last cleaning
        self.unstable = {}  # content -> item
        self.positions = self.all_positions()
        self.metadata = 0

    # What the counters say.

    def all_items(self):
        return [page.item for vm in self.vms for page in vm.pages if page.item is not None]

    def nodes(self):
        return [node for nodes in self.stable.values() for node in nodes]

    def self_shared(self):
        return [p for vm in self.vms for p in vm.pages if p.host_class == "shared" and p.node is None]

    def counters(self):
        items = self.all_items()
        zero = len(self.self_shared())
        frames = self.self_frames()
        merged_zero = zero if self.knobs.sharing.is_zero_merging else 0
        shared = len(self.nodes()) + frames
        sharing = sum(len(node.items) - 1 for node in self.nodes()) + zero - merged_zero - frames
        unshared = sum(item.is_unstable for item in items)
        return {
            "pages_shared": shared,
            "pages_sharing": sharing,
            "pages_unshared": unshared,
            "pages_volatile": len(items) - shared - sharing - unshared,
            "pages_skipped": self.skipped,
            "pages_scanned": self.scanned,
            "full_scans": self.full_scans,
            "ksm_zero_pages": merged_zero,
            "stable_node_chains": len(self.chains),
            "stable_node_dups": sum(len(self.stable.get(content, ())) for content in self.chains),
            "general_profit": (sharing + merged_zero) * 4096 - len(items) * 64,
            "sharing_metadata": self.records() * 64,
            "scanner_cpu_ns": self.cpu_ns,
        }

    def records(self):
        return len(self.all_items()) + len(self.nodes()) + len(self.chains)

    def count_metadata(self, more=0):
        return -(-(self.records() + more) * 64 // 4096)

    # The scan.

    def all_positions(self):
        """Yield pages in scan order, and None at the end of each pass."""
        while True:
            for vm in self.vms:
                number = 0
                while number < max(vm.granted, vm.scan_end):
                    yield vm, vm.pages[number]
                    number += 1
                vm.scan_end = max(vm.granted, 0)
            yield None

    def now_ns(self):
        return self.now_end_ns - self.time_left_ns

    def scan_ksm(self, tick):
        knobs = self.knobs.sharing
        self.now_end_ns = (tick + 1) * knobs.tick_ns
        self.time_left_ns += knobs.tick_ns
        self.cpu_ns = 0
        while self.time_left_ns > 0:
            position = next(self.positions)
            if position is None:
                self.end_pass()
                continue
            self.pass_is_empty = False
            kind = self.visit(*position)
            self.metadata = self.count_metadata()
            cpu = self.costs[("passed", "checksum", "search", "merge", "merged").index(kind)] * knobs.page_scale
            self.cpu_ns += cpu
            self.pass_cpu_ns += cpu
            self.time_left_ns -= cpu
            if kind != "passed":
                self.scanned += 1
                self.batch_pages += knobs.page_scale
                while self.batch_pages >= self.batch_size:
                    self.batch_pages -= self.batch_size
                    self.time_left_ns -= knobs.sleep_ns

    pass_is_empty = True

    def end_pass(self):
        knobs = self.knobs.sharing
        self.full_scans += 1
        self.time_left_ns -= knobs.sleep_ns
        while self.pass_is_empty and self.time_left_ns > 0:
            self.full_scans += 1
            self.time_left_ns -= knobs.sleep_ns
        self.batch_pages = 0
        self.unstable = {}
        if knobs.is_advised and not self.pass_is_empty:
            self.advise()
        self.pass_is_empty = True
        self.pass_cpu_ns = 0
        self.pass_start_ns = self.now_ns()

    def advise(self):
        knobs = self.knobs.sharing
        scan_time = (self.now_ns() - self.pass_start_ns) // 10**9 or 1
        cpu_percent = (self.pass_cpu_ns // 10**6) * 100 // (scan_time * 1000) or 1
        last = self.advisor["scan_time"] or scan_time
        factor = knobs.advisor_target_s * 100 // scan_time or 1
        change = scan_time * 100 // last or 1
        change = (70 * self.advisor["change"] + 30 * change) // 100
        pages = self.batch_size * 100 // factor * change // 100
        per_percent = self.batch_size // cpu_percent or 1
        pages = min(pages, per_percent * knobs.advisor_max_cpu)
        pages = max(pages, per_percent * 10)
        self.batch_size = min(pages, knobs.advisor_max_pages)
        self.advisor = {"scan_time": scan_time, "change": change}

    def visit(self, vm, page):
        knobs = self.knobs.sharing
        is_zero_page = page.host_class == "shared" and page.node is None and knobs.is_zero_merging
        if is_zero_page or page.host_class not in ("private", "shared"):
            if page.item is not None:
                self.leave_trees(page.item)
                page.item = None
            return "passed"
        if page.item is None:
            if self.count_metadata(1) > self.metadata and self.free() < 1:
                return "passed"
            page.item = Item(vm, page)
            self.metadata = self.count_metadata()
        item = page.item
        if knobs.is_smart and page.host_class == "private" and self.is_skipped(item):
            self.skipped += 1
            self.leave_trees(item)
            return "passed"
        if page.host_class == "shared":
            return "merged"
        self.leave_trees(item)
        if item.checksum != page.bytes_held:
            item.checksum = page.bytes_held
            return "checksum"
        return self.merge(vm, page)

    def is_skipped(self, item):
        age, item.age = item.age, min(item.age + 1, 255)
        if age < 3:
            return False
        if item.skips > 0:
            item.skips -= 1
            return True
        item.skips = next(skips for most, skips in ((3, 1), (5, 2), (8, 4), (999, 8)) if age <= most)
        return False

    def merge(self, vm, page):
        content, item = page.content, page.item
        if content is None:
            item.is_unstable = True
            return "search"
        if self.frame_cost[content] == 0:
            self.break_shared(vm, page)
            self.move(vm, page, "shared")
            return "merge"
        node = self.search_stable(content)
        if node is not None:
            self.join(node, vm, page)
            return "merge"
        other = self.unstable.get(content)
        if other is None or other.page.content != content:
            self.unstable[content] = item
            item.is_unstable = True
            return "search"
        if other.page.host_class != "private":
            return "search"
        if other.vm is vm and not self.is_small(vm, page):
            per_block = self.knobs.pages_per_block
            if other.page.number // per_block == page.number // per_block:
                self.break_block(vm, page)
                return "search"
        self.leave_trees(other)
        del self.unstable[content]
        node = Node(content)
        nodes = self.stable.setdefault(content, [])
        if nodes and content not in self.chains:
            self.chains[content] = self.now_ns()
        nodes.insert(0, node)
        self.join(node, other.vm, other.page)
        self.join(node, vm, page)
        return "merge"

    def join(self, node, vm, page):
        self.break_shared(vm, page)
        page.node = node
        page.item.node = node
        node.items.append(page.item)
        self.move(vm, page, "shared")

    def drop_node(self, node):
        node.is_in_tree = False
        self.stable[node.content].remove(node)
        if not self.stable[node.content] and node.content not in self.chains:
            del self.stable[node.content]
        for item in node.items:
            item.node = None
        node.items = []

    def leave_trees(self, item):
        item.is_unstable = False
        node, item.node = item.node, None
        if node is None:
            return
        if node.mappers:
            node.items.remove(item)
        else:
            self.drop_node(node)

    def search_stable(self, content):
        most = self.knobs.sharing.max_sharing
        nodes = self.stable.get(content, [])
        if content not in self.chains:
            if nodes and not nodes[0].mappers:
                self.drop_node(nodes[0])
                return None
            return nodes[0] if nodes and len(nodes[0].items) < most else None
        is_pruning = self.now_ns() >= self.chains[content] + self.knobs.sharing.prune_ns
        if is_pruning:
            self.chains[content] = self.now_ns()
        found = self.best_of_chain(nodes, is_pruning)
        if found is None:
            del self.chains[content]
            self.stable.pop(content, None)
            return None
        if len(nodes) == 1:
            del self.chains[content]
        elif nodes[0] is not found and len(found.items) + 1 < most:
            nodes.remove(found)
            nodes.insert(0, found)
        return found if len(found.items) < most else None

    def best_of_chain(self, nodes, is_pruning):
        most = self.knobs.sharing.max_sharing
        found = None
        for node in list(nodes):
            if not node.mappers:
                self.drop_node(node)
                continue
            has_room = len(node.items) < most
            is_better = found is None or (has_room and (len(found.items) >= most or len(node.items) > len(found.items)))
            if is_better:
                found = node
                if has_room and not is_pruning:
                    break
        return found

    def swap_merged(self, vm, page):
        node = page.node
        pages = len(node.mappers)
        if not self.knobs.is_swapping or self.limits.is_ram or self.space_left() < pages:
            return
        for owner, mapper in node.mappers:
            if mapper.last_touch > self.queue_cutoff:
                node.mappers.remove((owner, mapper))
                node.mappers.insert(0, (owner, mapper))
                return
            if owner.resident - owner.reservation < pages:
                return
        for owner, mapper in list(node.mappers):
            self.move(owner, mapper, "swapped")
        vm.tick["swap_out"] += 1
