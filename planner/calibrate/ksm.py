"""KSM: CPU time of the scanner per page, by pass, and what that says of the model's costs of a visit.

A run is `planner.validation.live.ksm`'s: its contents are known, so that of each pass it is known how many pages are
merged, searched for in vain, or were merged before. Its settings are restored by the guard process.
"""

import csv
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from planner.calibrate.result import Figure, Unknown, summarize_samples
from planner.validation.live.ksm import NAME, measure_ksm
from planner.validation.live.machine import Machine

_PASSES = ("ksm_first_pass", "ksm_merging_pass", "ksm_unchanged_pass")
_HOW = (
    "ksmd's CPU time per page of the first pass: checksums only",
    "ksmd's CPU time per page of the pass in which equal pages merge",
    "ksmd's CPU time per page of a pass over pages that have not changed",
)
MERGED_NS = 1000.0
"""A visit to a page that was merged before: it cannot be told apart in these passes and is as in the preset `kvm`."""
_MERGED_SHARE = 0.4
"""Of all pages are merged in the merging pass: all zero pages (0.1), and three of four copies of a common one (0.3)."""
_SEARCHED_SHARE = 0.6
_UNMERGED_SHARE = 0.5
"""Of all pages, unique ones: searched for in vain in each later pass, while the others were merged before."""


def measure_scanner(machine: Machine, repeats: int) -> tuple[list[Figure], list[Unknown]]:
    """Measure KSM runs, and split their passes into costs of a visit. [ns].

    Raises
    ------
    InputError
        A run could not be made, or not be undone.
    """
    runs = []
    for _ in range(repeats):
        with TemporaryDirectory(prefix="planner-ksm-") as folder:
            measure_ksm(machine, Path(folder))
            with (Path(folder) / f"{NAME}.csv").open(encoding="utf-8", newline="") as file:
                samples = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
            runs.append(pass_costs_ns(samples))
    return summarize_runs(runs)


def pass_costs_ns(samples: Sequence[dict[str, float]]) -> list[float | None]:
    """Compute the CPU time of the scanner per page scanned, in the first three passes of a run.

    Only times wholly within a pass count, and only those without a page passed over by smart_scan.

    Returns
    -------
    list of float or None
        None: the pass was not seen, or the kernel does not count its scanner's time. [ns]
    """
    spent_ns, pages = [0.0] * len(_PASSES), [0.0] * len(_PASSES)
    for before, after in pairwise(samples):
        number = int(after["full_scans"] - samples[0]["full_scans"])
        is_within = before["full_scans"] == after["full_scans"] and number < len(_PASSES)
        skipped = after.get("pages_skipped", 0.0) - before.get("pages_skipped", 0.0)
        if is_within and not skipped and "ksmd_ns" in after:
            spent_ns[number] += after["ksmd_ns"] - before["ksmd_ns"]
            pages[number] += after["pages_scanned"] - before["pages_scanned"]
    return [spent / n if n > 0 and spent > 0 else None for spent, n in zip(spent_ns, pages, strict=True)]


def summarize_runs(runs: Sequence[Sequence[float | None]]) -> tuple[list[Figure], list[Unknown]]:
    """Summarize the passes of several runs, and the costs of a visit that follow from each."""
    figures, unknown = [], []
    for position, (name, how) in enumerate(zip(_PASSES, _HOW, strict=True)):
        seen = [cost for run in runs if (cost := run[position]) is not None]
        if seen:
            figures.append(summarize_samples(name, "ns", seen, how))
        else:
            unknown.append(Unknown(name, "the pass was not seen alone, or the kernel does not count ksmd's CPU time"))
    visits = [visit for run in runs if (visit := _visit_costs_ns(run)) is not None]
    if visits:
        how = "from the unchanged pass, less half of its pages merged before at 1 us"
        figures.append(summarize_samples("ksm_search", "ns", [search for search, _ in visits], how))
        how = "from the merging pass, less the 60 % of its pages that find no partner"
        figures.append(summarize_samples("ksm_merge", "ns", [merge for _, merge in visits], how))
    return figures, unknown


def _visit_costs_ns(run: Sequence[float | None]) -> tuple[float, float] | None:
    """Split the passes into the cost of a search without partner and of a merge; None where they cannot be."""
    _, merging, unchanged = run
    if merging is None or unchanged is None:
        return None
    search = (unchanged - (1 - _UNMERGED_SHARE) * MERGED_NS) / _UNMERGED_SHARE
    merge = (merging - _SEARCHED_SHARE * search) / _MERGED_SHARE
    return (search, merge) if search > 0 and merge > 0 else None
