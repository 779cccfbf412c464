"""Pages and VMs of the twin: plain objects."""

from dataclasses import dataclass, field

HELD = ("private", "shared", "compressed", "swapped")
GUEST_CLASSES = ("anon", "cache", "free", "kernel")
STATES = ("high", "clear", "soft", "hard", "low")


@dataclass
class Page:
    number: int
    home_content: int | None
    guest_class: str
    slot_units: int
    host_class: str = "untouched"
    content: int | None = None
    last_touch: int = 0
    is_stable: bool = False


@dataclass
class Vm:
    key: int
    pages: list
    shares: float
    reservation: int
    limit: int
    balloon_cap: int
    compress_cap: int  # in 1/16 page
    inflate_per_tick: int
    deflate_per_tick: int
    scan_per_tick: float
    granted_by_tick: list
    touched_by_tick: list
    small_blocks: set = field(default_factory=set)
    exposure: float = 0.0
    granted: int = -1
    active_slow: float = 0.0
    target: int = 0
    scan_cursor: int = 0
    tick: dict = field(default_factory=dict)

    def count(self, *host_classes):
        return sum(page.host_class in host_classes for page in self.pages)

    @property
    def resident(self):
        return self.count("private", "shared")
