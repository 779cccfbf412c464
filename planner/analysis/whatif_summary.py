"""`summary.json` of a what-if: for every case what changes, by how much, how sure, and who carries it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import pandas as pd

from planner.analysis.binding import explain_failure
from planner.analysis.by_replicate import HEADROOM, RISK
from planner.analysis.lines import meets_objective
from planner.analysis.objectives import slo_sentence
from planner.analysis.scenarios import ScenarioSummary, summarize_scenario
from planner.analysis.whatif import differences, host_differences, vm_differences, worst_variant
from planner.analysis.whatif_wording import difference_text, growth_sentence, plain_sentence, status_of
from planner.analysis.wording import format_count
from planner.config.spec import PlannerConfig

WHATIF_VERSION = 1
SHOWN_HOSTS = 12
SHOWN_VMS = 12

RowsOf = Callable[[int], pd.DataFrame]
_KEPT_SCENARIOS = 4

GROWTH = "growth"
"""Kind of case that is told by its first month that breaks; the kinds are those of `planner.sweep.whatif.Case`."""


class WhatifTables:
    """The rows of a what-if by scenario.

    Parameters
    ----------
    hosts_of, vms_of : callable
        Return the host rows (columns `planner.schema.HOST_COLUMNS`) and the VM rows (`VM_COLUMNS`) of a scenario.
    gone : mapping
        Scenario -> hosts that are gone before judging starts: they neither break the objective nor have memory left.
    """

    def __init__(self, hosts_of: RowsOf, vms_of: RowsOf, gone: Mapping[int, Sequence[str]]) -> None:
        self._gone = gone
        self._hosts_of = lru_cache(_KEPT_SCENARIOS)(hosts_of)
        self._vms_of = vms_of

    def hosts(self, scenario_id: int) -> pd.DataFrame:
        """Return the host rows of a scenario."""
        rows = self._hosts_of(scenario_id)
        return rows[~rows["host"].isin(self._gone.get(scenario_id, ()))]

    def vms(self, scenario_id: int) -> pd.DataFrame:
        """Return the VM rows of a scenario."""
        return self._vms_of(scenario_id)


def summarize_whatif(
    tables: WhatifTables,
    scenarios: Sequence[Mapping[str, Any]],
    cases: Sequence[Mapping[str, Any]],
    config: PlannerConfig,
    independent_replicates: int | None,
) -> dict[str, Any]:
    """Summarise a what-if, JSON-ready.

    Parameters
    ----------
    scenarios : sequence of mappings
        The manifest's list; the first is the base.
    cases : sequence of mappings
        The manifest's list: `name`, `kind`, `what` (the change in words), `base_scenario_id`, `variants`
        (`scenario_id`, `label`), `warn_above` (or None).
    config : PlannerConfig
        Of the base.
    independent_replicates : int or None
        Number of replicates after which demand repeats.
    """
    found = [
        summarize_scenario(tables.hosts(int(item["id"])), item, config.slo, independent_replicates)
        for item in scenarios
    ]
    summaries = {item.scenario_id: item for item in found}
    refused = {int(item["id"]): list(item["unplaced_sentences"]) for item in scenarios}
    base = summaries[int(scenarios[0]["id"])]
    is_met = meets_objective(base, config.slo)
    return {
        "whatif_version": WHATIF_VERSION,
        "objective": slo_sentence(config.slo, config.horizon),
        "confidence": config.slo.confidence,
        "seed": config.seed,
        "base": asdict(base),
        "base_meets_objective": is_met,
        "base_status": status_of(is_met, explain_failure(base, config.slo).kind),
        "cases": [
            item | {"refused": refused[item["scenario_id"]]}
            for item in (_case(item, tables, summaries, config, independent_replicates) for item in cases)
        ],
        "scenarios": [asdict(item) for item in found],
        "missing": _missing(found),
    }


def _missing(scenarios: Sequence[ScenarioSummary]) -> str:
    """Say which host runs failed and what that does to the figures; empty where none did."""
    failed = sum(item.failed_hosts for item in scenarios)
    if not failed:
        return ""
    of_all = f"{format_count(failed, 'host run')} of {sum(item.host_runs for item in scenarios):,}"
    return (
        f"{of_all} failed and tell nothing; in the risk each counts as held in the lower end and as broken in the "
        "upper one, and differences leave out the replicates that lack one."
    )


def _case(
    case: Mapping[str, Any],
    tables: WhatifTables,
    summaries: Mapping[int, ScenarioSummary],
    config: PlannerConfig,
    independent_replicates: int | None,
) -> dict[str, Any]:
    base_id, shown = int(case["base_scenario_id"]), _shown(case, tables, summaries, config)
    before, after = tables.hosts(base_id), tables.hosts(shown)
    rows = differences(before, after, config.slo.confidence, independent_replicates)
    _bound_unseen(rows, summaries[base_id], summaries[shown])
    by_metric = {row["metric"]: row for row in rows}
    by_host = host_differences(before, after)
    item = summaries[shown]
    is_met = meets_objective(item, config.slo)
    binding = explain_failure(item, config.slo)
    found = {
        **case,
        "scenario_id": shown,
        "label": next(variant["label"] for variant in case["variants"] if variant["scenario_id"] == shown),
        "meets_objective": is_met,
        "status": status_of(is_met, binding.kind),
        "binding": "" if is_met else binding.text,
        "hosts_used_base": summaries[base_id].hosts_used,
        "hosts_used": item.hosts_used,
        "unplaced_vms": item.unplaced_vms,
        "swap_risk": item.swap_risk,
        "swap_risk_high": item.swap_risk_high,
        "differences": rows,
        "variants": [_variant(variant, summaries[int(variant["scenario_id"])], config) for variant in case["variants"]],
        "hosts": _records(by_host, SHOWN_HOSTS),
        "vms": _records(vm_differences(tables.vms(base_id), tables.vms(shown)), SHOWN_VMS),
        "risk_text": difference_text(by_metric.get(RISK)),
        "memory_text": difference_text(by_metric.get(HEADROOM)),
    }
    if case["warn_above"] is not None:
        found["above"] = _above(by_host, float(case["warn_above"]))
    if case["kind"] == GROWTH:
        found["months_remaining"] = _months_remaining(found["variants"])
        found["sentence"] = growth_sentence(found)
    else:
        found["sentence"] = plain_sentence(found, by_metric)
    return found


def _bound_unseen(rows: Sequence[dict[str, Any]], base: ScenarioSummary, changed: ScenarioSummary) -> None:
    """Where no replicate differs in risk, the hosts' own bounds may tell more than the replicates do. In place."""
    for row in rows:
        if row["metric"] == RISK and row["differing"] == 0:
            row["low"] = max(row["low"], changed.swap_risk_low - base.swap_risk_high)
            row["high"] = min(row["high"], changed.swap_risk_high - base.swap_risk_low)


