"""What the pages of a VM hold when first touched: kind of content, guest class, compressed size, by hash of the page.

Draws are stratified: of each 64 neighbouring pages exactly one falls into each 64th of the range. So a coarse sample
holds as much of each kind as the memory that it stands for, to a page in 64, and that at every popularity.
"""

from typing import NamedTuple

import numpy as np

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.draws import PURPOSE_STRATUM, draw_u32
from planner.kernels.state import (
    GUEST_ANON,
    GUEST_CACHE,
    GUEST_DIRTY,
    GUEST_FREE,
    GUEST_KERNEL,
    NO_CONTENT,
    UNITS_PER_PAGE,
)

ZERO_KEY = 0
"""Key of pages that hold nothing but zeros."""

SELF_SHARED_COPIES = 3
"""Copies of a page that is duplicated within its VM. Sharing such pages gives back 2/3 of them; measured sites gave
back 0.64 to 0.77 of what they shared (Waldspurger, OSDI 2002, figure 5)."""

PURPOSE_CONTENT, PURPOSE_GUEST, PURPOSE_COMPRESS = 11, 12, 13

_GROUP_BITS = 6
_GROUP = 1 << _GROUP_BITS


class PageKinds(NamedTuple):
    """Upper ends of the ranges of draws, 0 to 2**32, that make a page of each kind."""

    zero_below: float
    self_below: float
    image_below: float
    free_below: float
    cache_below: float
    kernel_below: float
    dirty_below: float
    quarter_below: float
    half_below: float


class FirstKeys(NamedTuple):
    """First content keys of one VM: of contents of its own and of its image; `has_image` is 0 without an image."""

    own: int
    image: int
    has_image: int


@small_kernel
def draw_stratified(vm_key, page, purpose):
    """Draw a 32-bit number for a page: uniform, and each 64th of the range once among 64 neighbouring pages."""
    return _draw_in_group(vm_key, page, purpose, _order_of(vm_key, page, purpose))


@small_kernel
def _order_of(vm_key, page, purpose):
    """Draw the order of the 64ths in the group of a page."""
    return draw_u32(vm_key, page >> _GROUP_BITS, purpose, PURPOSE_STRATUM)


@small_kernel
def _draw_in_group(vm_key, page, purpose, order):
    # Two rounds of multiplying by an odd number and folding are a permutation of 64 places; the group draws it.
    place = np.uint32(np.uint32(page) & np.uint32(_GROUP - 1))
    for shift in (np.uint32(0), np.uint32(13)):
        bits = np.uint32(order >> shift)
        place = np.uint32(np.uint32(place * np.uint32(bits | np.uint32(1))) + np.uint32(bits >> np.uint32(6)))
        place = np.uint32(place & np.uint32(_GROUP - 1))
        place = np.uint32(place ^ np.uint32(place >> np.uint32(3)))
    within = np.uint32(draw_u32(vm_key, page, 0, purpose) >> np.uint32(_GROUP_BITS))
    return np.uint32(np.uint32(place << np.uint32(32 - _GROUP_BITS)) | within)


@kernel
def count_contents(vm_key, n_pages, kinds):
    """Count a VM's pages that are duplicated within it, and those common to its image."""
    n_self, n_image = 0, 0
    for first in range(0, n_pages, _GROUP):
        order = _order_of(vm_key, first, PURPOSE_CONTENT)
        for page in range(first, min(first + _GROUP, n_pages)):
            draw = float(_draw_in_group(vm_key, page, PURPOSE_CONTENT, order))
            n_self += kinds.zero_below <= draw < kinds.self_below
            n_image += kinds.self_below <= draw < kinds.image_below
    return n_self, n_image


@kernel
def fill_pages(vm_key, kinds, first, content_key, guest_class, compressed_units):
    """Fill what the pages of one VM hold. Fills the last three arguments.

    Parameters
    ----------
    vm_key : uint32
        Draw key of the VM.
    kinds : PageKinds
    first : FirstKeys
    content_key : int32 array, shape (n_pages,)
        NO_CONTENT for content of one page alone, ZERO_KEY, or the key of a content that several pages hold.
    guest_class, compressed_units : uint8 array, shape (n_pages,)
    """
    _fill_contents(vm_key, kinds, first, content_key)
    _fill_guest_classes(vm_key, kinds, guest_class)
    _fill_sizes(vm_key, kinds, compressed_units)


