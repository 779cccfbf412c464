"""Write a calibration as a file that configs name: `measured: FILE`."""

import os
from pathlib import Path
from typing import Any

import yaml

from planner.calibrate.ksm import MERGED_NS
from planner.calibrate.result import Calibration
from planner.calibrate.swap import DEPTHS
from planner.config.measured import MEASURED
from planner.errors import InputError
from planner.units import format_seconds

_HEAD = """\
# Measured by `planner calibrate`. A config takes it with `measured: FILE`, relative to the config:
#     fleet: {hosts: [{..., swap: measured, measured: FILE}]}     section host: swap device, latency of memory
#     hypervisor: {preset: kvm, measured: FILE}                   section hypervisor: CPU time of KSM
# The other sections are for the reader. Delete what is not to be taken.
"""
_NS = 1e-9


def preset_values(calibration: Calibration) -> dict[str, Any]:
    """Turn a calibration into what the preset file holds. What is unknown is left out."""
    values: dict[str, Any] = {"schema_version": 1, "machine": dict(calibration.machine)}
    if calibration.cpu is not None:
        values["machine"]["cpu_preset"] = calibration.cpu
    host = _host(calibration)
    if host:
        values["host"] = host
    hypervisor = _hypervisor(calibration)
    if hypervisor:
        values["hypervisor"] = hypervisor
    values["figures"] = {
        figure.name: {
            "unit": figure.unit,
            "median": _rounded(figure.median),
            "quartiles": [_rounded(figure.low), _rounded(figure.high)],
            "repeats": figure.repeats,
            "how": figure.how,
        }
        for figure in calibration.figures
    }
    values["unknown"] = {unknown.name: unknown.reason for unknown in calibration.unknown}
    return values


def write_preset(path: Path, calibration: Calibration) -> None:
    """Write the preset, in one step: a file that was there before is replaced whole.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    text = _HEAD + yaml.safe_dump(preset_values(calibration), sort_keys=False, allow_unicode=True, width=120)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InputError(str(path), f"cannot be written ({error.strerror})", "name another file with --out") from None


def _host(calibration: Calibration) -> dict[str, Any]:
    found: dict[str, Any] = {}
    latency_ns, load_ns = calibration.median("swap_latency_q1"), calibration.median("load_2m")
    rates = [rate for depth in DEPTHS if (rate := calibration.median(f"swap_reads_q{depth}")) is not None]
    if latency_ns is not None and rates:
        found["swap"] = {
            "name": MEASURED,
            "description": calibration.swap_kind,
            "latency": _duration(latency_ns),
            "reads_per_s": round(max(rates)),
            "is_ram": calibration.is_zram,
        }
    if load_ns is not None:
        found["dram_latency"] = _duration(load_ns)
    return found


def _hypervisor(calibration: Calibration) -> dict[str, Any]:
    wanted = {"checksum": "ksm_first_pass", "search": "ksm_search", "merge": "ksm_merge"}
    known = {key: ns for key, name in wanted.items() if (ns := calibration.median(name)) is not None}
    if "search" not in known:
        return {}
    cost = {key: _duration(ns) for key, ns in known.items()}
    # The search is what is left of a pass after visits to merged pages: one goes with the other.
    return {"page_sharing": {"cost": {**cost, "merged": _duration(MERGED_NS)}}}


def _duration(ns: float) -> str:
    return format_seconds(_rounded(ns) * _NS)


def _rounded(value: float) -> float:
    """Round to what a measurement is good for: four significant digits."""
    return float(f"{value:.4g}")
