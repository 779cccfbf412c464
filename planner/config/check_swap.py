"""Cross-field rules of compression and host swap."""

from planner.config.catalog import load_swap_device, swap_device_names
from planner.config.spec import PlannerConfig
from planner.errors import Issue


def check_compressed_sizes(config: PlannerConfig) -> list[Issue]:
    """Check that pages that fit in a quarter of a page are among those that fit in half."""
    compression = config.hypervisor.compression
    if compression.quarter_fraction <= compression.compressible_fraction:
        return []
    message = (
        f"{compression.quarter_fraction * 100:.4g} % is more than compressible_fraction "
        f"({compression.compressible_fraction * 100:.4g} %), which counts these pages, too"
    )
    return [Issue("hypervisor.compression.quarter_fraction", message, "lower it, or raise compressible_fraction")]


def check_compressed_once(config: PlannerConfig) -> list[Issue]:
    """Check that no host compresses pages in front of a swap device that is compressed RAM itself."""
    if not config.hypervisor.compression.enabled:
        return []
    known = swap_device_names()
    return [
        Issue(
            f"fleet.hosts[{position}].swap",
            f"{group.swap} compresses pages itself, and hypervisor.compression compresses them before",
            "set hypervisor.compression.enabled: false, or use another swap device",
        )
        for position, group in enumerate(config.fleet.hosts)
        if group.swap in known and load_swap_device(group.swap).is_ram
    ]


SWAP_CHECKS = (check_compressed_sizes, check_compressed_once)
