"""Objectives in words, and which of them broke: shared by the sentence of the answer, what binds, and one host."""

from collections.abc import Iterable

from planner.analysis.wording import format_percent, format_ratio
from planner.config.slo import SEPARATOR, SLOWDOWNS, SloClassSpec, SloSpec
from planner.units import format_bytes, format_seconds

SUSTAINED = ("swap_in", "guest_paging")
"""Objectives that `for_more_than` applies to."""


def count_broken(broken_by: Iterable[object]) -> dict[str, int]:
    """Count how many host runs broke each objective.

    Parameters
    ----------
    broken_by : iterable of str or None
        Column `slo_broken_by` of finished host runs.

    Returns
    -------
    dict
        Objective to number of host runs; the most often broken first, then in the order of the objectives.
    """
    counts: dict[str, int] = {}
    for names in broken_by:
        for name in names.split(SEPARATOR) if isinstance(names, str) and names else ():
            counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def slo_sentence(slo: SloSpec, horizon_s: float) -> str:
    """Say the objective in one sentence."""
    sustained = [objective_words(name, slo) for name in slo.objectives if name in SUSTAINED]
    clauses = [f"{', '.join(sustained)} for longer than {format_seconds(slo.for_more_than)}"] if sustained else []
    clauses += [objective_words(name, slo) for name in slo.objectives if name not in SUSTAINED]
    clauses.append("or run out of memory to give" if clauses else "run out of memory to give")
    return (
        f"At most {format_percent(slo.hosts_affected)} of hosts may {', '.join(clauses)}, "
        f"within {format_seconds(horizon_s)}; "
        f"judged by the upper bound at {format_percent(slo.confidence)} confidence."
    )


def objective_words(name: str, slo: SloSpec, is_one: bool = False) -> str:
    """Say what a host does that breaks an objective: "swap in more than 1 MiB/s".

    Parameters
    ----------
    name : str
        One of `slo.objectives`.
    slo : SloSpec
        The limits.
    is_one : bool
        "swaps" instead of "swap".
    """
    verb, rest = _verb_and_rest(name, slo)
    if not is_one:
        return f"{verb} {rest}"
    return f"{'has' if verb == 'have' else verb + 's'} {rest}"


def _verb_and_rest(name: str, slo: SloSpec) -> tuple[str, str]:
    if name in SLOWDOWNS:
        return "slow", _slowdown_words(name, slo)
    if name.startswith("class "):
        item = next(one for one in slo.classes if f"class {one.name}" == name)
        return "break", f"the objective of class {item.name} ({_class_words(item)})"
    usable = "of usable memory"
    words = {
        "swap_in": ("swap", f"in more than {format_bytes(slo.swap_in or 0.0)}/s"),
        "guest_paging": ("have", f"guests that read back more than {format_bytes(slo.guest_paging or 0.0)}/s"),
        "pressed": ("spend", f"more than {format_seconds(slo.pressed or 0.0)} in state hard or low"),
        "vms_affected": ("have", _affected_words(slo)),
        "configured": ("hold", f"VMs of more than {format_ratio(slo.configured or 0.0)} times usable memory"),
        "active_peak": ("have", f"active memory peak above {format_percent(slo.active_peak)} {usable}"),
        "active_typical": (
            "have",
            f"active memory, halfway between mean and peak, above {format_percent(slo.active_typical)} {usable}",
        ),
        "reclaimed": ("hold", _reclaimed_words(slo)),
    }
    return words[name]


def _slowdown_words(name: str, limits: SloSpec | SloClassSpec) -> str:
    which = {"slowdown_p50": "the median", "slowdown_p95": "the 95th percentile", "slowdown_p99": "the 99th percentile"}
    return f"VMs down more than {getattr(limits, name):g} times at {which[name]}"


def _affected_words(limits: SloSpec | SloClassSpec) -> str:
    share = "any VM" if limits.vms_affected == 0 else f"more than {format_percent(limits.vms_affected)} of VMs"
    slowed = f"slowed down more than {limits.vm_slowdown_p95:g} times in 5 % of its time"
    return f"{share} affected ({slowed}, or without memory)"


def _class_words(item: SloClassSpec) -> str:
    parts = [_slowdown_words(name, item).removeprefix("VMs down ") for name in SLOWDOWNS if getattr(item, name)]
    slowed = [f"slowdown {part}" for part in parts]
    return ", ".join(slowed + ([_affected_words(item)] if item.vms_affected is not None else []))


def _reclaimed_words(slo: SloSpec) -> str:
    return f"more than {format_bytes(slo.reclaimed)} back from VMs" if slo.reclaimed else "any memory back from VMs"
