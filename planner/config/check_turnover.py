"""Cross-field rules of VMs that come and go."""

import math

from planner.config.spec import PlannerConfig
from planner.errors import Issue
from planner.units import format_seconds

MOST_ARRIVALS = 10_000
"""Arrivals over the horizon, with those who are there from the start: each is two rows of demand, 0.2 MB over two weeks
of 5-minute ticks in every worker."""


def check_arrival_times(config: PlannerConfig) -> list[Issue]:
    """Check that listed VMs leave after they arrive, and do both within the horizon."""
    vms, horizon = config.fleet.vms, format_seconds(config.horizon)
    issues = []
    for position, vm in enumerate(vms if isinstance(vms, tuple) else ()):
        path = f"fleet.vms[{position}]"
        for key, value in (("arrives", vm.arrives), ("leaves", vm.leaves)):
            if value is not None and value >= config.horizon:
                hint = f"use less than {horizon}, a longer horizon, or leave it out"
                issues.append(Issue(f"{path}.{key}", f"{format_seconds(value)} is not within the horizon", hint))
        if vm.leaves is not None and vm.leaves - (vm.arrives or 0.0) < config.tick:
            since = f"it arrives ({format_seconds(vm.arrives)})" if vm.arrives else "the horizon starts"
            message = f"{format_seconds(vm.leaves)} is less than a tick ({format_seconds(config.tick)}) after {since}"
            issues.append(Issue(f"{path}.leaves", message, "let it leave later, or leave the VM out"))
    return issues


def check_turnover(config: PlannerConfig) -> list[Issue]:
    """Check that turnover is of a size that can be simulated."""
    spec = config.fleet.turnover
    if spec is None:
        return []
    days = config.horizon / 86_400.0
    there = spec.lifetime.mean / 86_400.0 if spec.from_start else 0.0
    expected = math.ceil(spec.arrivals_per_day * (days + there))
    if expected <= MOST_ARRIVALS:
        return []
    rate = f"{spec.arrivals_per_day:,.12g} a day"
    message = f"{rate} make about {expected:,} VMs over the horizon, more than {MOST_ARRIVALS:,}"
    return [Issue("fleet.turnover.arrivals_per_day", message, "use fewer, a shorter lifetime or a shorter horizon")]


def check_question_with_events(config: PlannerConfig) -> list[Issue]:
    """Check that "grow" is not asked of a fleet whose VMs come and go."""
    if config.question != "grow":
        return []
    vms = config.fleet.vms
    is_listed = isinstance(vms, tuple) and any(vm.arrives or vm.leaves for vm in vms)
    if config.fleet.turnover is None and not is_listed:
        return []
    message = "grow adds VMs that are there all the time; it cannot be asked of a fleet whose VMs come and go"
    return [Issue("question", message, "use consolidate, or take out turnover, arrives and leaves")]


TURNOVER_CHECKS = (check_arrival_times, check_turnover, check_question_with_events)
