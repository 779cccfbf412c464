"""Changes to this machine that are undone whatever happens: at the end, on an exception, on signals, after a kill."""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

from planner.errors import InputError
from planner.validation.live.children import start_module
from planner.validation.live.guard import run_steps

_PATIENCE_S = 90


class Undo:
    """Context in which changes are noted before they are made, and undone afterwards, the last one first.

    A guard process, in a session of its own, holds the notes; it undoes when this process lets go of it or dies, so
    that even SIGKILL leaves nothing changed. If the guard itself is killed, this process undoes.

    Raises
    ------
    InputError
        On leaving: something could not be undone; the message says what, so that it can be done by hand.
    """

    def __init__(self) -> None:
        self._steps: list[list[str]] = []
        self._guard: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._guard = start_module("guard")
        return self

    def note(self, *step: str) -> None:
        """Note how the change that comes next is undone; see `guard.run_steps`. Returns once the guard has it."""
        assert self._guard is not None
        assert self._guard.stdin is not None
        assert self._guard.stdout is not None
        self._steps.append(list(step))
        try:
            self._guard.stdin.write(json.dumps(step) + "\n")
            self._guard.stdin.flush()
            has_it = self._guard.stdout.readline() == "ok\n"
        except BrokenPipeError:
            has_it = False
        if not has_it:
            raise InputError("live measurement", "its guard process ended", "nothing was measured; try again")

    def write(self, path: Path, text: str) -> None:
        """Write a kernel setting; what it was before is written back afterwards."""
        before = read_setting(path)
        if before != text:
            self.note("write", str(path), before)
            path.write_text(text, encoding="ascii")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._guard is not None
        try:
            failures = self._guard.communicate(timeout=_PATIENCE_S)[0].splitlines()
            was_killed = self._guard.returncode < 0
        except subprocess.TimeoutExpired:
            failures, was_killed = ["the guard process does not end"], False
        if was_killed:
            failures = run_steps(self._steps)
        failures = [line for line in failures if line != "ok"]
        if failures:
            raise InputError("live measurement", "could not be undone: " + "; ".join(failures), "undo it by hand")


def read_setting(path: Path) -> str:
    """Read a kernel setting; of a list of choices, the one in brackets."""
    text = path.read_text(encoding="ascii").strip()
    return text[text.index("[") + 1 : text.index("]")] if "[" in text and "]" in text else text


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block like Ctrl-C, so that it is undone before the process ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
