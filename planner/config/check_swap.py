"""Cross-field rules of compression and host swap."""

from planner.config.catalog import swap_device_names
from planner.config.measured import MEASURED
from planner.config.spec import PlannerConfig
from planner.errors import Issue
from planner.units import format_bytes


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
    known = {*swap_device_names(), *_measured_names(config)}
    return [
        Issue(
            f"fleet.hosts[{position}].swap",
            f"{group.swap} compresses pages itself, and hypervisor.compression compresses them before",
            "set hypervisor.compression.enabled: false, or use another swap device",
        )
        for position, group in enumerate(config.fleet.hosts)
        if group.swap in known and group.swap_device.is_ram
    ]


def _measured_names(config: PlannerConfig) -> tuple[str, ...]:
    """Name the measured device where every host that asks for it has one."""
    asking = [group for group in config.fleet.hosts if group.swap == MEASURED]
    has_all = all(group.measured is not None and group.measured.swap is not None for group in asking)
    return (MEASURED,) if asking and has_all else ()


def check_something_can_reclaim(config: PlannerConfig) -> list[Issue]:
    """Check that a host which may be overcommitted can take memory back.

    Page sharing saves memory without taking any back; it passes only where swap is switched off to see its worth.
    """
    ratio, hypervisor = max(config.sweep.overcommit_ratio), config.hypervisor
    can_balloon = hypervisor.ballooning.enabled and hypervisor.ballooning.policy != "none"
    if ratio <= 1 or can_balloon or hypervisor.compression.enabled:
        return []
    hint = "enable hypervisor.swap, hypervisor.ballooning or page sharing, or ask for ratios up to 1.0"
    if not hypervisor.swap.enabled:
        if hypervisor.page_sharing.enabled:
            return []
        message = (
            f"{ratio:g} promises more memory than there is, and nothing can take any back: swap and all else is off"
        )
        return [Issue("sweep.overcommit_ratio", message, hint)]
    if hypervisor.swap.power_on_check:
        # `check_vms_can_start` says more.
        return []
    message = f"0 B leaves no swap space, nothing else takes memory back, and a ratio of {ratio:g} is asked for"
    return _hosts_without_space(config, message, "give it space, or ask for ratios up to 1.0")


def check_vms_can_start(config: PlannerConfig) -> list[Issue]:
    """Check that a hypervisor which asks for swap space before it powers a VM on has some."""
    hypervisor, vms = config.hypervisor, config.fleet.vms
    if not (hypervisor.swap.enabled and hypervisor.swap.power_on_check):
        return []
    if isinstance(vms, tuple) and all(vm.reservation >= vm.memory for vm in vms):
        return []
    message = "0 B lets no VM on: the hypervisor asks for swap space for all memory that is not reserved"
    hint = "give it space, reserve all memory of the VMs, or set hypervisor.swap.power_on_check: false"
    return _hosts_without_space(config, message, hint)


def _hosts_without_space(config: PlannerConfig, message: str, hint: str) -> list[Issue]:
    hosts = enumerate(config.fleet.hosts)
    return [Issue(f"fleet.hosts[{n}].swap_size", message, hint) for n, group in hosts if group.swap_size == 0]


def check_watermarks(config: PlannerConfig) -> list[Issue]:
    """Check that Linux's watermarks leave most of every host's RAM: up to the high one nothing is given out."""
    if config.hypervisor.states != "linux":
        return []
    issues = []
    for group in config.fleet.hosts:
        spec = config.hypervisor.watermarks
        least = spec.min_free or 0
        high = least + 2 * max(least // 4, int(group.memory * spec.scale))
        if least * 2 > group.memory:
            message = f"{format_bytes(least)} is more than half of the RAM of {group.name}"
            issues.append(Issue("hypervisor.watermarks.min_free", message, "use less, or leave it out"))
        elif high * 2 > group.memory:
            message = f"the high one is at {format_bytes(high)}, more than half of the RAM of {group.name}"
            issues.append(Issue("hypervisor.watermarks", message, "lower min_free or scale"))
    return issues[:1]


SWAP_CHECKS = (
    check_compressed_sizes,
    check_compressed_once,
    check_something_can_reclaim,
    check_vms_can_start,
    check_watermarks,
)
