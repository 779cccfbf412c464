"""Pages and VMs of the twin: plain objects."""

from dataclasses import dataclass, field

HELD = ("private", "shared", "compressed", "swapped")
GUEST_CLASSES = ("anon", "cache", "free", "kernel", "dirty")
STATES = ("high", "clear", "soft", "hard", "low")


@dataclass(eq=False)
class Page:
    number: int
    home_content: int | None
    guest_class: str
    slot_units: int
    host_class: str = "untouched"
    content: int | None = None
    last_touch: int = 0
    is_zeroed: bool = False
    version: int = 0  # changes with the bytes of unique content
    item: object = None  # KSM's record of the page
    node: object = None  # the merged frame that the page is mapped to

    @property
    def effective_class(self):
        return "free" if self.is_zeroed else self.guest_class

    @property
    def bytes_held(self):
        return ("unique", self.version) if self.content is None else self.content


@dataclass(eq=False)
class Vm:
    key: int
    pages: list
    shares: float
    reservation: int
    limit: int
    balloon_cap: int
    compress_cap: int  # in 1/16 page
    inflate_per_tick: int
    paging_per_tick: int
    deflate_per_tick: int
    scan_per_tick: float
    granted_by_tick: list
    touched_by_tick: list
    reserve: int
    zero_content: int | None
    weight: float
    running_tick: int
    overhead: int
    small_blocks: set = field(default_factory=set)
    breaks: int = 0
    granted: int = -1
    in_use: int = -1
    bar: int | None = None
    lap_left: int = 0
    hand_free: int = 0
    hand_empty: int = 0
    hand_reclaim: int = 0
    hand_deflate: int = 0
    ready_tick: int = 0
    wanted: int = 0
    assigned: float = 0.0
    history: list = field(default_factory=list)
    slow: float = 0.0
    fast: float = 0.0
    current: float = 0.0
    active: float = 0.0
    target: int = 0
    scan_end: int = 0
    on_tick: int | None = None
    rebuild_cursor: int = 0
    draws: int = 0  # draws of random victims so far
    down_tick: int = -2  # tick in which it was killed last
    overhead_held: int = 0
    tick: dict = field(default_factory=dict)

    def count(self, *host_classes):
        return sum(page.host_class in host_classes for page in self.pages)

    @property
    def resident(self):
        return self.count("private", "shared")
