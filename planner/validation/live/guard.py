"""The process that undoes what a live measurement has changed, once its owner lets go of it or dies.

Started by `undo.Undo`. Reads a step per line on stdin and answers each with "ok"; at the end of stdin, or after
`LONGEST_S`, it carries the steps out, the last one first, and reports those that failed.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

LONGEST_S = 240.0
"""Longest time that anything stays changed: an owner that hangs is not waited for. [s]"""
_RETRY_S = 0.1
_MOST_RETRIES = 50


def main() -> int:
    """Collect steps until the owner lets go, then undo."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    failures = run_steps(_collect())
    sys.stdout.write("".join(f"{failure}\n" for failure in failures))
    return 1 if failures else 0


def run_steps(steps: list[list[str]]) -> list[str]:
    """Carry out steps, the last one first; every one is tried.

    Parameters
    ----------
    steps : list of [verb, path, ...]
        "write" path text; "remove" path; "rmdir" path (waits until it is empty); "swapoff" path.

    Returns
    -------
    list of str
        What could not be done, and why.
    """
    failures = []
    for verb, *words in reversed(steps):
        try:
            _VERBS[verb](*words)
        except (OSError, subprocess.SubprocessError) as error:
            failures.append(f"{verb} {' '.join(words)}: {error}")
    return failures


def _collect() -> list[list[str]]:
    steps: list[list[str]] = []
    ends_s = time.monotonic() + LONGEST_S
    pending = b""
    while (left_s := ends_s - time.monotonic()) > 0 and select.select([0], [], [], left_s)[0]:
        chunk = os.read(0, 65536)
        if not chunk:
            break
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            steps.append(json.loads(line))
            os.write(1, b"ok\n")
    return steps


def _write(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="ascii")


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def _rmdir(path: str) -> None:
    """Remove a control group; its processes may need a moment to be gone."""
    for retry in range(_MOST_RETRIES):
        try:
            os.rmdir(path)  # noqa: PTH106 (a control group is no directory with files to remove)
        except FileNotFoundError:
            return
        except OSError:
            if retry == _MOST_RETRIES - 1:
                raise
            time.sleep(_RETRY_S)


def _swapoff(path: str) -> None:
    if path in Path("/proc/swaps").read_text(encoding="utf-8"):
        subprocess.run(["swapoff", path], check=True, capture_output=True, timeout=60)


_VERBS: dict[str, Callable[..., None]] = {"write": _write, "remove": _remove, "rmdir": _rmdir, "swapoff": _swapoff}

if __name__ == "__main__":
    sys.exit(main())
