"""Groups of 64 neighbouring pages, and whether one of them may be shared as it is: private, of a content that can be.

A scan looks at a twelfth of all pages in a tick, and next to none of them can be shared: others hold unique bytes or
are shared already. A mark a group answers that from 16 KiB for a VM of 4 GiB, where page classes and contents are
5 MiB. A mark is set where a page becomes such a page, and taken back when a look through the group finds none.
"""

import numpy as np

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.state import NO_CONTENT, PRIVATE

GROUP_BITS = 6
GROUP_PAGES = 1 << GROUP_BITS


@small_kernel
def open_group(stack, i):
    """Note that page `i` has become private, or its content one that can be shared. In place."""
    stack.sharing.is_open[i >> GROUP_BITS] = 1


@kernel
def close_groups(stack, first, end):
    """Close the groups of the pages from `first` to before `end` that hold no page to share. In place.

    Returns
    -------
    int
        Groups that stay open.
    """
    is_open, host_class, content = stack.sharing.is_open, stack.pages.host_class, stack.pages.content
    n_open = 0
    for group in range(first >> GROUP_BITS, (end + GROUP_PAGES - 1) >> GROUP_BITS):
        if is_open[group] == 1:
            pages = slice(group << GROUP_BITS, (group + 1) << GROUP_BITS)
            is_open[group] = _is_any_to_share(host_class[pages], content[pages])
            n_open += is_open[group]
    return n_open


@small_kernel
def _is_any_to_share(host_class, content):
    # On slices and without a branch the loop is vectorised: 0.2 ns a page, 1.3 otherwise.
    is_any = np.uint32(0)
    for k in range(host_class.size):
        is_any |= np.uint32(host_class[k] == PRIVATE) & np.uint32(content[k] != NO_CONTENT)
    return np.uint8(is_any)


@kernel
def keep_to_share(stack, first, looks, n_looks):
    """Keep the pages that can be shared as they are, of the first `n_looks` in `looks`, in their order. In place.

    Parameters
    ----------
    stack : Stack
    first : int
        First page of the VM.
    looks : int32 array
        Pages, numbered within the VM.
    n_looks : int

    Returns
    -------
    int
        How many are kept.
    """
    # Every look is written and only some are kept: a branch for each would be guessed wrong, and wait for memory.
    is_open, host_class, content = stack.sharing.is_open, stack.pages.host_class, stack.pages.content
    n_kept = 0
    for n in range(n_looks):
        offset = looks[n]
        looks[n_kept] = offset
        n_kept += np.int64(is_open[(first + offset) >> GROUP_BITS])
    n_looks, n_kept = n_kept, 0
    for n in range(n_looks):
        offset = looks[n]
        looks[n_kept] = offset
        n_kept += np.int64(host_class[first + offset] == PRIVATE) & np.int64(content[first + offset] != NO_CONTENT)
    return n_kept
