"""Memory: copy bandwidth, first touch of small and large pages, copy-on-write breaks. Needs no root.

Times are CPU times of this thread: on a busy machine, waiting for a core is not counted.
"""

import json
import mmap
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from planner.calibrate.result import Figure, Unknown, summarize_samples
from planner.errors import InputError
from planner.units import LARGE_PAGE_BYTES, PAGE_BYTES

_ROOT = Path(__file__).parents[2]
_LONGEST_S = 60
_HUGE_LINE = "AnonHugePages:"


def measure_copy(n_bytes: int, repeats: int) -> Figure:
    """Measure how fast memory is copied: bytes read and written once each, counted once. [GB/s]."""
    source, target = np.ones(n_bytes, dtype=np.uint8), np.zeros(n_bytes, dtype=np.uint8)
    np.copyto(target, source)
    rates = []
    for _ in range(repeats):
        started_ns = time.thread_time_ns()
        np.copyto(target, source)
        rates.append(n_bytes / (time.thread_time_ns() - started_ns))
    return summarize_samples("memory_copy", "GB/s", rates, f"copy of {n_bytes >> 20} MiB by one core")


def measure_first_touch(n_bytes: int, repeats: int) -> tuple[list[Figure], list[Unknown]]:
    """Measure the first write to a page of fresh memory, 4 KiB and 2 MiB. [ns]."""
    small = [_touch_ns(n_bytes, PAGE_BYTES, mmap.MADV_NOHUGEPAGE)[0] for _ in range(repeats)]
    figures = [summarize_samples("first_touch_4k", "ns", small, "first write to a 4 KiB page of fresh memory")]
    large = [_touch_ns(n_bytes, LARGE_PAGE_BYTES, mmap.MADV_HUGEPAGE) for _ in range(repeats)]
    if not all(is_large for _, is_large in large):
        reason = "the kernel gives no 2 MiB pages (transparent huge pages are off, or memory is fragmented)"
        return figures, [Unknown("first_touch_2m", reason)]
    how = "first write to a 2 MiB page of fresh memory"
    return [*figures, summarize_samples("first_touch_2m", "ns", [ns for ns, _ in large], how)], []


def measure_cow(n_bytes: int, repeats: int) -> Figure:
    """Measure the first write to a page shared with a forked process. [ns].

    Raises
    ------
    InputError
        The process that measures it failed.
    """
    command = [sys.executable, "-m", "planner.calibrate.load_cow", str(n_bytes), str(repeats)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_LONGEST_S, check=True, cwd=_ROOT)
        samples = [float(value) for value in json.loads(done.stdout)]
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        raise InputError("copy-on-write", f"could not be measured ({type(error).__name__})", "try again") from None
    return summarize_samples("cow_break_4k", "ns", samples, "first write to a 4 KiB page after a fork")


def map_memory(n_bytes: int, advice: int) -> mmap.mmap:
    """Map fresh memory whose large pages start where ours do, and advise the kernel about their size."""
    memory = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(advice)
    return memory


def backed_large_bytes(pid: str = "self", proc: Path = Path("/proc")) -> int:
    """Return how much of a process is backed by 2 MiB pages. [bytes]."""
    try:
        text = (proc / pid / "smaps_rollup").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    found = [line.split()[1] for line in text.splitlines() if line.startswith(_HUGE_LINE)]
    return int(found[0]) * 1024 if found else 0


def _touch_ns(n_bytes: int, page_bytes: int, advice: int) -> tuple[float, bool]:
    """Write one byte to each page; say the time per page, and whether most of it is backed by 2 MiB pages."""
    before = backed_large_bytes()
    memory = map_memory(n_bytes, advice)
    pages = np.frombuffer(memory, dtype=np.uint8)[::page_bytes]
    started_ns = time.thread_time_ns()
    pages[:] = 1
    per_page_ns = (time.thread_time_ns() - started_ns) / pages.size
    is_large = backed_large_bytes() - before > n_bytes // 2
    del pages
    memory.close()
    return per_page_ns, is_large
