"""Bounds on how large a config may be: what passes them can at least be expanded in memory.

Looked at before everything else, since other checks write out every name. The numbers are ours: each is well above
what one installation has, and below what one machine can hold.
"""

from math import ceil, prod

from planner.config.axes import axis_groups
from planner.config.spec import GeneratedVms, PlannerConfig
from planner.config.sweep import AdaptiveSpec, SweepSpec
from planner.errors import Issue
from planner.units import format_bytes

MAX_VMS = 1_000_000
MAX_HOSTS = 1_000_000
MAX_TICKS = 1_000_000
MAX_SCENARIOS = 10_000
MAX_HOST_RUNS = 20_000_000
"""1,800 hosts, eight ratios and thirty replicates are 432,000."""
MAX_VM_TICKS = 10_000_000_000
"""48,000 VMs over 30 days of 5 min are a twentieth of this; two numbers of 4 bytes each would take 80 GB."""
MAX_MEMORY_BYTES = 1 << 58
"""256 PiB: half a million hosts of 512 GiB. Sums times the largest ratio stay below 2^63."""


def check_size(config: PlannerConfig) -> list[Issue]:
    """Check that a config is not too large to be expanded: hosts, VMs, memory, scenarios, host runs."""
    hosts = sum(group.count for group in config.fleet.hosts)
    vms = _count_vms(config)
    ticks = min(config.horizon / config.tick, MAX_TICKS)  # more are refused by themselves
    scenarios = _count_scenarios(config.sweep)
    runs = scenarios * _most_replicates(config.sweep) * min(hosts, vms or hosts)
    fewer = "simulate fewer, or several sweeps"
    limits = (
        ("fleet.hosts", hosts, MAX_HOSTS, "hosts", "split the fleet"),
        ("fleet.vms", vms, MAX_VMS, "VMs", "split the fleet"),
        ("horizon", vms * ticks, MAX_VM_TICKS, "VM-ticks", "use a longer tick, a shorter horizon or fewer VMs"),
        ("sweep", scenarios, MAX_SCENARIOS, "scenarios", "list fewer values, or run several sweeps"),
        ("sweep", runs, MAX_HOST_RUNS, "host runs", fewer),
    )
    issues = [
        Issue(path, f"makes {count:,.0f} {what}, more than {most:,}", hint)
        for path, count, most, what, hint in limits
        if count > most
    ]
    return issues + _memory_issues(config)


def _memory_issues(config: PlannerConfig) -> list[Issue]:
    vms = config.fleet.vms
    sums = {
        "fleet.hosts": sum(group.memory * group.count for group in config.fleet.hosts),
        "fleet.vms": sum(vm.memory * vm.count for vm in vms) if isinstance(vms, tuple) else 0,
    }
    return [
        Issue(
            path, f"has {format_bytes(total)} of memory in all, more than {format_bytes(MAX_MEMORY_BYTES)}", "use less"
        )
        for path, total in sums.items()
        if total > MAX_MEMORY_BYTES
    ]


def _count_vms(config: PlannerConfig) -> int:
    """Count the VMs; 0 where a fleet directory holds them."""
    vms = config.fleet.vms
    if isinstance(vms, GeneratedVms):
        return vms.count
    return sum(vm.count for vm in vms) if isinstance(vms, tuple) else 0


def _count_scenarios(sweep: SweepSpec) -> int:
    ratios = _count_ratios(sweep, sweep.adaptive) if sweep.adaptive else len(sweep.overcommit_ratio)
    listed = max(1, len(sweep.scenarios))
    unlisted = (len(group.options) for group in axis_groups(sweep) if group.place != "sweep.scenarios")
    return ratios * len(sweep.placement) * listed * prod(unlisted)


def _count_ratios(sweep: SweepSpec, adaptive: AdaptiveSpec) -> int:
    low, high = adaptive.min or min(sweep.overcommit_ratio), adaptive.max or max(sweep.overcommit_ratio)
    return 1 + max(0, ceil((high - low) / adaptive.resolution))


def _most_replicates(sweep: SweepSpec) -> int:
    return (sweep.adaptive and sweep.adaptive.replicates_max) or sweep.replicates
