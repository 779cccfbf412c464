"""Columns of the timeline that the account step fills, in the order of `schema.TIMELINE_COLUMNS` (held by a test)."""

COLUMNS = (
    "tick",
    "state",
    "granted",
    "active",
    "consumed",
    "free",
    "private",
    "shared",
    "shared_saved",
    "ballooned",
    "evicted",
    "compressed",
    "swapped",
    "swap_in",
    "swap_out",
    "guest_paging",
    "denied",
    "small_mapped",
    "cow_break",
    "compressed_held",
    "guest_write",
)
"""Names without their unit; pages, but for tick and state."""

TICK = COLUMNS.index("tick")
STATE = COLUMNS.index("state")
GRANTED = COLUMNS.index("granted")
ACTIVE = COLUMNS.index("active")
CONSUMED = COLUMNS.index("consumed")
FREE = COLUMNS.index("free")
PRIVATE = COLUMNS.index("private")
SHARED = COLUMNS.index("shared")
SHARED_SAVED = COLUMNS.index("shared_saved")
BALLOONED = COLUMNS.index("ballooned")
EVICTED = COLUMNS.index("evicted")
COMPRESSED = COLUMNS.index("compressed")
SWAPPED = COLUMNS.index("swapped")
SWAP_IN = COLUMNS.index("swap_in")
SWAP_OUT = COLUMNS.index("swap_out")
GUEST_PAGING = COLUMNS.index("guest_paging")
DENIED = COLUMNS.index("denied")
SMALL_MAPPED = COLUMNS.index("small_mapped")
COW_BREAK = COLUMNS.index("cow_break")
COMPRESSED_HELD = COLUMNS.index("compressed_held")
GUEST_WRITE = COLUMNS.index("guest_write")
