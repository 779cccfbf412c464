"""The shipped popularity laws are in order and carry their evidence."""

from importlib.resources import files

import pytest
import yaml

from planner.workload.popularity import load_law


def test_laws_are_in_order_high_touches_the_tail_most():
    low, middle, high = (load_law(name) for name in ("low", "middle", "high"))
    assert low.alpha > middle.alpha > high.alpha > 0
    assert low.drift_per_day < middle.drift_per_day < high.drift_per_day < 1


def test_laws_lie_within_the_evidence_shipped_with_them():
    data = yaml.safe_load(files("planner.workload").joinpath("data/tail.yaml").read_text(encoding="utf-8"))
    evidence = data["evidence"]
    assert load_law("high").alpha == pytest.approx(evidence["alpha_quartiles"][0])
    assert load_law("middle").alpha == pytest.approx(evidence["alpha_quartiles"][1])
    assert load_law("low").alpha == pytest.approx(evidence["turnover_alpha_quartiles"][2])


def test_untouched_memory_shrinks_with_time_and_grows_with_the_exponent():
    data = yaml.safe_load(files("planner.workload").joinpath("data/tail.yaml").read_text(encoding="utf-8"))
    tables = data["untouched_longer_than"]
    for table in tables.values():
        medians = [table[span][0] for span in ("120 s", "5 min", "1 h", "1 day", "1 week")]
        assert medians == sorted(medians, reverse=True)
    for span in ("1 h", "1 day", "1 week"):
        assert tables["low"][span][0] > tables["middle"][span][0] > tables["high"][span][0]


def test_an_unknown_law_is_a_key_error():
    with pytest.raises(KeyError):
        load_law("lowest")
