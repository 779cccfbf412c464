"""Progress on stderr: a bar with the time left on a terminal, a plain line every ten seconds elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

_LINE_EVERY_S = 10.0
_LEAST_SHARE, _LEAST_S = 0.02, 60.0
"""Steps, or time, from which the pace is told: the first steps are slow ones, while kernels and tables are loaded."""


class Stage(Protocol):
    """One stage of the work; call it with the number of steps that have just been done."""

    def __call__(self, n_done: int) -> None:
        """Count steps as done."""
        ...


def note(text: str) -> None:
    """Write one line for the user to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextmanager
def show_progress(label: str, n_steps: int, steps: str = "hosts") -> Iterator[Stage]:
    """Show the progress of a stage of `n_steps` steps, named in the plural, while the block runs."""
    if sys.stderr.isatty():
        with _bar(label, n_steps) as stage:
            yield stage
    else:
        yield _Lines(label, n_steps, steps)


@contextmanager
def _bar(label: str, n_steps: int) -> Iterator[Stage]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=n_steps)

        def advance(n_done: int) -> None:
            progress.advance(task, n_done)

        yield advance


class _Lines:
    """Plain lines, for logs and pipes."""

    def __init__(self, label: str, n_steps: int, steps: str) -> None:
        self._label = label
        self._n_steps = n_steps
        self._steps = steps
        self._n_done = 0
        self._last_line_s = time.monotonic()
        self._first: tuple[float, int] | None = None

    def __call__(self, n_done: int) -> None:
        self._n_done += n_done
        now_s = time.monotonic()
        # Until the first steps are done, workers start and load what they need: that says nothing of the pace.
        self._first = self._first or (now_s, self._n_done)
        if now_s - self._last_line_s < _LINE_EVERY_S and self._n_done < self._n_steps:
            return
        self._last_line_s = now_s
        note(f"{self._label}: {self._n_done} of {self._n_steps} {self._steps}{self._left(now_s, *self._first)}")

    def _left(self, now_s: float, first_s: float, n_first: int) -> str:
        n_left, n_since = self._n_steps - self._n_done, self._n_done - n_first
        if n_since < _LEAST_SHARE * self._n_steps and now_s - first_s < _LEAST_S:
            return ""
        return f", about {_roughly((now_s - first_s) / n_since * n_left)} left" if n_left and n_since else ""


def _roughly(value_s: float) -> str:
    """Write a duration as a guess is told: 95 -> "2 min", 13931 -> "3.9 h"."""
    if value_s < 90:
        return f"{value_s:.0f} s"
    return f"{value_s / 60:.0f} min" if value_s < 5400 else f"{value_s / 3600:.1f} h"
