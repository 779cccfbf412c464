"""Progress of an import, on stderr."""

import sys
import time

_LINE_EVERY_S = 10.0


class ShowFiles:
    """Count files on stderr: in place on a terminal, a line every ten seconds elsewhere."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._started_s = self._last_s = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Take note of `done` of `total` files."""
        now_s = time.monotonic()
        is_last = done == total
        if now_s - self._last_s < (0.2 if self._is_terminal else _LINE_EVERY_S) and not is_last:
            return
        self._last_s = now_s
        left_s = (now_s - self._started_s) / done * (total - done)
        text = f"reading: {done} of {total} files" + ("" if is_last else f", about {left_s:.0f} s left")
        start, end = ("\r\033[K", "\n" if is_last else "") if self._is_terminal else ("", "\n")
        sys.stderr.write(start + text + end)
        sys.stderr.flush()
