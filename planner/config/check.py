"""Rules that no single field can hold: one small function per concern, each returning the issues it finds.

Covers the clock, the objective, the hypervisor policy and the assumptions about guests; fleet and sweep have files of
their own. Warnings do not exist: what is reported here would make a run fail or its answer wrong.
"""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from planner.config.check_axes import AXIS_CHECKS, check_axis_configs
from planner.config.check_balloon import BALLOON_CHECKS
from planner.config.check_fleet import FLEET_CHECKS, check_fleet_directory, check_generator
from planner.config.check_placement import PLACEMENT_CHECKS
from planner.config.check_size import MAX_TICKS, check_size
from planner.config.check_slo import SLO_CHECKS
from planner.config.check_swap import SWAP_CHECKS
from planner.config.check_sweep import SWEEP_CHECKS, check_placement_names
from planner.config.check_turnover import TURNOVER_CHECKS
from planner.config.hypervisor import HypervisorSpec
from planner.config.spec import PlannerConfig
from planner.errors import Issue
from planner.units import format_seconds


class KnownNames(NamedTuple):
    """Names that only layers above the config know; None: do not check them."""

    placements: tuple[str, ...] | None = None
    generators: tuple[str, ...] | None = None


def check_config(config: PlannerConfig, base_dir: Path, known: KnownNames) -> list[Issue]:
    """Run every check, also on what the axes of the sweep make of the config, and collect what they find.

    Parameters
    ----------
    config : PlannerConfig
        Sound in shape.
    base_dir : Path
        Directory that relative paths in the config start from.
    known : KnownNames
        Names of placements and generators.
    """
    too_large = check_size(config)
    if too_large:
        return too_large
    issues = _check_plain(config, base_dir, known)
    issues += [issue for check in AXIS_CHECKS for issue in check(config)]
    return issues + check_axis_configs(config, issues, lambda changed: _check_plain(changed, base_dir, known))


def check_clock(config: PlannerConfig) -> list[Issue]:
    """Check that the horizon is a whole number of ticks, and not too many."""
    tick, horizon = format_seconds(config.tick), format_seconds(config.horizon)
    if config.horizon < config.tick:
        return [Issue("horizon", f"{horizon} is shorter than one tick ({tick})", "make it at least one tick")]
    ticks = config.horizon / config.tick
    if abs(ticks - round(ticks)) > 1e-9 * ticks:
        nearest = format_seconds(round(ticks) * config.tick)
        hint = f"use a multiple of the tick, e.g. {nearest}"
        return [Issue("horizon", f"{horizon} is not a whole number of ticks of {tick}", hint)]
    if ticks > MAX_TICKS:
        message = f"{horizon} in ticks of {tick} is {ticks:,.0f} ticks, more than {MAX_TICKS:,}"
        return [Issue("tick", message, "use a longer tick, e.g. 5 min, or a shorter horizon")]
    return []


def check_warm_up(config: PlannerConfig) -> list[Issue]:
    """Check that something of the horizon is left to judge after the warm-up."""
    if config.warm_up < config.horizon:
        return []
    horizon = format_seconds(config.horizon)
    message = f"{format_seconds(config.warm_up)} leaves nothing of the horizon ({horizon}) to judge"
    return [Issue("warm_up", message, f"use less than {horizon}, or a longer horizon")]


def check_state_thresholds(config: PlannerConfig) -> list[Issue]:
    """Check that memory states get worse as free memory shrinks."""
    thresholds = config.hypervisor.state_thresholds
    path = "hypervisor.state_thresholds"
    shown = ", ".join(f"{value:g}" for value in thresholds)
    hint = "order: clear, soft, hard, low, e.g. [1.0, 0.64, 0.32, 0.16]"
    if any(value <= 0 for value in thresholds):
        return [Issue(path, f"[{shown}] has a value that is not positive", hint)]
    if any(worse > better for better, worse in pairwise(thresholds)):
        return [Issue(path, f"[{shown}] does not descend", hint)]
    return []


def check_scan_advisor(config: PlannerConfig) -> list[Issue]:
    """Check that the advisor of KSM has a range to choose from."""
    ksm = config.hypervisor.page_sharing.ksm
    if ksm.advisor_min_pages_to_scan <= ksm.advisor_max_pages_to_scan:
        return []
    message = f"{ksm.advisor_min_pages_to_scan} is above advisor_max_pages_to_scan ({ksm.advisor_max_pages_to_scan})"
    path = "hypervisor.page_sharing.ksm.advisor_min_pages_to_scan"
    return [Issue(path, message, f"use at most {ksm.advisor_max_pages_to_scan}, or raise the maximum")]


def check_enabled_mechanisms_can_act(config: PlannerConfig) -> list[Issue]:
    """Check that no mechanism is switched on and given no room: it would silently do nothing."""
    caps = {
        "ballooning.max_fraction": _idle_cap(config.hypervisor, "ballooning"),
        "compression.max_fraction": _idle_cap(config.hypervisor, "compression"),
    }
    message = "0 % leaves the mechanism nothing to do though it is enabled"
    return [
        Issue(f"hypervisor.{path}", message, f"raise it, or set {path.split('.')[0]}.enabled: false")
        for path, is_idle in caps.items()
        if is_idle
    ]


def check_guest_fractions(config: PlannerConfig) -> list[Issue]:
    """Check that shares of the granted pages add up to no more than all of them."""
    groups = (
        ("guest_free_fraction", "guest_cache_fraction", "guest_kernel_fraction", "guest_dirty_fraction"),
        ("zero_fraction", "self_shared_fraction", "image_shared_fraction"),
    )
    issues = []
    for names in groups:
        total = sum(getattr(config.workload, name) for name in names)
        if total > 1 + 1e-9:
            others = f"{', '.join(names[1:-1])} and {names[-1]}"
            message = f"together with {others} it makes {total * 100:.4g} % of the granted pages"
            issues.append(Issue(f"workload.{names[0]}", message, "lower them to 100 % or less in all"))
    return issues


def _check_plain(config: PlannerConfig, base_dir: Path, known: KnownNames) -> list[Issue]:
    """Run the checks that look at no axis."""
    issues = [issue for check in _CHECKS for issue in check(config)]
    issues += check_fleet_directory(config, base_dir)
    if known.placements is not None:
        issues += check_placement_names(config, known.placements)
    if known.generators is not None:
        issues += check_generator(config, known.generators)
    return issues


def _idle_cap(hypervisor: HypervisorSpec, mechanism: str) -> bool:
    spec = getattr(hypervisor, mechanism)
    return bool(spec.enabled and spec.max_fraction == 0)


_CHECKS = (
    check_clock,
    check_warm_up,
    check_state_thresholds,
    check_scan_advisor,
    check_enabled_mechanisms_can_act,
    check_guest_fractions,
    *BALLOON_CHECKS,
    *FLEET_CHECKS,
    *SWAP_CHECKS,
    *SWEEP_CHECKS,
    *PLACEMENT_CHECKS,
    *TURNOVER_CHECKS,
    *SLO_CHECKS,
)
