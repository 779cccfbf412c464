"""Bundles that kernels take by reference: fields, nesting, writing through to the arrays, and errors."""

from typing import NamedTuple

import numpy as np
import pytest
from numba import typeof, types
from numba.core.errors import TypingError

from planner.kernels.bundle import by_reference, pack_bundle
from planner.kernels.compiled import kernel


@by_reference
class Inner(NamedTuple):
    grid: np.ndarray
    factor: int
    is_on: bool


@by_reference
class Outer(NamedTuple):
    line: np.ndarray
    inner: Inner
    offset: float


@kernel
def add_row(outer, row):
    """Add a row of the inner grid to the line, in place."""
    total = 0.0
    for i in range(outer.line.size):
        if outer.inner.is_on:
            outer.line[i] += outer.offset + outer.inner.grid[row, i] * outer.inner.factor
        total += outer.line[i]
    return total


@kernel
def add_both(outer):
    """Hand the bundle on to another kernel, whose stores must be seen by the second call."""
    return add_row(outer, 0) + add_row(outer, 1)


@kernel
def ask_for_nothing(outer):
    """Read a field that is not there."""
    return outer.nothing


def make_outer(is_on=True):
    return Outer(np.ones(5), Inner(np.arange(10).reshape(2, 5), 3, is_on), 0.5)


def test_kernels_read_nested_fields_and_write_through_to_the_arrays():
    outer = make_outer()
    first = 1.5 + 3.0 * np.arange(5)
    second = first + 0.5 + 3.0 * np.arange(5, 10)
    assert add_both(outer) == first.sum() + second.sum()
    np.testing.assert_array_equal(outer.line, second)


def test_a_false_field_is_false():
    outer = make_outer(is_on=False)
    assert add_both(outer) == 10.0


def test_each_call_sees_the_bundle_as_it_is_then():
    outer = make_outer()
    add_both(outer)
    changed = outer._replace(inner=outer.inner._replace(factor=0))
    before = outer.line.copy()
    add_row(changed, 0)
    np.testing.assert_array_equal(outer.line, before + 0.5)


def test_strided_arrays_keep_their_strides():
    grid = np.arange(20).reshape(2, 10)[:, ::2]
    outer = Outer(np.zeros(5), Inner(grid, 1, True), 0.0)
    add_row(outer, 1)
    np.testing.assert_array_equal(outer.line, grid[1])


def test_an_unknown_field_is_a_typing_error():
    with pytest.raises(TypingError, match="nothing"):
        ask_for_nothing(make_outer())


def test_packing_takes_the_same_room_for_the_same_kinds():
    assert pack_bundle(make_outer()).size == pack_bundle(make_outer(is_on=False)).size


def test_a_constant_and_a_variable_share_one_compiled_kernel():
    # Asked for as the compiler does: callers that come from the cache on disk would ask for nothing.
    for row in (types.literal(0), types.int32, types.int64):
        add_row.get_call_template([typeof(make_outer()), row], {})
    assert {str(signature[1]) for signature in add_row.part.signatures} == {"int64"}
