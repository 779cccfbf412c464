"""Dumps of several moments: readings of a VM at two times are not one reading.

Dumps of libvirt and Proxmox do not say when they were taken, but a VM in them has a clock: how long it has run, or when
its guest last told of its memory.
"""

from planner.errors import InputError

MOST_APART_S = 3_600
"""Dumps that one script collects from a fleet are taken within this time. [s]"""


def check_one_moment(first: tuple[str, int | None], other: tuple[str, int | None]) -> None:
    """Refuse readings of one VM that are of two moments.

    Parameters
    ----------
    first, other : tuple
        Place of a reading, and the VM's clock there [s]; None or 0 tells nothing.

    Raises
    ------
    InputError
        The clocks are more than `MOST_APART_S` apart.
    """
    if not first[1] or not other[1]:
        return
    apart_s = abs(first[1] - other[1])
    if apart_s > MOST_APART_S:
        direction = "ahead" if other[1] > first[1] else "behind"
        message = f"is of another moment than {first[0]}: the same VM's clock is {apart_s / 3600:.1f} h {direction}"
        raise InputError(other[0], message, "import the dumps of one moment at a time; those of a busy hour tell most")
