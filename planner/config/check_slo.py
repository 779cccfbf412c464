"""Cross-field rules of the objective; how many replicates it takes to show it is in `planner.analysis.power`."""

import math

from planner.config.slo import SEPARATOR, SLOWDOWNS
from planner.config.spec import PlannerConfig
from planner.errors import Issue
from planner.units import format_seconds


def check_slo_fits_horizon(config: PlannerConfig) -> list[Issue]:
    """Check that the objective can be broken within the judged time at all."""
    slo, horizon = config.slo, format_seconds(config.horizon)
    issues = []
    has_rate = slo.swap_in is not None or slo.guest_paging is not None
    if has_rate and slo.for_more_than >= config.horizon:
        message = f"{format_seconds(slo.for_more_than)} is not shorter than the horizon: no host can ever break it"
        issues.append(Issue("slo.for_more_than", message, f"use less than {horizon}"))
    judged_s = config.horizon - config.warm_up
    if slo.pressed is not None and 0 < judged_s <= slo.pressed:
        message = f"{format_seconds(slo.pressed)} is all of the judged time or more: no host can ever break it"
        issues.append(Issue("slo.pressed", message, f"use less than {format_seconds(judged_s)}"))
    return issues


SMALLEST_SHARE = 1e-7
"""Showing less takes more host runs than a sweep may have."""


def check_slo_can_be_shown(config: PlannerConfig) -> list[Issue]:
    """Check that the share of hosts is not zero, or next to it, which no number of replicates can show."""
    share = config.slo.hosts_affected
    if share >= SMALLEST_SHARE:
        return []
    message = (
        f"{share * 100:g} % cannot be shown: after n host runs without an event the risk may still be "
        "1 - (1 - confidence)^(1/n)"
    )
    needed = math.ceil(math.log(1.0 - config.slo.confidence) / math.log(1.0 - 0.01))
    hosts = sum(group.count for group in config.fleet.hosts)
    hint = (
        f"write the largest share that you accept, e.g. 1 %: it takes {needed} independent host runs to show that, "
        f"at least {math.ceil(needed / hosts)} replicates of {hosts} hosts"
    )
    return [Issue("slo.hosts_affected", message, hint)]


def check_slo_classes(config: PlannerConfig) -> list[Issue]:
    """Check that each class says which VMs it holds and what is judged, and that names tell classes apart."""
    issues = []
    seen: set[str] = set()
    for number, item in enumerate(config.slo.classes):
        here = f"slo.classes[{number}]"
        if (item.match is None) == (item.group is None):
            what = "names no VMs" if item.match is None else "has both match and group"
            issues.append(Issue(here, what, 'write one of match: "db-*" and group: NAME'))
            continue
        if item.vms_affected is None and all(getattr(item, name) is None for name in SLOWDOWNS):
            issues.append(Issue(here, "judges nothing", f"add one of {', '.join((*SLOWDOWNS, 'vms_affected'))}"))
        if SEPARATOR.strip() in item.name:
            issues.append(Issue(here, f'"{item.name}" has a semicolon, which stands between names in results', "use ?"))
        if item.name in seen:
            issues.append(Issue(here, f'"{item.name}" has a class already', "put its objectives into one class"))
        seen.add(item.name)
    return issues


SLO_CHECKS = (check_slo_fits_horizon, check_slo_can_be_shown, check_slo_classes)
