"""Adaptive search: which ratio to simulate next, and with how many replicates, until the answer is known.

A pure state machine: it asks for looks and is told what came of them, and simulates nothing. The answer is the largest
ratio that meets the objective. It first finds the knee with few replicates a ratio, by bisection over the ratios or by
growing steps from a given start; then it adds replicates at the two ratios beside the knee until both are settled; last
it checks the ratio below the answer, so that monotonicity is used but not taken for granted. docs/adaptive.md has the
whole method.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from planner.config.spec import PlannerConfig
from planner.config.sweep import AdaptiveSpec

REPLICATES_FACTOR = 4
"""Most replicates of a ratio ÷ `sweep.replicates`, where the config does not say."""
_ROUNDING = 1e-9


class Verdict(StrEnum):
    """What a look at a ratio has shown."""

    MET = "met"
    BROKEN = "broken"
    UNSETTLED = "not settled"
    TOO_FEW = "nothing broke, too few replicates"
    OUT_OF_REACH = "out of reach"
    WITHIN = "within so far"
    ABOVE = "above so far"
    NO_ROOM = "VMs without a host"


_OPEN = (Verdict.WITHIN, Verdict.ABOVE)
_UP = (Verdict.MET, Verdict.WITHIN)


class Request(NamedTuple):
    """A look that is wanted: position of the ratio, number of the look (from 0), and why."""

    ratio: int
    look: int
    reason: str


@dataclass(frozen=True)
class Found:
    """The end of a search.

    Attributes
    ----------
    answer : int or None
        Position of the largest ratio that meets the objective; None when the smallest does not.
    violations : tuple of int
        Ratios that meet the objective although a smaller one does not: then risk was not monotone, or chance was.
    """

    answer: int | None
    violations: tuple[int, ...]


class LineSearch:
    """The search over the ratios of one line, ascending.

    Parameters
    ----------
    has_room : sequence of bool
        For each ratio, whether every VM finds a host. Ratios before the first that has are left out: there the hosts
        run out, whatever the risk.
    n_looks : int
        Looks that a ratio may have.
    start : int, optional
        Ratio to begin at, where the answer is expected nearby; else the search bisects.
    """

    def __init__(self, has_room: Sequence[bool], n_looks: int, start: int | None = None) -> None:
        self._n_looks = n_looks
        self._end = len(has_room)
        self._first = has_room.index(True) if True in has_room else self._end
        self._start = None if start is None else min(max(start, self._first), self._end - 1)
        self._verdicts: dict[int, Verdict] = {at: Verdict.NO_ROOM for at, fits in enumerate(has_room) if not fits}
        self._looks: dict[int, int] = {}
        self._given_up: set[int] = set()

    def next_request(self) -> Request | None:
        """Return the next look; None when the answer is settled."""
        low, high = self._bracket()
        if high - low > 1:
            return self._probe(low, high)
        if self._verdicts.get(high) is Verdict.TOO_FEW and self._verdicts.get(low) in _OPEN:
            return self._step_down(high)
        for at, reason in ((low, "settle the largest within"), (high, "settle the smallest above")):
            if self._verdicts.get(at) in _OPEN:
                return Request(at, self._looks[at] + 1, reason)
        if low - 1 >= self._first and low - 1 not in self._verdicts:
            return Request(low - 1, 0, "check the ratio below the answer")
        return None

    def record(self, request: Request, verdict: Verdict) -> None:
        """Take in what a look has shown. After the last look an open verdict counts as not settled."""
        if verdict in _OPEN and request.look + 1 >= self._n_looks:
            verdict = Verdict.UNSETTLED
        self._verdicts[request.ratio] = verdict
        self._looks[request.ratio] = request.look

    def give_up(self, request: Request) -> None:
        """Leave a ratio as it is, because the look that it wants would cost too much: it counts as not settled."""
        self._verdicts[request.ratio] = Verdict.UNSETTLED
        self._looks.setdefault(request.ratio, -1)
        self._given_up.add(request.ratio)

    def given_up(self) -> tuple[int, ...]:
        """List the ratios that were left because a look would have cost too much."""
        return tuple(sorted(self._given_up))

    def verdict(self, ratio: int) -> Verdict | None:
        """Return what is known of a ratio; None when nothing is."""
        return self._verdicts.get(ratio)

    def is_settled(self, ratio: int) -> bool:
        """Whether more replicates would not be asked for, whatever happens at other ratios."""
        return ratio in self._verdicts and self._verdicts[ratio] not in _OPEN

    def found(self) -> Found:
        """Return the answer as far as it is known."""
        low, high = self._bracket()
        answer = low if self._verdicts.get(low) is Verdict.MET else None
        violations = tuple(at for at in range(high + 1, self._end) if self._verdicts.get(at) is Verdict.MET)
        return Found(answer, violations)

    def _bracket(self) -> tuple[int, int]:
        """Largest ratio that looks good with every smaller one, smallest that does not."""
        judged = [at for at in sorted(self._verdicts) if at >= self._first]
        high = next((at for at in judged if self._verdicts[at] not in _UP), self._end)
        low = max((at for at in judged if at < high), default=self._first - 1)
        return low, high

    def _step_down(self, high: int) -> Request:
        """Halve what is left below a ratio at which nothing broke: its neighbour would hardly be settled, either."""
        met = max((at for at, verdict in self._verdicts.items() if at < high and verdict is Verdict.MET), default=-1)
        at = (max(met, self._first - 1) + high) // 2
        return Request(at, self._looks.get(at, -1) + 1, "middle of what could be settled")

    def _probe(self, low: int, high: int) -> Request:
        start = self._start
        if start is None or (low >= self._first and high < self._end):
            return Request((low + high) // 2, 0, "middle of what is left")
        if not self._looks:
            return Request(start, 0, "where the answer is expected")
        # Steps of 1, 2, 4, ... from the start, away from what is known.
        at = low + max(1, low - start + 1) if high == self._end else high - max(1, start - high + 1)
        return Request(min(max(at, low + 1), high - 1), 0, "a larger step from the start")


def ratio_grid(spec: AdaptiveSpec, given: Sequence[float]) -> tuple[float, ...]:
    """List the ratios of a search: from `min` in steps of `resolution` to `max`, each as it would be written.

    Parameters
    ----------
    given : sequence of float
        `sweep.overcommit_ratio`; its smallest and largest stand in for what the spec leaves out.
    """
    low = min(given) if spec.min is None else spec.min
    high = max(given) if spec.max is None else spec.max
    steps = int((high - low) / spec.resolution + _ROUNDING)
    return tuple(round(low + step * spec.resolution, 6) for step in range(steps + 1))


def most_replicates(config: PlannerConfig, independent: int | None) -> int:
    """Return how many replicates a ratio may have: no more than demand has independent ones."""
    spec = config.sweep.adaptive or AdaptiveSpec()
    wanted = spec.replicates_max or REPLICATES_FACTOR * config.sweep.replicates
    return wanted if independent is None else min(wanted, independent)


def grid_config(config: PlannerConfig, independent: int | None) -> PlannerConfig:
    """Return the config of the full grid that an adaptive search chooses from; without a search the config itself.

    Parameters
    ----------
    independent : int or None
        Replicates after which demand repeats; None where it never does.
    """
    spec = config.sweep.adaptive
    if spec is None:
        return config
    ratios = ratio_grid(spec, config.sweep.overcommit_ratio)
    changes = {"overcommit_ratio": ratios, "replicates": most_replicates(config, independent)}
    return config.model_copy(update={"sweep": config.sweep.model_copy(update=changes)})