@kernel
def _fill_contents(vm_key, kinds, first, content_key):
    n_self, n_image, n_pages = 0, 0, content_key.size
    for begin in range(0, n_pages, _GROUP):
        order = _order_of(vm_key, begin, PURPOSE_CONTENT)
        for page in range(begin, min(begin + _GROUP, n_pages)):
            draw = float(_draw_in_group(vm_key, page, PURPOSE_CONTENT, order))
            content_key[page] = NO_CONTENT
            if draw < kinds.zero_below:
                content_key[page] = ZERO_KEY
            elif draw < kinds.self_below:
                # The first content has a copy more: then what sharing saves among the first pages of a VM, however many
                # are granted, is right on average. Without it a sample loses a third of a page in every VM.
                content_key[page] = first.own + max(0, n_self - 1) // SELF_SHARED_COPIES
                n_self += 1
            elif draw < kinds.image_below and first.has_image:
                content_key[page] = first.image + n_image
                n_image += 1


@kernel
def _fill_guest_classes(vm_key, kinds, guest_class):
    n_pages = guest_class.size
    for begin in range(0, n_pages, _GROUP):
        order = _order_of(vm_key, begin, PURPOSE_GUEST)
        for page in range(begin, min(begin + _GROUP, n_pages)):
            guest = float(_draw_in_group(vm_key, page, PURPOSE_GUEST, order))
            # Values are chosen, not branched to: draws are random, and a branch would be guessed wrong.
            late = GUEST_DIRTY if guest < kinds.dirty_below else GUEST_ANON
            late = GUEST_KERNEL if guest < kinds.kernel_below else late
            late = GUEST_CACHE if guest < kinds.cache_below else late
            guest_class[page] = GUEST_FREE if guest < kinds.free_below else late


@kernel
def _fill_sizes(vm_key, kinds, compressed_units):
    n_pages = compressed_units.size
    for begin in range(0, n_pages, _GROUP):
        order = _order_of(vm_key, begin, PURPOSE_COMPRESS)
        for page in range(begin, min(begin + _GROUP, n_pages)):
            draw = float(_draw_in_group(vm_key, page, PURPOSE_COMPRESS, order))
            compressed_units[page] = _compressed_units(draw, kinds.quarter_below, kinds.half_below)


@small_kernel
def _compressed_units(draw, quarter_below, half_below):
    """Return a size in 1/16 page; the share of pages up to a size is linear to a quarter, to half, to a whole page."""
    quarter, half = UNITS_PER_PAGE // 4, UNITS_PER_PAGE // 2
    if draw < quarter_below:
        return np.uint8(1 + int(draw * quarter / quarter_below))
    if draw < half_below:
        return np.uint8(1 + quarter + int((draw - quarter_below) * (half - quarter) / (half_below - quarter_below)))
    return np.uint8(1 + half + int((draw - half_below) * (UNITS_PER_PAGE - half) / (4294967296.0 - half_below)))


@kernel
def number_contents(content, start, scope, seen, number, out_zero):
    """Give numbers from 0 on to contents that can be shared: zeros, and what several pages of a scope hold. In place.

    Parameters
    ----------
    content : int32 array, shape (n_pages,)
        Content keys; becomes content numbers, NO_CONTENT where nothing can be shared.
    start : int64 array, shape (n_vms + 1,)
        First page of each VM.
    scope : int64 array, shape (n_vms,)
        Scope of sharing of each VM, numbered from 0: the host is one, or each NUMA node, or each VM.
    seen : int32 array, shape (n_keys,)
        Work array of zeros; left as it was.
    number : int32 array, shape (n_keys,)
        Work array of NO_CONTENT.
    out_zero : int64 array, shape (n_vms,)
        Filled with the number of the zero page of each scope, NO_CONTENT where there is none.

    Returns
    -------
    int
        How many numbers were given.
    """
    n_vms = start.size - 1
    n_numbers = 0
    out_zero[:] = NO_CONTENT
    for number_of_scope in range(n_vms):
        first_number = n_numbers
        for v in range(n_vms):
            if scope[v] == number_of_scope:
                for i in range(start[v], start[v + 1]):
                    if content[i] >= 0:
                        seen[content[i]] += 1
        for v in range(n_vms):
            if scope[v] == number_of_scope:
                part = content[start[v] : start[v + 1]]
                n_numbers = _number_part(part, first_number, n_numbers, seen, number)
        if number.size > 0 and number[ZERO_KEY] >= first_number:
            out_zero[number_of_scope] = number[ZERO_KEY]
    return n_numbers


@kernel
def _number_part(content, first_number, n_numbers, seen, number):
    """Give numbers to one VM's contents within a scope whose numbers start at `first_number`."""
    for i in range(content.size):
        key = content[i]
        if key < 0:
            continue
        if number[key] < first_number and (seen[key] > 1 or key == ZERO_KEY):
            # Only the first page of a content comes here, so `seen` is still whole.
            number[key] = n_numbers
            n_numbers += 1
        seen[key] -= 1
        content[i] = number[key] if number[key] >= first_number else NO_CONTENT
    return n_numbers
