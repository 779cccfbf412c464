"""From change files to checked changes, and from a change to the config that it leads to."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import ValidationError

from planner.config.catalog import swap_device_names
from planner.config.change import EVERY_KIND, ChangeSpec, change_amount
from planner.config.check import KnownNames, check_config
from planner.config.load import Origin
from planner.config.override import find_path_problem, override_config
from planner.config.paths import parse_path
from planner.config.spec import PlannerConfig
from planner.config.suggest import name_problem
from planner.config.translate import explain, locate_errors
from planner.config.yaml_source import parse_yaml, read_text
from planner.errors import ConfigError, Issue
from planner.units import format_bytes_exact

_SHARED = {
    "schema_version": "leave it out",
    "sweep": "use --ratio, --placement and --set of the command",
    "seed": "both sides must share their demand; use --seed",
    "horizon": "both sides must share their demand; use --set for both",
    "tick": "both sides must share their demand; use --set for both",
    "warm_up": "both sides must be judged over the same time; use --set for both",
    "question": "leave it out",
    "fidelity": "both sides must be sampled alike; use --set for both",
    "fleet.vms": "both sides must have the same VMs; use growth or balloon_driver_missing",
    "fleet.turnover": "both sides must have the same VMs; use --set for both",
    "slo.hosts_affected": "both sides must be judged alike; use --set for both",
    "slo.confidence": "both sides must be judged alike; use --set for both",
}
"""Paths that a change cannot change, and what to do instead."""

_EXAMPLE = "write what changes, e.g. lose_hosts: {any: 1}"


def load_change(path: Path) -> ChangeSpec:
    """Read a change file.

    Raises
    ------
    InputError
        The file cannot be read.
    ConfigError
        Something is wrong in it: `issues` lists everything found.
    """
    raw = parse_yaml(read_text(path, "change file"), str(path))
    if not isinstance(raw.values, dict) or not raw.values:
        found = "is empty" if not raw.values else f"is a {type(raw.values).__name__}, not a mapping"
        raise ConfigError((*raw.issues, Issue("change", found, _EXAMPLE, 1)), str(path))
    origin = Origin(raw, [])
    try:
        change = ChangeSpec.model_validate(raw.values)
    except ValidationError as error:
        found_issues = [explain(item) for item in locate_errors(error, raw.values, ChangeSpec)]
        plain = [item._replace(path=item.path.removesuffix(f'["{EVERY_KIND}"]')) for item in found_issues]
        raise ConfigError((*raw.issues, *(origin.mark(item) for item in plain)), str(path)) from None
    issues = (*raw.issues, *(origin.mark(item) for item in _contradictions(change)))
    if issues:
        raise ConfigError(issues, str(path))
    return change.model_copy(update={"name": change.name or path.stem})


def changed_config(config: PlannerConfig, change: ChangeSpec, base_dir: Path, known: KnownNames) -> PlannerConfig:
    """Make the config that a change leads to, through all the rules of a config that is written out.

    Raises
    ------
    ConfigError
        A name or a path of the change does not exist, a value is not valid, or the rules of a config forbid what the
        change makes of it.
    """
    issues = (
        _unknown_names(config, change, known)
        + _nothing_left(config, change)
        + [problem for path in change.set if (problem := _path_problem(config, path)) is not None]
    )
    if issues:
        raise ConfigError(tuple(issues), change.name or "")
    try:
        # A preset replaces the whole policy, so it goes first: the other keys change that policy.
        changed = override_config(config, {"hypervisor": change.hypervisor}) if change.hypervisor else config
        values = _values(changed, change)
        changed = override_config(changed, values) if values else changed
    except ConfigError as error:
        raise ConfigError(error.issues, change.name or "") from None
    issues = check_config(changed, base_dir, known)
    if issues:
        raise ConfigError(tuple(issues), change.name or "")
    return changed


def _values(config: PlannerConfig, change: ChangeSpec) -> dict[str, object]:
    """List the values that a change gives to paths of the config."""
    values: dict[str, object] = {}
    for position, group in enumerate(config.fleet.hosts):
        for pattern, amount in (change.host_memory or {}).items():
            if fnmatchcase(group.name, pattern):
                values[f"fleet.hosts[{position}].memory"] = format_bytes_exact(change_amount(group.memory, amount))
        if change.swap is not None:
            values[f"fleet.hosts[{position}].swap"] = change.swap
    if change.page_sharing is not None:
        values["hypervisor.page_sharing.enabled"] = change.page_sharing != "off"
    if change.page_sharing in ("salted", "unsalted"):
        values["hypervisor.page_sharing.salting"] = change.page_sharing == "salted"
    if change.large_pages is not None:
        values["hypervisor.large_pages"] = change.large_pages
    return values | change.set


def _contradictions(change: ChangeSpec) -> list[Issue]:
    """Find keys of one file that cannot be asked together."""
    issues = []
    lost = change.lose_hosts
    if lost is not None and (lost.any is None) == (not lost.hosts):
        message = "names hosts and says any, too" if lost.hosts else "says neither which hosts nor how many"
        issues.append(Issue("lose_hosts", message, "write [esx-03], or {any: 1}"))
    if lost is not None and lost.at is None and "restart_delay" in lost.model_fields_set:
        message = "says when VMs boot after a failure, and there is no moment of failure"
        issues.append(Issue("lose_hosts.restart_delay", message, "add at: 7 days, or leave it out"))
    asked = [key for key in ("lose_hosts", "maintenance", "growth") if getattr(change, key) is not None]
    issues += [
        Issue(key, f"cannot be asked together with {asked[0]} in one file", "write two change files")
        for key in asked[1:]
    ]
    if asked and (change.placement is not None or change.place_again):
        key = "placement" if change.placement is not None else "place_again"
        issues.append(Issue(key, f"would move the VMs that {asked[0]} leaves where they are", "write two change files"))
    return issues


def _path_problem(config: PlannerConfig, path: str) -> Issue | None:
    problem = find_path_problem(config, path)
    if problem is not None:
        return problem._replace(path=f"set.{path}")
    plain = ".".join(str(part) for part in parse_path(path))
    for shared, hint in _SHARED.items():
        if plain == shared or plain.startswith(f"{shared}."):
            return Issue(f"set.{path}", "cannot differ between the two sides of a comparison", hint)
        if shared.startswith(f"{plain}."):
            message = f"would replace {shared}, too, which cannot differ between the two sides of a comparison"
            return Issue(f"set.{path}", message, f"set the other keys of {plain} one by one")
    return None


def _unknown_names(config: PlannerConfig, change: ChangeSpec, known: KnownNames) -> list[Issue]:
    hosts = [name for group in config.fleet.hosts for name in group.names()]
    kinds = [group.name for group in config.fleet.hosts]
    issues = []
    for key, names in (
        ("lose_hosts.hosts", change.lose_hosts.hosts if change.lose_hosts else ()),
        ("maintenance.hosts", change.maintenance.hosts if change.maintenance else ()),
    ):
        issues += [Issue(key, *name_problem("host", name, hosts)) for name in names if name not in hosts]
        issues += [Issue(key, f'"{name}" is named twice', "name it once") for name in _twice(names)]
    for pattern in change.host_memory or {}:
        if not any(fnmatchcase(kind, pattern) for kind in kinds):
            issues.append(Issue("host_memory", *name_problem("kind of host", pattern, kinds)))
    one_of: list[tuple[str, str | None, Callable[[], Sequence[str]]]] = [
        ("swap", change.swap, swap_device_names),
        ("placement", change.placement, lambda: known.placements or (change.placement or "",)),
    ]
    for key, name, names_of in one_of:
        if name is not None and name not in names_of():
            issues.append(Issue(key, *name_problem(key, name, names_of())))
    return issues + _late(config, change)


def _nothing_left(config: PlannerConfig, change: ChangeSpec) -> list[Issue]:
    """Refuse to take more memory from a kind of host than it has."""
    issues = []
    for pattern, amount in (change.host_memory or {}).items():
        for group in config.fleet.hosts:
            if fnmatchcase(group.name, pattern):
                try:
                    change_amount(group.memory, amount)
                except ValueError:
                    message = f"{amount} leaves nothing of the {format_bytes_exact(group.memory)} of {group.name}"
                    issues.append(Issue("host_memory", message, "take less, e.g. -10 %"))
    return issues


def _late(config: PlannerConfig, change: ChangeSpec) -> list[Issue]:
    """Refuse events after the end of the horizon."""
    issues = []
    for key in ("lose_hosts", "maintenance"):
        event = getattr(change, key)
        if event is not None and event.at is not None and event.at >= config.horizon:
            message = "is not within the horizon"
            issues.append(Issue(f"{key}.at", message, "write an earlier time, or a longer horizon in the config"))
    return issues


def _twice(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
