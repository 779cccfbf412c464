"""Which assumption moves the answer most: shares of broken hosts on the same demand, ranked, and a sentence.

The base and every changed assumption are judged by one standard that needs few replicates: the largest ratio at which
the *observed* share of broken hosts is within the objective. That is less strict than the recommendation, which asks
for an upper bound; what is compared is how far the ratio moves, on the same replicates, not how sure each one is.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from planner.analysis.looks import Judged, Look
from planner.analysis.risk import HostRuns
from planner.analysis.wording import format_percent, format_ratio
from planner.config.slo import SloSpec
from planner.sweep.adaptive import Verdict

CLEARLY_BROKEN = 2.0
"""Share of broken hosts ÷ the share allowed from which half of the replicates are enough to say so."""
RATIO, RISK_HERE, RISK_NEXT = "overcommit_ratio", "swap_risk_at_ratio", "swap_risk_at_next"
"""What the ranking is by: how far the ratio moves, else the risk at the base's ratio, else that at the next larger."""


@dataclass(frozen=True)
class EndResult:
    """What one end of an assumption's range, or several ends together, make of the answer.

    Attributes
    ----------
    assumption, side, value, source : str
        What was changed; for pairs joined by " and ".
    overcommit_ratio : float or None
        Largest ratio within the objective; None when not even the smallest is.
    swap_risk_at_ratio, swap_risk_at_next : float or None
        Share of broken hosts at the base's largest ratio and at the next larger one; None where nothing was simulated.
    """

    assumption: str
    side: str
    value: str
    source: str
    overcommit_ratio: float | None
    swap_risk_at_ratio: float | None
    swap_risk_at_next: float | None


def share_looks(replicates: int) -> tuple[Look, ...]:
    """Plan the looks of a sensitivity search: half of the replicates where they show enough, then all."""
    counts = dict.fromkeys((math.ceil(replicates / 2), replicates))
    return tuple(Look(count, 0.5, 0.5) for count in counts)


def judge_share(runs: HostRuns, looks: tuple[Look, ...], number: int, slo: SloSpec) -> Judged:
    """Judge a ratio by the observed share of broken hosts; parameters as in `looks.judge_look`."""
    share = broken_share(runs)
    known = int(runs.is_known.sum())
    found = Judged(Verdict.BROKEN, share, share or 0.0, 1.0 if share is None else share, known, 0, None)
    if share is None:
        return found
    found = found._replace(broken_runs=int((runs.is_broken & runs.is_known).sum()))
    is_within, is_last = share <= slo.hosts_affected, number + 1 == len(looks)
    if is_last or share == 0.0 or share > CLEARLY_BROKEN * slo.hosts_affected:
        return found._replace(verdict=Verdict.MET if is_within else Verdict.BROKEN)
    return found._replace(verdict=Verdict.WITHIN if is_within else Verdict.ABOVE)


def broken_share(runs: HostRuns) -> float | None:
    """Share of finished host runs that broke the objective; None when none finished."""
    known = int(runs.is_known.sum())
    return float((runs.is_broken & runs.is_known).sum()) / known if known else None


def summarize_sensitivity(
    base: EndResult, ends: Sequence[EndResult], pairs: Sequence[EndResult], facts: dict[str, Any]
) -> dict[str, Any]:
    """Build the summary's part on sensitivity.

    Parameters
    ----------
    base : EndResult
        The config as it is.
    ends, pairs : sequence of EndResult
    facts : dict
        What else the summary is to say: line, ratios, replicates.
    """
    shows = choose_measure(base, ends)
    ranking = rank(base, ends, shows)
    return {
        **facts,
        "base": asdict(base),
        "ends": [asdict(end) for end in ends],
        "pairs": [asdict(pair) for pair in pairs],
        "shows": shows,
        "ranking": ranking,
        "sentence": _sentence(base, ends, ranking, shows, facts),
    }


def choose_measure(base: EndResult, ends: Sequence[EndResult]) -> str:
    """Choose what the ranking is by: the ratio where any end moves it, else a risk that any end moves."""
    for name in (RATIO, RISK_HERE):
        if any(getattr(end, name) != getattr(base, name) for end in ends):
            return name
    return RISK_NEXT


def rank(base: EndResult, ends: Sequence[EndResult], shows: str) -> list[dict[str, Any]]:
    """Rank the assumptions: how far apart ends and base are in what is shown, then in the risks; widest first.

    Returns
    -------
    list of dict
        `assumption`, `low`, `high` (values of the measure at the ends; the base's where an end was not tried), `swing`
        (largest less smallest of the three).
    """
    names = list(dict.fromkeys(end.assumption for end in ends))
    rows = []
    for name in names:
        at = {end.side: end for end in ends if end.assumption == name}
        trio = (base, at.get("low", base), at.get("high", base))
        swings = [_swing([_number(getattr(item, key)) for item in trio]) for key in (shows, RISK_HERE, RISK_NEXT)]
        low, high = (getattr(item, shows) for item in trio[1:])
        rows.append((swings, {"assumption": name, "low": low, "high": high, "swing": swings[0]}))
    rows.sort(key=lambda row: [-swing for swing in row[0]])
    return [row for _, row in rows]


def strongest(base: EndResult, ends: Sequence[EndResult], most: int) -> list[str]:
    """Name the assumptions that move anything, the strongest first, at most so many."""
    shows = choose_measure(base, ends)
    moving = {
        end.assumption
        for end in ends
        if any(getattr(end, key) != getattr(base, key) for key in (RATIO, RISK_HERE, RISK_NEXT))
    }
    return [row["assumption"] for row in rank(base, ends, shows) if row["assumption"] in moving][:most]


def is_worse(end: EndResult, base: EndResult) -> bool:
    """Whether an end makes the answer worse than the base: a smaller ratio, else more risk."""
    mine, theirs = (
        (-_number(item.overcommit_ratio), _number(item.swap_risk_at_ratio), _number(item.swap_risk_at_next))
        for item in (end, base)
    )
    return mine > theirs


def _number(value: float | None) -> float:
    return 0.0 if value is None else value


def _swing(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _sentence(
    base: EndResult, ends: Sequence[EndResult], ranking: Sequence[dict[str, Any]], shows: str, facts: dict[str, Any]
) -> str:
    if not ranking or ranking[0]["swing"] == 0:
        text = "None of the assumptions that were varied moves the answer, or the risk beside it, on these replicates."
        is_last = base.overcommit_ratio is not None and facts["ratio"] == facts["next_ratio"]
        last = f" {format_ratio(facts['ratio'])} is the largest ratio of the sweep: larger ones may tell them apart."
        return text + last if is_last else text
    top = ranking[0]
    parts = [
        f"{_measure(getattr(end, shows), shows)} at {end.value}" for end in ends if end.assumption == top["assumption"]
    ]
    own = _measure(getattr(base, shows), shows)
    if shows == RATIO:
        return f"The answer moves most with {top['assumption']}: {', '.join(parts)}; {own} as configured."
    at = format_ratio(facts["ratio"] if shows == RISK_HERE else facts["next_ratio"])
    return (
        f"No assumption moves the ratio by itself. The share of hosts broken at {at} moves most with "
        f"{top['assumption']}: {', '.join(parts)}; {own} as configured."
    )


def _measure(value: float | None, shows: str) -> str:
    if shows == RATIO:
        return "no ratio" if value is None else format_ratio(value)
    return format_percent(value)
