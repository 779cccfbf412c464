"""Ranking and words of the sensitivity analysis, by hand."""

import numpy as np
import pytest

from planner.analysis.risk import HostRuns
from planner.analysis.sensitivity import (
    EndResult,
    choose_measure,
    is_worse,
    judge_share,
    rank,
    share_looks,
    strongest,
    summarize_sensitivity,
)
from planner.config.slo import SloSpec
from planner.sweep.adaptive import Verdict

FACTS = {"ratio": 1.4, "next_ratio": 1.5}
BASE = EndResult("as configured", "", "", "", 1.4, 0.0, 0.3)


def end(assumption, side, ratio=1.4, here=0.0, following=0.3):
    return EndResult(assumption, side, f"{assumption} {side}", "a source", ratio, here, following)


def test_ranked_by_how_far_the_ratio_moves_then_by_the_risks():
    ends = [
        end("cache", "low", here=0.1), end("cache", "high"),
        end("tail", "low", 1.6), end("tail", "high", 1.3),
        end("zero", "low", 1.5), end("zero", "high"),
        end("free", "low"), end("free", "high"),
    ]  # fmt: skip
    assert choose_measure(BASE, ends) == "overcommit_ratio"
    ranking = rank(BASE, ends, "overcommit_ratio")
    assert [row["assumption"] for row in ranking] == ["tail", "zero", "cache", "free"]
    assert ranking[0] == {"assumption": "tail", "low": 1.6, "high": 1.3, "swing": pytest.approx(0.3)}
    # An end that was not tried stands at the base.
    assert rank(BASE, ends[2:3], "overcommit_ratio")[0]["high"] == 1.4
    assert strongest(BASE, ends, 3) == ["tail", "zero", "cache"]
    text = summarize_sensitivity(BASE, ends, [], FACTS)["sentence"]
    assert text == "The answer moves most with tail: 1.6 at tail low, 1.3 at tail high; 1.4 as configured."


def test_where_no_ratio_moves_the_risk_beside_it_is_shown_and_said_so():
    ends = [end("tail", "low", following=0.2), end("tail", "high", following=0.5), end("zero", "low", following=0.25)]
    found = summarize_sensitivity(BASE, ends, [], FACTS)
    assert found["shows"] == "swap_risk_at_next"
    assert found["sentence"] == (
        "No assumption moves the ratio by itself. The share of hosts broken at 1.5 moves most with tail: "
        "20 % at tail low, 50 % at tail high; 30 % as configured."
    )
    assert choose_measure(BASE, [end("tail", "low", here=0.02)]) == "swap_risk_at_ratio"


def test_where_nothing_moves_it_says_so():
    found = summarize_sensitivity(BASE, [end("tail", "low")], [], FACTS)
    assert found["sentence"].startswith("None of the assumptions")
    assert "largest ratio of the sweep" not in found["sentence"]
    at_the_end = summarize_sensitivity(BASE, [end("tail", "low")], [], FACTS | {"next_ratio": FACTS["ratio"]})
    assert "1.4 is the largest ratio of the sweep" in at_the_end["sentence"]
    assert strongest(BASE, [end("tail", "low")], 3) == []


def test_no_ratio_at_all_is_a_swing_down_to_nothing():
    found = summarize_sensitivity(BASE, [end("tail", "high", None)], [], FACTS)
    assert "no ratio at tail high" in found["sentence"]
    assert found["ranking"][0]["swing"] == 1.4


def test_worse_is_a_smaller_ratio_then_more_risk():
    assert is_worse(end("a", "low", 1.3), BASE)
    assert not is_worse(end("a", "low", 1.5, here=0.2), BASE)
    assert is_worse(end("a", "low", here=0.01), BASE)
    assert not is_worse(end("a", "low"), BASE)


@pytest.mark.parametrize(
    ("broken", "number", "verdict"),
    [
        (0, 0, Verdict.MET),  # nothing broke: half of the replicates are enough
        (1, 0, Verdict.WITHIN),  # 2.5 % of 40
        (3, 0, Verdict.ABOVE),  # 7.5 %, less than twice 5 %
        (5, 0, Verdict.BROKEN),  # 12.5 %
        (2, 1, Verdict.MET),  # 5 % is allowed
        (3, 1, Verdict.BROKEN),
    ],
)
def test_shares_are_judged_by_what_was_observed(broken, number, verdict):
    runs = HostRuns(
        np.repeat(np.arange(4), 10), np.tile(np.arange(10), 4).astype(object), np.arange(40) < broken,
        np.ones(40, dtype=bool), np.zeros((40, 2)),
    )  # fmt: skip
    looks = share_looks(8)
    assert [look.replicates for look in looks] == [4, 8]
    slo = SloSpec(hosts_affected="5 %")
    assert judge_share(runs, looks, number, slo).verdict is verdict
