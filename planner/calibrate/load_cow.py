"""The process that measures copy-on-write breaks: it forks, and writes to what it shares with its child.

Started by `memory`, never imported. Arguments: bytes, repeats. Prints a JSON list of nanoseconds per page.
"""

import json
import mmap
import os
import sys
import time

import numpy as np

_PAGE = 4096


def main() -> None:
    """Measure every repeat with a child and memory of its own."""
    n_bytes, repeats = int(sys.argv[1]), int(sys.argv[2])
    json.dump([_measure_ns(n_bytes) for _ in range(repeats)], sys.stdout)


def _measure_ns(n_bytes: int) -> float:
    memory = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    pages = np.frombuffer(memory, dtype=np.uint8)[::_PAGE]
    pages[:] = 1
    waiting, letting_go = os.pipe()
    child = os.fork()
    if child == 0:
        # Holds the memory until the parent is done or dead, and touches nothing.
        os.close(letting_go)
        os.read(waiting, 1)
        os._exit(0)
    os.close(waiting)
    try:
        started_ns = time.thread_time_ns()
        pages[:] = 2
        return (time.thread_time_ns() - started_ns) / pages.size
    finally:
        os.close(letting_go)
        os.waitpid(child, 0)
        del pages
        memory.close()


if __name__ == "__main__":
    main()
