"""The load of a live KSM run: a process that holds zero, common and unique pages and offers them for merging.

Started by `ksm`, never imported. Arguments: MiB, share of zero pages, share of common pages, number of the process.
Ends when its stdin ends, so that it does not outlive its owner.
"""

import hashlib
import mmap
import sys

_PAGE = 4096
_GOLDEN = 0.6180339887498949


def main() -> None:
    """Fill memory, say "ready", wait for the end of stdin."""
    mib, zero, common, number = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    n_pages = mib * 1024 * 1024 // _PAGE
    memory = mmap.mmap(-1, n_pages * _PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    n_zero, n_common = int(n_pages * zero), int(n_pages * common)
    # Multiples of the golden ratio mix the kinds of pages evenly, without a generator.
    mixed = sorted(range(n_pages), key=lambda page: page * _GOLDEN % 1.0)
    for rank, page in enumerate(mixed):
        if rank < n_zero:
            text = bytes(_PAGE)
        elif rank < n_zero + n_common:
            text = _content(f"common {rank}")
        else:
            text = _content(f"{number} {rank}")
        memory[page * _PAGE : (page + 1) * _PAGE] = text
    memory.madvise(mmap.MADV_MERGEABLE)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()


def _content(name: str) -> bytes:
    return hashlib.shake_128(name.encode()).digest(_PAGE)


main()
