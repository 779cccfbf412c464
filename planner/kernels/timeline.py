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
    "pages_shared",
    "pages_sharing",
    "pages_unshared",
    "pages_volatile",
    "pages_skipped",
    "pages_scanned",
    "full_scans",
    "ksm_zero_pages",
    "stable_node_chains",
    "stable_node_dups",
    "general_profit",
    "sharing_metadata",
    "scanner_cpu_ns",
    "rebuilt",
    "rebuild_unshared",
    "rebuild_read",
    "killed",
    "refused",
    "pressure_some",
    "pressure_full",
)
"""Names without their unit: pages, but for tick, state, full_scans, VMs killed and refused, pressure and what is in ns.

Profit and metadata are bytes for each 4 KiB page that a sampled page stands for.
"""

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
PAGES_SHARED = COLUMNS.index("pages_shared")
PAGES_SHARING = COLUMNS.index("pages_sharing")
PAGES_UNSHARED = COLUMNS.index("pages_unshared")
PAGES_VOLATILE = COLUMNS.index("pages_volatile")
PAGES_SKIPPED = COLUMNS.index("pages_skipped")
PAGES_SCANNED = COLUMNS.index("pages_scanned")
FULL_SCANS = COLUMNS.index("full_scans")
KSM_ZERO_PAGES = COLUMNS.index("ksm_zero_pages")
STABLE_NODE_CHAINS = COLUMNS.index("stable_node_chains")
STABLE_NODE_DUPS = COLUMNS.index("stable_node_dups")
GENERAL_PROFIT = COLUMNS.index("general_profit")
SHARING_METADATA = COLUMNS.index("sharing_metadata")
SCANNER_CPU = COLUMNS.index("scanner_cpu_ns")
REBUILT = COLUMNS.index("rebuilt")
REBUILD_UNSHARED = COLUMNS.index("rebuild_unshared")
REBUILD_READ = COLUMNS.index("rebuild_read")
KILLED = COLUMNS.index("killed")
REFUSED = COLUMNS.index("refused")
PRESSURE_SOME = COLUMNS.index("pressure_some")
PRESSURE_FULL = COLUMNS.index("pressure_full")
