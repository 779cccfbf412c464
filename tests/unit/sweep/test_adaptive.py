"""The state machine of the adaptive search, told verdicts by hand and by rules."""

import random

import pytest

from planner.config.sweep import AdaptiveSpec
from planner.sweep.adaptive import LineSearch, Verdict, ratio_grid

MET, BROKEN, WITHIN, ABOVE = Verdict.MET, Verdict.BROKEN, Verdict.WITHIN, Verdict.ABOVE


def drive(search, judge, most=10_000):
    """Answer every request by `judge(ratio, look)`; return the requests."""
    asked = []
    while (request := search.next_request()) is not None:
        asked.append((request.ratio, request.look))
        assert len(asked) <= most
        search.record(request, judge(request.ratio, request.look))
    return asked


def settled_at(knee, n_looks):
    """Ratios up to `knee` are met, the others broken, but only the last look can tell."""

    def judge(ratio, look):
        if look + 1 < n_looks:
            return WITHIN if ratio <= knee else ABOVE
        return MET if ratio <= knee else BROKEN

    return judge


def test_bisection_by_hand():
    # 0..8, knee 5, clear at once: middle of (-1, 9) is 4, of (4, 9) 6, of (4, 6) 5; then the ratio below: known.
    search = LineSearch([True] * 9, n_looks=3)
    assert drive(search, lambda ratio, look: MET if ratio <= 5 else BROKEN) == [(4, 0), (6, 0), (5, 0)]
    assert search.found().answer == 5


def test_replicates_are_spent_at_the_knee_only():
    # As above, but only the third look settles: 5 gets all three looks, then 6; 4 stays with its first.
    search = LineSearch([True] * 9, n_looks=3)
    asked = drive(search, settled_at(5, 3))
    assert asked == [(4, 0), (6, 0), (5, 0), (5, 1), (5, 2), (6, 1), (6, 2)]
    assert search.found().answer == 5
    assert not search.is_settled(4)


def test_the_skipped_ratio_below_the_answer_is_checked_and_can_refute_it():
    # 0..8: 4 within, 6 met; 7 broken, so 6 would be the answer, but 5, skipped so far, is broken.
    # Then 4 is settled, and 3 below it has a look.
    verdicts = {4: WITHIN, 6: MET, 7: BROKEN, 5: BROKEN, 3: WITHIN}
    search = LineSearch([True] * 9, n_looks=2)
    asked = drive(search, lambda ratio, look: verdicts[ratio] if look == 0 else MET)
    assert asked == [(4, 0), (6, 0), (7, 0), (5, 0), (4, 1), (3, 0)]
    assert search.found().answer == 4
    assert search.found().violations == (6,)


def test_a_start_is_left_in_growing_steps():
    # Knee 11 from start 4: 4, 5, then +2, +4 (11), +8 -> 17 (broken); bisection between 11 and 17.
    search = LineSearch([True] * 20, n_looks=1, start=4)
    asked = drive(search, lambda ratio, look: MET if ratio <= 11 else BROKEN)
    assert [ratio for ratio, _ in asked] == [4, 5, 7, 11, 19, 15, 13, 12, 10]
    assert search.found().answer == 11
    # Down: 4 broken, 3, then 1.
    search = LineSearch([True] * 20, n_looks=1, start=4)
    assert [ratio for ratio, _ in drive(search, lambda ratio, look: MET if ratio <= 1 else BROKEN)] == [4, 3, 1, 2, 0]


def test_ratios_without_room_are_neither_simulated_nor_in_the_way():
    search = LineSearch([False, False, True, True, True, False], n_looks=1)
    asked = drive(search, lambda ratio, look: MET)
    assert {ratio for ratio, _ in asked} <= {2, 3, 4}
    assert search.found().answer == 4
    nowhere = LineSearch([False, False], n_looks=2)
    assert nowhere.next_request() is None
    assert nowhere.found().answer is None


def test_a_look_that_costs_too_much_leaves_the_ratio_not_settled():
    search = LineSearch([True] * 3, n_looks=2)
    first = search.next_request()
    search.record(first, WITHIN)
    while (request := search.next_request()) is not None:
        search.give_up(request)
    assert search.verdict(2) is Verdict.UNSETTLED
    assert search.found().answer is None


def test_where_nothing_breaks_and_nothing_can_be_settled_the_rest_is_halved():
    # 0..8, all fine but only 0 and 1 can be settled: 8 is reached by bisection, then 3, 1, 2.
    def judge(ratio, look):
        return WITHIN if look == 0 else MET if ratio <= 1 else Verdict.TOO_FEW

    search = LineSearch([True] * 9, n_looks=2)
    asked = drive(search, judge)
    assert asked == [(4, 0), (6, 0), (7, 0), (8, 0), (8, 1), (3, 0), (3, 1), (1, 0), (2, 0), (1, 1), (2, 1), (0, 0)]
    assert search.found().answer == 1


@pytest.mark.parametrize("seed", range(40))
def test_answer_and_cost_for_random_knees(seed):
    """Any knee is found; no look is asked for twice; never more than the grid, and far fewer ratios than it has."""
    draw = random.Random(seed)
    count, looks = draw.randint(1, 60), draw.randint(1, 5)
    knee, start = draw.randint(-1, count - 1), draw.choice([None, draw.randint(0, count - 1)])
    search = LineSearch([True] * count, looks, start)
    asked = drive(search, settled_at(knee, looks))
    assert search.found().answer == (knee if knee >= 0 else None)
    assert len(set(asked)) == len(asked) <= count * looks
    ratios = {ratio for ratio, _ in asked}
    assert len(ratios) <= 2 * (count.bit_length() + 1) + 1


@pytest.mark.parametrize("seed", range(40))
def test_arbitrary_verdicts_end_and_never_put_the_answer_above_a_failure(seed):
    draw = random.Random(1000 + seed)
    count, looks = draw.randint(1, 25), draw.randint(1, 4)
    table = {(r, k): draw.choice(list(Verdict)[:7]) for r in range(count) for k in range(looks)}
    search = LineSearch([True] * count, looks, draw.choice([None, 0, count // 2]))
    asked = drive(search, lambda ratio, look: table[ratio, look], most=count * looks)
    answer = search.found().answer
    failed = [r for r, _ in asked if search.is_settled(r) and search.verdict(r) is not MET]
    if answer is not None:
        assert search.verdict(answer) is MET
        assert all(ratio > answer for ratio in failed)


def test_ratio_grid_is_written_as_people_would():
    assert ratio_grid(AdaptiveSpec(), (1.0, 1.2)) == (1.0, 1.05, 1.1, 1.15, 1.2)
    assert ratio_grid(AdaptiveSpec(min=1.1, max=1.35, resolution=0.1), (1.0, 2.0)) == (1.1, 1.2, 1.3)
    assert ratio_grid(AdaptiveSpec(min=1.5, max=1.5), (1.0,)) == (1.5,)
