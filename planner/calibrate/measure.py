"""Measure all that this host allows, one thing after another: they must not disturb each other."""

import os
import platform
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from planner.calibrate.chase import measure_chase
from planner.calibrate.cpu import cpu_preset, read_cpuinfo
from planner.calibrate.ksm import measure_scanner
from planner.calibrate.memory import measure_copy, measure_cow, measure_first_touch
from planner.calibrate.result import Calibration, CalibrationOptions, Figure, Unknown
from planner.calibrate.swap import measure_reads
from planner.errors import InputError
from planner.units import LARGE_PAGE_BYTES, MIB, format_bytes
from planner.validation.live.ksm import why_no_ksm
from planner.validation.live.machine import Machine, available_bytes, why_not_here
from planner.validation.live.memory_group import swap_in_use
from planner.validation.live.undo import ending_on_signals

_LEAST_MEMORY_BYTES = 32 * MIB
_MOST_KSM_REPEATS = 3

Tell = Callable[[str], None]
_Found = tuple[Iterable[Figure], Iterable[Unknown]]


def calibrate(options: CalibrationOptions, tell: Tell | None = None, machine: Machine | None = None) -> Calibration:
    """Measure this host's constants. Settings of the kernel end as they began, even if this process is killed.

    Parameters
    ----------
    options : CalibrationOptions
    tell : callable, optional
        Told in a line what is being measured.
    machine : Machine, optional
        Where the kernel shows itself; other places in tests.

    Raises
    ------
    InputError
        This is no Linux, memory is too short for anything, or the swap device that was named cannot be read.
    """
    here = machine or Machine()
    if not sys.platform.startswith("linux"):
        raise InputError("planner calibrate", f"measures Linux hosts; this is {sys.platform}", "run it on the host")
    say = tell or (lambda text: None)
    figures: list[Figure] = []
    unknown: list[Unknown] = []
    swap_path, is_zram, why_no_swap = _swap_source(options, here)
    parts: tuple[tuple[str, Callable[[], _Found]], ...] = (
        ("memory", lambda: _memory(options, here)),
        ("pointer chase", lambda: measure_chase(_fitting(options.chase_bytes, here, 8), options.repeats)),
        ("swap device", lambda: _swap(options, swap_path, why_no_swap)),
        ("KSM", lambda: _ksm(options, here)),
    )
    for what, measure in parts:
        say(f"measuring: {what} ...")
        more, not_known = measure()
        figures += more
        unknown += not_known
    info = read_cpuinfo((here.proc / "cpuinfo").read_text(encoding="utf-8", errors="replace"))
    if not is_zram:
        unknown.append(Unknown("compression", "no swap is on zram, and zswap's cost is no figure of its own"))
    return Calibration(
        machine={
            "kernel": platform.release(),
            "cpu": info.get("model name", "unknown"),
            "cores": str(os.cpu_count() or "unknown"),
            "load_average": f"{os.getloadavg()[0]:.2f}",
        },
        figures=tuple(figures),
        unknown=tuple(unknown),
        cpu=cpu_preset(info),
        swap_kind="" if swap_path is None else f"Measured on {swap_path.name}",
        is_zram=is_zram,
    )


def _memory(options: CalibrationOptions, machine: Machine) -> _Found:
    n_bytes = _fitting(options.memory_bytes, machine)
    touched, unknown = measure_first_touch(n_bytes, options.repeats)
    return [measure_copy(n_bytes, options.repeats), *touched, measure_cow(n_bytes, options.repeats)], unknown


def _fitting(wanted_bytes: int, machine: Machine, part: int = 4) -> int:
    """Return how much memory may be used: what is wanted, or that part of what is available. Raises InputError."""
    available = available_bytes(machine)
    fitting = min(wanted_bytes, available // part) // LARGE_PAGE_BYTES * LARGE_PAGE_BYTES
    if fitting < _LEAST_MEMORY_BYTES:
        message = f"{format_bytes(available)} of memory are available"
        raise InputError("planner calibrate", message, f"it takes {format_bytes(part * _LEAST_MEMORY_BYTES)}")
    return fitting


def _swap_source(options: CalibrationOptions, machine: Machine) -> tuple[Path | None, bool, str]:
    """Choose what to read: path, whether it is compressed RAM, and why there is none."""
    if options.swap_path is not None:
        return options.swap_path, options.swap_path.name.startswith("zram"), ""
    in_use = swap_in_use(machine)
    if not in_use:
        return None, False, "no swap is switched on; name a device, or a file on the disk meant for it, with --swap"
    if not os.access(in_use[0], os.R_OK):
        return None, False, f"{in_use[0]} cannot be read; it takes root"
    return in_use[0], in_use[0].name.startswith("zram"), ""


def _swap(options: CalibrationOptions, path: Path | None, why_not: str) -> _Found:
    if path is None:
        return [], [Unknown("swap", why_not)]
    return measure_reads(path, options.swap_s, options.repeats), []


def _ksm(options: CalibrationOptions, machine: Machine) -> _Found:
    reason = "it was not asked for" if not options.has_ksm else why_not_here() or why_no_ksm(machine)
    if reason:
        return [], [Unknown("ksm", reason)]
    try:
        with ending_on_signals():
            return measure_scanner(machine, min(options.repeats, _MOST_KSM_REPEATS))
    except OSError as error:
        return [], [Unknown("ksm", f"could not be measured ({error})")]
