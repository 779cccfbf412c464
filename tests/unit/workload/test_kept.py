"""Values are kept within a budget of bytes, the ones asked for last; never more."""

import pickle

from hypothesis import given, settings
from hypothesis import strategies as st

from planner.workload.kept import Kept


def test_the_one_not_asked_for_the_longest_goes_first():
    kept = Kept(30)
    for name in "abc":
        kept.put(name, name.upper(), 10)
    assert kept.get("a") == "A"
    kept.put("d", "D", 15)
    # 45 bytes are 15 too many: b and c go, a was asked for since.
    assert [kept.get(name) for name in "abcd"] == ["A", None, None, "D"]
    assert (kept.held_bytes, len(kept)) == (25, 2)


def test_what_is_larger_than_the_budget_drives_nothing_out():
    kept = Kept(30)
    kept.put("small", 1, 30)
    kept.put("large", 2, 31)
    assert (kept.get("small"), kept.get("large")) == (1, None)


def test_a_copy_starts_empty():
    kept = Kept(30)
    kept.put("a", 1, 10)
    copy = pickle.loads(pickle.dumps(kept))
    assert (len(copy), copy.held_bytes) == (0, 0)
    copy.put("b", 1, 31)
    assert len(copy) == 0


@settings(max_examples=100, deadline=None, derandomize=True)
@given(budget=st.integers(0, 100), sizes=st.lists(st.integers(0, 60), max_size=40))
def test_what_is_held_never_passes_the_budget(budget, sizes):
    kept = Kept(budget)
    for number, n_bytes in enumerate(sizes):
        kept.put(number, n_bytes, n_bytes)
        assert kept.held_bytes <= budget
        held = [kept.get(key) for key in range(number + 1)]
        assert kept.held_bytes == sum(value for value in held if value is not None)
