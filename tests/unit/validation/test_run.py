"""Rows: tolerances, how they count, and a failing check that does not stop the others."""

import math

import pytest

from planner.errors import InputError
from planner.validation.base import Computed, Expected, Target
from planner.validation.run import Row, count_rows, row_entry, run_targets
from planner.validation.wording import missed_line, outdated_lines, remarks


def target(name="t", check="half", kind="published", **expected):
    return Target(name, "title", kind, "source", check, {"x": 8}, expected)


def half(config):
    return Computed({"half": config["x"] / 2})


def broken(config):
    raise ZeroDivisionError("no such luck")


CHECKS = {"half": half, "broken": broken}


def rows_of(*targets):
    return [row for outcome in run_targets(targets, CHECKS, lambda _: None) for row in outcome.rows]


@pytest.mark.parametrize(
    ("expected", "passed"),
    [
        (Expected(4.0), True),
        (Expected(4.1), False),
        (Expected(4.1, absolute=0.2), True),
        (Expected(5.0, relative=0.2), True),
        (Expected(5.0, relative=0.19), False),
        (Expected(5.0, absolute=1.0, relative=0.01), True),
    ],
)
def test_a_value_passes_within_either_tolerance(expected, passed):
    (row,) = rows_of(target(half=expected))
    assert row.actual == 4.0
    assert row.passed is passed


def test_not_a_number_never_passes():
    assert not Row(target(), "q", Expected(1.0, absolute=1e9), math.nan).passed


def test_a_failing_check_is_failed_rows_and_the_others_go_on():
    rows = rows_of(target("a", check="broken", x=Expected(1), y=Expected(2)), target("b", half=Expected(4)))
    assert [(row.target.name, row.quantity, row.passed) for row in rows] == [
        ("a", "x", False),
        ("a", "y", False),
        ("b", "half", True),
    ]
    assert rows[0].note == "the check failed: ZeroDivisionError: no such luck"
    assert row_entry(rows[0])["actual"] is None


def test_failures_of_input_say_what_is_missing():
    def needs(config):
        raise InputError("a.csv", "no such file") if "file" in config else KeyError("file")

    texts = [run_targets([Target("t", "", "published", "", "n", config, {"x": Expected(1)})], {"n": needs}, print)
             for config in ({}, {"file": 1})]  # fmt: skip
    notes = [outcome.rows[0].note for (outcome,) in texts]
    assert notes == [
        "the check failed: there is no file under config, or its value is not known",
        "the check failed: a.csv: no such file",
    ]


def test_known_misses_are_told_apart():
    known = Expected(5, is_known_miss=True, note="why")
    rows = rows_of(target("a", half=known), target("b", half=Expected(5)), target("c", half=Expected(4)))
    assert [row.counts_as_missed for row in rows] == [True, True, False]
    assert [row.is_known_miss for row in rows] == [True, False, False]
    assert missed_line(rows) == "2 missed, of these 1 known misses"
    assert missed_line(rows[1:]) == "1 missed"
    assert missed_line(rows[2:]) == ""


def test_remarks_name_the_rows_that_they_are_about_where_it_is_not_all():
    about_all = rows_of(target("a", half=Expected(4, note="x")))
    assert remarks(about_all) == ["x"]
    some = [*about_all, *rows_of(target("b", half=Expected(4))), *rows_of(target("c", half=Expected(9, note="missed")))]
    assert remarks(some) == ["half: x"]


def test_a_known_miss_that_fails_or_is_met_is_not_one():
    known = Expected(4, is_known_miss=True, note="why")
    failed, met = rows_of(target("a", check="broken", x=known), target("b", half=known))
    assert not failed.is_known_miss
    assert not met.is_known_miss
    assert outdated_lines([failed, met]) == ["met, though marked as known miss: b: half"]


def test_a_quantity_that_the_check_does_not_give_is_failed():
    (row,) = rows_of(target(third=Expected(1)))
    assert not row.passed
    assert row.note == "the check gives no third; it gives half"


def test_rows_count_by_group_and_kind():
    rows = rows_of(
        target("a", half=Expected(4), kind="closed form"),
        target("b", half=Expected(5)),
        target("c", half=Expected(4, is_calibrated=True)),
        target("d", half=Expected(9), kind="memory only"),
    )
    assert count_rows(rows) == {
        "evidence": {"closed form": (1, 1), "published": (0, 1)},
        "calibrated": {"published": (1, 1)},
        "shown": {"memory only": (0, 1)},
    }


def test_an_entry_has_what_outsiders_are_promised():
    (row,) = rows_of(target(half=Expected(5, relative=0.1, unit="MiB", note="too low")))
    assert row_entry(row) == {
        "target": "t",
        "quantity": "half",
        "kind": "published",
        "source": "source",
        "expected": 5,
        "actual": 4.0,
        "tolerance": 0.5,
        "unit": "MiB",
        "passed": False,
        "calibrated": False,
        "known_miss": False,
        "note": "too low",
    }
