"""`summary.json`: what the report's first screen says, as plain values that any program can read."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from planner.analysis.missing import summarize_missing
from planner.analysis.recommend import recommend, recommendation_as_dict
from planner.analysis.scenarios import ScenarioSummary, summarize_scenarios
from planner.config.spec import PlannerConfig

SUMMARY_VERSION = 4


def summarize_run(
    hosts: pd.DataFrame,
    vms: pd.DataFrame,
    scenarios: Sequence[Mapping[str, Any]],
    config: PlannerConfig,
    independent_replicates: int | None = None,
) -> dict[str, Any]:
    """Summarise a run.

    Parameters
    ----------
    hosts, vms : DataFrame
        Columns `planner.schema.HOST_COLUMNS` and `VM_COLUMNS`; rows in any order.
    scenarios : sequence of mappings
        The manifest's list: id, overcommit_ratio, placement, tail, axes, role, unplaced_vms, hosts_used.
    config : PlannerConfig
        The resolved config.
    independent_replicates : int or None
        Number of replicates after which demand repeats; None where it never does.

    Returns
    -------
    dict
        JSON-ready. `scenarios` has a dict per scenario in the order given (`ScenarioSummary`), `recommendation` is
        `Recommendation`, `missing` says which host runs failed; all without NaN: what is not known is None.
    """
    summaries = summarize_scenarios(hosts, scenarios, config.slo, independent_replicates)
    return summarize_summaries(summaries, int(vms["vm"].nunique()), config)


def summarize_summaries(summaries: Sequence[ScenarioSummary], n_vms: int, config: PlannerConfig) -> dict[str, Any]:
    """Summarise a run from the summaries of its scenarios; see `summarize_run`.

    Parameters
    ----------
    n_vms : int
        VMs that have rows.
    """
    recommendation = recommendation_as_dict(recommend(summaries, config))
    entries = [asdict(item) for item in summaries]
    return {
        "summary_version": SUMMARY_VERSION,
        "question": config.question,
        "horizon_s": config.horizon,
        "seed": config.seed,
        "vms": n_vms,
        "scenarios": entries,
        "recommendation": recommendation,
        "missing": summarize_missing(entries, recommendation["scenario_id"]),
    }
