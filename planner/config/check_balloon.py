"""Cross-field rules of ballooning and of the estimate of active memory."""

from planner.config.spec import PlannerConfig
from planner.errors import Issue
from planner.units import format_bytes, format_seconds


def check_balloon_minimum(config: PlannerConfig) -> list[Issue]:
    """Check that the memory which ballooning leaves every VM is not more than a VM has."""
    spec, vms = config.hypervisor.ballooning, config.fleet.vms
    if not spec.enabled or not isinstance(vms, tuple):
        return []
    smallest = min(vms, key=lambda vm: vm.memory)
    if spec.minimum <= smallest.memory:
        return []
    message = (
        f"{format_bytes(spec.minimum)} is more than the configured memory of {smallest.name} "
        f"({format_bytes(smallest.memory)})"
    )
    return [Issue("hypervisor.ballooning.minimum", message, "lower it to what the smallest VM can do with")]


def check_balloon_times(config: PlannerConfig) -> list[Issue]:
    """Check that drivers and policies can act within the horizon."""
    spec = config.hypervisor.ballooning
    if not spec.enabled:
        return []
    horizon = format_seconds(config.horizon)
    rules = (
        ("driver_delay", spec.driver_delay, "no driver would ever be loaded", "or set ballooning.enabled: false"),
        ("interval", spec.interval, "the policy would never act", "or set ballooning.policy: none"),
    )
    return [
        Issue(
            f"hypervisor.ballooning.{key}",
            f"{format_seconds(value)} is not shorter than the horizon ({horizon}): {outcome}",
            f"make it shorter, {otherwise}",
        )
        for key, value, outcome, otherwise in rules
        if value >= config.horizon
    ]


def check_balloon_rates(config: PlannerConfig) -> list[Issue]:
    """Check that paging memory out is not faster than giving free memory."""
    spec = config.hypervisor.ballooning
    if not spec.enabled or spec.inflate_paging <= spec.inflate:
        return []
    message = (
        f"{format_bytes(int(spec.inflate_paging))}/s, where the guest must write, is more than inflate, where it need "
        f"not ({format_bytes(int(spec.inflate))}/s)"
    )
    return [Issue("hypervisor.ballooning.inflate_paging", message, "lower it, or raise inflate")]


def check_active_averages(config: PlannerConfig) -> list[Issue]:
    """Check that the slow average is the slow one."""
    spec = config.hypervisor.active_sampling
    if spec.slow_decay_per_min >= spec.fast_decay_per_min:
        return []
    message = (
        f"{spec.slow_decay_per_min:.0%} left after a minute is less than of the fast average "
        f"({spec.fast_decay_per_min:.0%})"
    )
    return [Issue("hypervisor.active_sampling.slow_decay_per_min", message, "the slow average must keep more")]


BALLOON_CHECKS = (check_balloon_minimum, check_balloon_times, check_balloon_rates, check_active_averages)
