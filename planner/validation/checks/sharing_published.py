"""Published amounts of page sharing: what the scanner makes of contents with the shares that a paper gives."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from planner.host.pages import UNIQUE_KEY, ZERO_KEY
from planner.kernels import timeline
from planner.units import MIB, PAGE_BYTES
from planner.validation.base import Computed
from planner.validation.checks.sharing import check_late_duplicates
from planner.validation.contents import ScanHost, play, start_scan

_PAGES_PER_MIB = MIB // PAGE_BYTES
_COVERAGE = 12
"""Pages scanned at random ÷ pages: all but 6 in a million are met."""


def check_identical_vms(config: Mapping[str, Any]) -> Computed:
    """Let ESXi share the memory of 1 to `vms` equal VMs, in shares of all memory.

    Each VM of `memory` MB holds `zero` MB of zero pages, `own` MB in classes of equal pages of which `own_frames` MB
    are distinct, the same in all VMs, and `common` MB of pages that others may hold, too: those of a common pool, each
    with probability `presence`. The rest is unique.
    """
    numbers = [int(number) for number in config["vms"]]
    shared, reclaimed = [], []
    for n_vms in numbers:
        contents = [_identical_vm(config, v) for v in range(n_vms)]
        saved, mapped = _share(contents)
        total = sum(content.size for content in contents)
        shared.append(100.0 * mapped / total)
        reclaimed.append(100.0 * saved / total)
    values = {f"shared_{n}": value for n, value in zip(numbers, shared, strict=True)}
    values |= {f"reclaimed_{n}": value for n, value in zip(numbers, reclaimed, strict=True)}
    x = tuple(float(n) for n in numbers)
    curves = {"shared": (x, tuple(shared)), "reclaimed": (x, tuple(reclaimed))}
    return Computed(values, curves, ("VMs", "share of all memory [%]"))


def check_site(config: Mapping[str, Any]) -> Computed:
    """Let ESXi share `total` MB, of which `zero` MB are zero pages and `shared` MB in classes of `copies` pages."""
    n_zero, n_shared = _pages(config["zero"]), _pages(config["shared"])
    content = np.full(_pages(config["total"]), UNIQUE_KEY)
    content[:n_zero] = ZERO_KEY
    content[n_zero : n_zero + n_shared] = 1 + (np.arange(n_shared) / float(config["copies"])).astype(np.int64)
    saved, mapped = _share([np.random.default_rng(1).permutation(content)])
    return Computed({"shared": 100.0 * mapped / content.size, "reclaimed": 100.0 * saved / content.size})


def check_short_lived(config: Mapping[str, Any]) -> Computed:
    """Scale the `hinted` MiB of a scanner with hints to a linear scan of `scan` s, for pages that live `life` s."""
    life_in_passes = float(config["life"]) / float(config["scan"])
    merged = check_late_duplicates({"life_in_passes": life_in_passes, "pages": config["pages"], "seed": 1})
    saved = merged.values["merged_share"] * float(config["hinted"])
    return Computed({"scanned": saved, "factor": float(config["hinted"]) / saved})


def _pages(megabytes: float) -> int:
    return round(float(megabytes) * _PAGES_PER_MIB)


def _identical_vm(config: Mapping[str, Any], v: int) -> np.ndarray:
    n_zero, n_own, own_frames = (_pages(config[name]) for name in ("zero", "own", "own_frames"))
    presence = float(config["presence"])
    pool = _pages(float(config["common"]) / presence)
    held = np.flatnonzero(np.random.default_rng([1, v]).random(pool) < presence)
    content = np.full(_pages(config["memory"]), UNIQUE_KEY)
    content[:n_zero] = ZERO_KEY
    content[n_zero : n_zero + n_own] = 1 + np.arange(n_own) % own_frames
    content[n_zero + n_own : n_zero + n_own + held.size] = 1 + own_frames + held
    return np.random.default_rng([2, v]).permutation(content)


def _share(contents: list[np.ndarray]) -> tuple[int, int]:
    """Return pages saved and pages mapped to shared frames once nearly all is found."""
    sharing = {"salting": False, "full_scan": "1 s", "pages_per_s_per_vm": 1e9, "scan_per_ghz": "1 TiB/s"}
    run = start_scan(ScanHost(contents, sharing, 1.0, _COVERAGE, preset="esxi-8"))
    for _ in play(run):
        pass
    row = run.out.timeline[-1]
    return int(row[timeline.SHARED_SAVED]), int(row[timeline.SHARED])


CHECKS = {"identical-vms": check_identical_vms, "sharing-site": check_site, "short-lived": check_short_lived}
