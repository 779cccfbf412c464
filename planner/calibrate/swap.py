"""Swap device: random reads of 4 KiB past the page cache, by how many are under way at once. Reads only.

Threads ask, so a device of more than some 100,000 reads a second is found as fast as Python asks, not faster.
"""

import mmap
import os
import stat
import threading
import time
from pathlib import Path

import numpy as np

from planner.calibrate.result import Figure, summarize_samples
from planner.errors import InputError
from planner.streams import make_generator
from planner.units import MIB, PAGE_BYTES, format_bytes

DEPTHS = (1, 2, 4, 8, 16, 32)
LEAST_BYTES = 64 * MIB
"""Less would be in the cache of the device."""


def measure_reads(path: Path, seconds: float, repeats: int) -> list[Figure]:
    """Measure reads of a device or file at several queue depths.

    Parameters
    ----------
    path : Path
        Opened for reading alone, past the page cache.
    seconds : float
        For each depth and repeat. [s]

    Returns
    -------
    list of Figure
        `swap_latency_qN` in ns, `swap_reads_qN` in reads a second.

    Raises
    ------
    InputError
        It cannot be read in this way, or is too small.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    except OSError as error:
        hint = "name a swap device or a file on the same disk; devices need root"
        raise InputError(str(path), f"cannot be read past the page cache ({error.strerror})", hint) from None
    try:
        n_pages = _size_bytes(handle, path) // PAGE_BYTES
        figures: list[Figure] = []
        for depth in DEPTHS:
            latencies, rates = [], []
            for repeat in range(repeats):
                latency_ns = _read_all(handle, n_pages, depth, seconds, repeat)
                latencies.append(float(np.median(latency_ns)))
                rates.append(len(latency_ns) / seconds)
            how = f"random 4 KiB reads, {depth} at a time"
            figures.append(summarize_samples(f"swap_latency_q{depth}", "ns", latencies, how))
            figures.append(summarize_samples(f"swap_reads_q{depth}", "1/s", rates, how))
        return figures
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", "is it the right device?") from None
    finally:
        os.close(handle)


def _size_bytes(handle: int, path: Path) -> int:
    mode = os.fstat(handle).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        raise InputError(str(path), "is neither a file nor a block device", "name a swap device or file")
    size_bytes = os.lseek(handle, 0, os.SEEK_END)
    if size_bytes < LEAST_BYTES:
        raise InputError(str(path), f"has {format_bytes(size_bytes)}", f"expected {format_bytes(LEAST_BYTES)} at least")
    return size_bytes


def _read_all(handle: int, n_pages: int, depth: int, seconds: float, repeat: int) -> np.ndarray:
    """Read at random with `depth` threads; return the nanoseconds that each read took."""
    ends_ns = time.perf_counter_ns() + int(seconds * 1e9)
    taken: list[list[int]] = [[] for _ in range(depth)]
    failed: list[OSError] = []

    def read(number: int) -> None:
        buffer = mmap.mmap(-1, PAGE_BYTES)  # aligned, as reads past the page cache want it
        generator = make_generator(0, "live", repeat, f"{depth} at a time, {number}")
        try:
            while True:
                for page in generator.integers(n_pages, size=256):
                    started_ns = time.perf_counter_ns()
                    if started_ns >= ends_ns:
                        return
                    os.preadv(handle, [buffer], int(page) * PAGE_BYTES)
                    taken[number].append(time.perf_counter_ns() - started_ns)
        except OSError as error:
            failed.append(error)
        finally:
            buffer.close()

    threads = [threading.Thread(target=read, args=(number,), daemon=True) for number in range(depth)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return np.array([ns for some in taken for ns in some], dtype=np.float64)