def _shown(
    case: Mapping[str, Any], tables: WhatifTables, summaries: Mapping[int, ScenarioSummary], config: PlannerConfig
) -> int:
    """Choose the variant that the case is told by: the worst host to lose, the first month that breaks."""
    ids = [int(item["scenario_id"]) for item in case["variants"]]
    if case["kind"] == GROWTH:
        broken = [scenario_id for scenario_id in ids if not meets_objective(summaries[scenario_id], config.slo)]
        return broken[0] if broken else ids[-1]
    return ids[worst_variant([tables.hosts(scenario_id) for scenario_id in ids])] if len(ids) > 1 else ids[0]


def _variant(variant: Mapping[str, Any], item: ScenarioSummary, config: PlannerConfig) -> dict[str, Any]:
    return {
        **variant,
        "hosts_used": item.hosts_used,
        "vms_placed": item.vms_placed,
        "unplaced_vms": item.unplaced_vms,
        "swap_risk": item.swap_risk,
        "swap_risk_low": item.swap_risk_low,
        "swap_risk_high": item.swap_risk_high,
        "swap_in_bytes_per_s_p99": item.swap_in_bytes_per_s_p99,
        "slowdown_p99": item.slowdown_p99,
        "meets_objective": meets_objective(item, config.slo),
    }


def _months_remaining(variants: Sequence[Mapping[str, Any]]) -> int:
    """Count the months, from the first, that all meet the objective."""
    met = [bool(item["meets_objective"]) for item in variants]
    return met.index(False) if False in met else len(met)


def _above(hosts: pd.DataFrame, share: float) -> list[dict[str, Any]]:
    """List the hosts whose guests hold more than a share of the usable memory at their peak, fullest first."""
    over = hosts[hosts["peak_granted_ratio"] > share].sort_values("peak_granted_ratio", ascending=False, kind="stable")
    return _records(over[["host", "peak_granted_ratio"]], len(over))


def _records(table: pd.DataFrame, most: int) -> list[dict[str, Any]]:
    """Turn the first rows into plain values; what is not known becomes None."""
    shown = table.head(most).astype(object)
    records = shown.where(shown.notna(), None).to_dict("records")
    return [{str(name): value for name, value in record.items()} for record in records]
