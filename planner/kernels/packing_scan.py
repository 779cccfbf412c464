"""Packing by looking at one host after the other, for any rule: first-fit, best-fit, worst-fit, random, grouped.

Each loop puts units on hosts in a given order, changes the ledger in place and fills `out` (int64, shape (n_units,))
with the host of each unit, -1 where none fits. Those that search among open hosts give the number of units left over.
"""

import numpy as np

from planner.kernels.compiled import kernel, small_kernel
from planner.kernels.draws import draw_u32
from planner.kernels.packing_ledger import fits, take


@small_kernel
def _may_fit(ledger, unit, host):
    """Look at the first capacity alone: most hosts are full, and asking for all rules takes twenty times as long."""
    return ledger.free[host, 0] >= ledger.need[unit, 0]


@kernel
def scan_first_fit(order, ledger, is_open, out):
    """Put each unit on the first open host that takes it; `is_open` is a bool array, shape (n_hosts,)."""
    n_left = 0
    for unit in order:
        out[unit] = -1
        for host in range(is_open.size):
            if is_open[host] and _may_fit(ledger, unit, host) and fits(ledger, unit, host):
                out[unit] = host
                take(ledger, unit, host)
                break
        if out[unit] < 0:
            n_left += 1
    return n_left


@kernel
def scan_best_fit(order, ledger, is_used, opened, out):
    """Put each unit on the host in use with the least room that takes it; else on the first unused one that does.

    Parameters
    ----------
    is_used : bool array, shape (n_hosts,)
        Hosts in use; changed in place.
    opened : int64 array, shape (n_hosts,)
        Work space: the hosts in use, in the order in which they were opened.
    """
    n_opened = 0
    for host in range(is_used.size):
        if is_used[host]:
            opened[n_opened] = host
            n_opened += 1
    for unit in order:
        best, best_room = -1, np.int64(0)
        for position in range(n_opened):
            host = opened[position]
            room = ledger.free[host, 0]
            if (best < 0 or room < best_room) and _may_fit(ledger, unit, host) and fits(ledger, unit, host):
                best, best_room = host, room
        if best < 0:
            for host in range(is_used.size):
                if not is_used[host] and _may_fit(ledger, unit, host) and fits(ledger, unit, host):
                    best = host
                    is_used[host] = True
                    opened[n_opened] = host
                    n_opened += 1
                    break
        out[unit] = best
        if best >= 0:
            take(ledger, unit, best)


@kernel
def scan_worst_fit(order, ledger, is_open, weight, out):
    """Put each unit on the open host with the most room ÷ weight (float64, shape (n_hosts,)), the first of equals."""
    n_left = 0
    for unit in order:
        best, best_room = -1, -np.inf
        for host in range(is_open.size):
            if is_open[host]:
                room = ledger.free[host, 0] / weight[host]
                if room > best_room and _may_fit(ledger, unit, host) and fits(ledger, unit, host):
                    best, best_room = host, room
        out[unit] = best
        if best >= 0:
            take(ledger, unit, best)
        else:
            n_left += 1
    return n_left


@kernel
def scan_random(order, ledger, is_open, keys, purpose, out):
    """Put each unit on the open host of those that take it for which it draws the largest number.

    Parameters
    ----------
    keys : uint32 array, shape (n_units,)
        Keys of the draws. The draw is of unit and host, so it does not depend on the order or on other units.
    purpose : int
        Purpose of the draws.
    """
    n_left = 0
    for unit in order:
        best, best_draw = -1, np.int64(-1)
        for host in range(is_open.size):
            if is_open[host]:
                draw = np.int64(draw_u32(keys[unit], host, 0, purpose))
                if draw > best_draw and _may_fit(ledger, unit, host) and fits(ledger, unit, host):
                    best, best_draw = host, draw
        out[unit] = best
        if best >= 0:
            take(ledger, unit, best)
        else:
            n_left += 1
    return n_left


@kernel
def scan_spread(order, ledger, is_open, member_start, member_groups, held, out):
    """Put each unit on the open host with the fewest VMs of its groups, the one with most room of those.

    Parameters
    ----------
    member_start, member_groups : int64 arrays, shapes (n_units + 1,) and (n,)
        Groups of the unit's VMs, one entry per VM that has a group.
    held : int64 array, shape (n_groups, n_hosts)
        VMs of each group on each host; changed in place.
    """
    n_left = 0
    for unit in order:
        best, fewest, best_room = -1, np.int64(0), np.int64(0)
        for host in range(is_open.size):
            if not is_open[host]:
                continue
            count = np.int64(0)
            for entry in range(member_start[unit], member_start[unit + 1]):
                count += held[member_groups[entry], host]
            room = ledger.free[host, 0]
            is_better = best < 0 or count < fewest or (count == fewest and room > best_room)
            if is_better and _may_fit(ledger, unit, host) and fits(ledger, unit, host):
                best, fewest, best_room = host, count, room
        out[unit] = best
        if best >= 0:
            take(ledger, unit, best)
            for entry in range(member_start[unit], member_start[unit + 1]):
                held[member_groups[entry], best] += 1
        else:
            n_left += 1
    return n_left


@kernel
def scan_sharing(order, ledger, is_used, image_start, images, common, held, out):
    """Put each unit on the host in use where most of its pages are there already; of equals on the tightest.

    A new host is opened only when no host in use takes the unit.

    Parameters
    ----------
    is_used : bool array, shape (n_hosts,)
        Hosts in use; changed in place.
    image_start, images : int64 arrays, shapes (n_units + 1,) and (n,)
        Images of the unit.
    common : float64 array, shape (n,)
        Largest amount of the image's common memory that one VM of the unit has. [bytes]
    held : float64 array, shape (n_images, n_hosts)
        The same for each host: an image's pages are there once, as many as its largest VM has. Changed in place.
    """
    for unit in order:
        best, best_saved, best_room = -1, 0.0, np.int64(0)
        for host in range(is_used.size):
            if not is_used[host]:
                continue
            saved = 0.0
            for entry in range(image_start[unit], image_start[unit + 1]):
                saved += min(common[entry], held[images[entry], host])
            room = ledger.free[host, 0]
            is_better = best < 0 or saved > best_saved or (saved == best_saved and room < best_room)
            if is_better and _may_fit(ledger, unit, host) and fits(ledger, unit, host):
                best, best_saved, best_room = host, saved, room
        if best < 0:
            for host in range(is_used.size):
                if not is_used[host] and _may_fit(ledger, unit, host) and fits(ledger, unit, host):
                    best = host
                    is_used[host] = True
                    break
        out[unit] = best
        if best >= 0:
            take(ledger, unit, best)
            for entry in range(image_start[unit], image_start[unit + 1]):
                held[images[entry], best] = max(held[images[entry], best], common[entry])
