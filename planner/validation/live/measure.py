"""Measure what this machine allows, into a folder laid out like measured runs."""

from collections.abc import Callable
from pathlib import Path

from planner.errors import InputError
from planner.validation.live.ksm import measure_ksm, why_no_ksm
from planner.validation.live.machine import Machine, why_not_here
from planner.validation.live.swap import measure_swap, why_no_swap
from planner.validation.live.undo import ending_on_signals


def measure_machine(machine: Machine, folder: Path, tell: Callable[[str], None]) -> bool:
    """Measure KSM and swap as far as this machine allows; everything changed for it is changed back.

    Parameters
    ----------
    machine : Machine
    folder : Path
        Gets `ksm/` and `swap/`.
    tell : callable
        Told in a line what is measured, and what is not and why.

    Returns
    -------
    bool
        Whether anything was measured.
    """
    reason = why_not_here()
    if reason:
        tell(f"nothing is measured live: {reason}")
        return False
    parts = (
        ("KSM", lambda: why_no_ksm(machine), lambda: measure_ksm(machine, folder / "ksm")),
        ("swap", lambda: why_no_swap(machine, folder), lambda: measure_swap(machine, folder / "swap")),
    )
    measured = [_measure_part(name, why_not, measure, tell) for name, why_not, measure in parts]
    return any(measured)


def _measure_part(
    name: str, why_not: Callable[[], str | None], measure: Callable[[], None], tell: Callable[[str], None]
) -> bool:
    reason = why_not()
    if reason:
        tell(f"{name} is not measured live: {reason}")
        return False
    tell(f"measuring {name} on this machine; its settings are restored afterwards ...")
    try:
        with ending_on_signals():
            measure()
    except (InputError, OSError) as error:
        tell(f"{name} could not be measured live: {error}")
        return False
    return True
