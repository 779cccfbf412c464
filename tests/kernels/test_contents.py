"""Kinds of pages: stratified draws, and contents numbered as sorting them would tell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.kernels.contents import PURPOSE_CONTENT, FirstKeys, PageKinds, count_contents, draw_stratified, fill_pages
from planner.kernels.contents import number_contents as number
from planner.kernels.state import GUEST_FREE, NO_CONTENT

KINDS = PageKinds(*(share * 2.0**32 for share in (0.125, 0.375, 0.5, 0.0625, 0.25, 0.5, 0.5, 0.25, 0.5)))


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**20), st.integers(0, 15))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_each_64th_is_drawn_once_among_64_neighbours(key, group, purpose):
    places = [int(draw_stratified(np.uint32(key), group * 64 + k, purpose)) >> 26 for k in range(64)]
    assert sorted(places) == list(range(64))


def test_places_are_permuted_anew_in_each_group_and_uniform_within_their_range():
    drawn = np.array([draw_stratified(np.uint32(9), page, 12) for page in range(64 * 400)])
    at_front = (drawn.reshape(400, 64)[:, 0] >> 26).astype(np.int64)
    # 400 draws of 64 places: chi-square with 63 degrees of freedom is below 103.4 with probability 0.999.
    assert ((np.bincount(at_front, minlength=64) - 6.25) ** 2 / 6.25).sum() < 103.4
    within = np.bincount((drawn & 0x3FFFFFF) >> 22, minlength=16)
    # 25,600 draws in 16 bins: below 37.7 with probability 0.999.
    assert ((within - 1600) ** 2 / 1600).sum() < 37.7


def test_pages_hold_the_shares_asked_for():
    n_pages = 640
    content, guest, size = np.empty(n_pages, np.int32), np.empty(n_pages, np.uint8), np.empty(n_pages, np.uint8)
    fill_pages(np.uint32(3), KINDS, FirstKeys(1, 100, 1), content, guest, size)
    # Shares are whole numbers of 64ths, so every group of 64 has exactly 8 zero, 16 duplicated and 8 common pages,
    # 4 pages of free guest memory, and 32 that compress.
    for first in range(0, n_pages, 64):
        rows = slice(first, first + 64)
        assert [(content[rows] == 0).sum(), (content[rows] > 0).sum()] == [8, 24]
        assert [(guest[rows] == GUEST_FREE).sum(), (size[rows] <= 8).sum()] == [4, 32]
    # Sizes are linear between: 64 x 0.25 pages in units 1-4, as many in 5-8, 64 x 0.5 in 9-16: 4 of each, of 640 40.
    assert np.bincount(size, minlength=17)[1:].tolist() == [40] * 16
    # 160 duplicated pages, three copies each (the first: four) in order of the pages; 80 common ones, numbered on.
    own, image = content[(content > 0) & (content < 100)], content[content >= 100]
    assert own.tolist() == [1, *(1 + k // 3 for k in range(159))]
    assert image.tolist() == list(range(100, 180))
    assert count_contents(np.uint32(3), n_pages, KINDS) == (160, 80)


def test_what_sharing_saves_is_right_on_average_for_any_number_of_pages():
    kinds = KINDS._replace(zero_below=0.0, self_below=2.0**32, image_below=2.0**32)
    content, guest, size = np.empty(640, np.int32), np.empty(640, np.uint8), np.empty(640, np.uint8)
    fill_pages(np.uint32(3), kinds, FirstKeys(1, 0, 0), content, guest, size)
    saved = [n - np.unique(content[:n]).size for n in range(3, 603)]
    # Two thirds of n are saved; the remainders of n ÷ 3 are off by 0, +1/3 and -1/3.
    assert np.mean(saved) == pytest.approx(np.mean(np.arange(3, 603) * 2 / 3), abs=1e-9)


def test_without_an_image_nothing_is_common():
    content, guest, size = np.empty(640, np.int32), np.empty(640, np.uint8), np.empty(640, np.uint8)
    fill_pages(np.uint32(3), KINDS, FirstKeys(1, 0, 0), content, guest, size)
    assert (content == NO_CONTENT).sum() == 640 - 80 - 160


@given(
    keys=st.lists(st.lists(st.integers(-1, 8), max_size=12), min_size=1, max_size=4),
    n_scopes=st.integers(1, 4),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_numbers_stand_for_zero_pages_and_contents_met_twice(keys, n_scopes):
    start = np.cumsum([0, *(len(vm) for vm in keys)])
    content = np.array([key for vm in keys for key in vm], np.int32)
    scope_of_vm = np.arange(len(keys)) % n_scopes
    scopes = [[key for v, vm in enumerate(keys) if v % n_scopes == n for key in vm] for n in range(n_scopes)]
    expected = {
        (n, key): None
        for n, scope in enumerate(scopes)
        for key in scope
        if key == 0 or (key > 0 and scope.count(key) > 1)
    }
    seen, numbers, zero = np.zeros(9, np.int32), np.full(9, NO_CONTENT, np.int32), np.empty(len(keys), np.int64)
    count = number(content, start, scope_of_vm, seen, numbers, zero)
    assert count == len(expected)
    assert not seen.any()
    found = {}
    for v, vm in enumerate(keys):
        n = v % n_scopes
        for key, given_number in zip(vm, content[start[v] : start[v + 1]].tolist(), strict=True):
            if given_number == NO_CONTENT:
                assert (n, key) not in expected
            else:
                assert found.setdefault(given_number, (n, key)) == (n, key)
    assert sorted(found) == list(range(count))
    assert sorted(found.values()) == sorted(expected)
    zeros = {number: scope for number, (scope, key) in found.items() if key == 0}
    assert {int(z): v for v, z in enumerate(zero) if z != NO_CONTENT} == zeros


def test_draw_of_contents_depends_on_the_vm():
    drawn = [[int(draw_stratified(np.uint32(key), page, PURPOSE_CONTENT)) for page in range(64)] for key in (1, 2)]
    assert np.corrcoef(drawn)[0, 1] == pytest.approx(0.0, abs=0.4)
