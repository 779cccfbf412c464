"""The load of a live swap run: a process that touches a working set at random and counts its major faults.

Started by `swap`, never imported. Arguments: MiB. Says "ready" when its memory is there; then for each line "DIST ALPHA
WARM_UP COUNT" on stdin (DIST u or z) it makes WARM_UP accesses uncounted and COUNT counted ones and answers with the
major faults of the latter and the bytes of the working set that are in memory. Ends when its stdin ends, so that it
does not outlive its owner.
"""

import ctypes
import mmap
import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from planner.streams import make_generator

_PAGE = 4096
_CHUNK = 1000
_WRITE_SHARE = 0.3
_MCL_CURRENT = 1

_Draw = Callable[[int], np.ndarray]


def main() -> None:
    """Populate the working set, then serve the lines of stdin."""
    n_bytes = int(sys.argv[1]) * 1024 * 1024
    n_pages = n_bytes // _PAGE
    generator = make_generator(0, "live")
    lines, order = np.arange(n_pages) * (_PAGE // 8), generator.permutation(n_pages)
    scratch = np.zeros(_CHUNK * (_PAGE // 8), dtype=np.uint64)
    _touch(scratch, lines[:_CHUNK], generator)
    # All that is not the working set stays in memory, so that only the working set competes for the limit.
    ctypes.CDLL(None).mlockall(_MCL_CURRENT)
    sys.stdin.readline()  # the owner has put this process where its memory is counted
    memory = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    words = np.frombuffer(memory, dtype=np.uint64)
    for first in range(0, words.size, scratch.size):
        # Contents that do not compress: a compressing swap device is to be no better than others.
        part = words[first : first + scratch.size]
        part[:] = generator.integers(1 << 63, size=part.size, dtype=np.uint64)
    _say("ready")
    for line in sys.stdin:
        dist, alpha, warm_up, count = line.split()
        draw = _drawer(dist, float(alpha), order, generator)
        _run(words, lines, draw, int(warm_up), generator)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
        _run(words, lines, draw, int(count), generator)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_majflt - before
        _say(f"{faults} {_resident_bytes(words.ctypes.data)}")


def _drawer(dist: str, alpha: float, order: np.ndarray, generator: np.random.Generator) -> _Draw:
    if dist == "u":
        return lambda count: generator.integers(order.size, size=count)
    cumulated = np.cumsum((np.arange(order.size) + 1.0) ** -alpha)
    return lambda count: order[np.searchsorted(cumulated, generator.random(count) * cumulated[-1])]


def _run(words: np.ndarray, lines: np.ndarray, draw: _Draw, count: int, generator: np.random.Generator) -> None:
    for _ in range(0, count, _CHUNK):
        _touch(words, lines[draw(_CHUNK)], generator)


def _touch(words: np.ndarray, places: np.ndarray, generator: np.random.Generator) -> None:
    """Read some places, write the others, in order."""
    for place, writes in zip(places.tolist(), (generator.random(places.size) < _WRITE_SHARE).tolist(), strict=True):
        value = words[place]
        if writes:
            words[place] = value


def _resident_bytes(address: int) -> int:
    """Read how much of the mapping at an address is in memory."""
    text = Path("/proc/self/smaps").read_text(encoding="utf-8")
    mapping = text[text.index(f"{address:x}-") :]
    return int(mapping[mapping.index("Rss:") :].split()[1]) * 1024


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


with suppress(BrokenPipeError):  # the owner is gone: nobody is to be told
    main()
