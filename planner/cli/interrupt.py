"""Ctrl-C and SIGTERM: once ends a command in order, with all that is done stored; twice ends it at once.

While hosts are simulated, the executor is asked to stop and given a few seconds; at any other time the command is
interrupted where it is, because then everything that took long is stored already. Python handles a signal when the
kernel that runs returns, so a host that is simulated in this process itself is finished first.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from planner.analysis.wording import format_count
from planner.cli.progress import note
from planner.errors import EXIT_INTERRUPTED, StoppedError
from planner.fleet.base import PATIENCE_S, Executor, Progress, SimFactory, Sink, StopRequest
from planner.fleet.local import LocalExecutor
from planner.host.problem import HostProblem
from planner.results.journal import Journal
from planner.workload.source import DemandSource

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_OVERDUE_S = PATIENCE_S + 0.5
"""When an executor that was asked to stop is interrupted, whatever it does."""


class Interrupts:
    """Handles the signals of a command while it is entered. Only the main thread of a process can."""

    def __init__(self) -> None:
        self.stop = StopRequest()
        self._is_gentle = False
        self._earlier: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            handlers: dict[int, Callable[[int, FrameType | None], None]] = dict.fromkeys(_SIGNALS, self._handle)
            for number, handler in (handlers | {signal.SIGALRM: _interrupt}).items():
                self._earlier[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *_: object) -> None:
        if self.stop.is_asked():
            # The process is about to end; a further signal ends it at once.
            return
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    @contextmanager
    def gently(self) -> Iterator[None]:
        """Ask whoever works in the block to stop, instead of interrupting it."""
        self._is_gentle = True
        try:
            yield
        finally:
            self._is_gentle = False
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        if self.stop.is_asked():
            raise StoppedError

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.stop.is_asked():
            _tell(b"stopped at once; what was stored before is kept\n")
            os._exit(EXIT_INTERRUPTED)
        self.stop.ask()
        if not self._is_gentle:
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, _OVERDUE_S)
        _tell(b"\nstopping: waiting a moment for what runs; once more stops at once\n")


def _tell(line: bytes) -> None:
    """Write to stderr past Python's buffers, which may be in use; a reader that is gone is no reason not to stop."""
    with suppress(OSError):
        os.write(2, line)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise StoppedError


class GentleExecutor:
    """An executor whose work is ended in order on the first signal (a `planner.fleet.base.Executor`)."""

    def __init__(self, executor: Executor, interrupts: Interrupts) -> None:
        self._executor = executor
        self._interrupts = interrupts

    def run_problems(
        self,
        problems: Sequence[HostProblem],
        sim_factory: SimFactory,
        source: DemandSource,
        sink: Sink,
        progress: Progress,
    ) -> None:
        """Run every problem; see `planner.fleet.base.Executor`."""
        with self._interrupts.gently():
            self._executor.run_problems(problems, sim_factory, source, sink, progress)

    def worker_cpu_s(self) -> float:
        """Return the CPU time of the workers. [s]."""
        return self._executor.worker_cpu_s()


@contextmanager
def open_executor(
    kind: str, workers: int | None, ray_address: str | None, interrupts: Interrupts
) -> Iterator[GentleExecutor]:
    """Open the executor of that kind, and close it afterwards. Ray is imported only when it is asked for."""
    if kind == "local":
        yield GentleExecutor(LocalExecutor(interrupts.stop), interrupts)
        return
    from planner.fleet.ray_pool import RayExecutor

    with RayExecutor(workers, ray_address, interrupts.stop, say=note) as executor:
        yield GentleExecutor(executor, interrupts)


@contextmanager
def journaled(journal: Journal) -> Iterator[Journal]:
    """Keep a journal open; whatever ends the block early is told what is stored, in a note of the exception.

    Raises
    ------
    StoppedError
        The user ended the command, and something is stored.
    """
    try:
        with journal:
            yield journal
    except KeyboardInterrupt:
        if not journal.folder.exists():
            raise
        error = StoppedError("interrupted")
        error.add_note(_stored(journal))
        raise error from None
    except BaseException as error:
        if journal.folder.exists():
            error.add_note(_stored(journal))
        raise


def _stored(journal: Journal) -> str:
    return f"{format_count(journal.store.count_written(), 'host simulation')} stored in {journal.folder}"
