"""Run the command line on one case and judge it: exit code, message, files left, time and memory.

A sound program may refuse a mutant or take it; what it may not do is fail as a bug, hang, grow without bound, or leave
half of its output behind.
"""

import contextlib
import functools
import gc
import hashlib
import io
import os
import re
import signal
import stat
import time
from pathlib import Path
from typing import NamedTuple

import typer

from planner.cli import main as main_module
from planner.cli.main import main
from planner.placement import registry
from tests.fuzz.imported import imported_problems

MOST_CPU_S = 10.0
MOST_WALL_S = 60.0
HANG = "hang"
"""A wait without end takes no CPU time; others may need the machine meanwhile."""
MOST_GROWTH_BYTES = 1 << 30
_PLACE = re.compile(r"^.+?: .+", re.MULTILINE)
_WARNING = re.compile(r"\b[A-Z][a-z]+Warning: ")
_USAGE = re.compile(r"^(Usage|Try|Error|.*╭─ Error)", re.MULTILINE)


class Case(NamedTuple):
    """One command line, what it may create when it succeeds (relative to its folder), and its good exit codes.

    `imports` names the fleet directory that it writes, which is then looked into.
    """

    argv: list[str]
    creates: tuple[str, ...] = ()
    allowed: tuple[int, ...] = (0, 2)
    imports: str = ""


class Verdict(NamedTuple):
    """What came of a case; `problems` is empty when it was well treated."""

    code: int | None
    problems: tuple[str, ...]
    message: str
    cpu_s: float
    grown_bytes: int


class Hang(BaseException):
    """Raised by the watchdog inside the command; no `except Exception` catches it."""


def judge(case: Case, folder: Path) -> Verdict:
    """Run a case whose inputs lie in `folder`, which is also the working directory while it runs."""
    before = snapshot(folder)
    out, err = io.StringIO(), io.StringIO()
    started_bytes = _reset_peak()
    started_s = time.process_time()
    code, problems = None, []
    here = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _watchdog():
            code = main(case.argv)
            if code == 0 and case.imports:
                problems += imported_problems(folder / case.imports)
    except Hang as hang:
        problems.append(f"{HANG}: {hang}")
    except BaseException as error:  # whatever it is, it is a finding
        problems.append(f"escaped: {type(error).__name__}: {error}")
    finally:
        os.chdir(here)
    cpu_s = time.process_time() - started_s
    grown_bytes = max(0, _peak() - started_bytes)
    message = err.getvalue()
    if code is not None:
        problems += _code_problems(code, case, message)
    problems += _file_problems(before, snapshot(folder), case, is_done=code in (0, 3))
    if grown_bytes > MOST_GROWTH_BYTES:
        problems.append(f"memory: grew by {grown_bytes >> 20} MiB")
        gc.collect()
    return Verdict(code, tuple(problems), message, cpu_s, grown_bytes)


def _code_problems(code: int, case: Case, message: str) -> list[str]:
    problems = []
    if code not in case.allowed:
        problems.append(f"exit code {code}")
    if "Traceback (most recent call last)" in message:
        problems.append("a traceback is shown")
    if _WARNING.search(message):
        problems.append("a warning of a library is shown")
    if code == 2:
        if not message.strip():
            problems.append("no message")
        elif not _USAGE.search(message) and not (_PLACE.search(message) and ";" in message):
            problems.append("the message lacks a place or a remedy")
    return problems


def _file_problems(before: dict[str, str], after: dict[str, str], case: Case, is_done: bool) -> list[str]:
    def may_appear(name: str) -> bool:
        return is_done and any(name == own or name.startswith(f"{own}/") for own in case.creates)

    changed = [name for name, kept in before.items() if after.get(name) != kept and not may_appear(name)]
    new = [name for name in after if name not in before and not may_appear(name)]
    return [
        *([f"changed: {', '.join(changed[:3])}"] if changed else []),
        *([f"left behind: {', '.join(new[:3])}"] if new else []),
    ]


def snapshot(folder: Path) -> dict[str, str]:
    """Say what lies in a folder: path -> kind, and for files a hash of the bytes."""
    found = {}
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(root) / name
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                what = f"link {path.readlink()}"
            elif stat.S_ISREG(mode):
                what = f"{path.stat().st_size} {_digest(path)}"
            else:
                what = f"kind {stat.S_IFMT(mode)}"
            found[str(path.relative_to(folder))] = what
    return found


def _digest(path: Path) -> str:
    if path.stat().st_size > 1 << 24:  # sparse giants are told by their size
        return "large"
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()


def keep_what_never_changes() -> None:
    """Keep what every call of `main` finds out anew and alike: two thirds of the time of a quick case."""
    main_module.prepare_environment = lambda will_join_cluster: None
    registry.entry_points = functools.cache(registry.entry_points)
    typer.main.get_command = functools.cache(typer.main.get_command)


@contextlib.contextmanager
def _watchdog():
    def cpu(*_: object) -> None:
        raise Hang(f"more than {MOST_CPU_S:g} s of CPU")

    def wall(*_: object) -> None:
        raise Hang(f"more than {MOST_WALL_S:g} s of waiting")

    earlier = signal.signal(signal.SIGPROF, cpu), signal.signal(signal.SIGALRM, wall)
    signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S)
    signal.setitimer(signal.ITIMER_REAL, MOST_WALL_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGPROF, earlier[0])
        signal.signal(signal.SIGALRM, earlier[1])


def _reset_peak() -> int:
    """Forget the peak of resident memory; return what is resident now. [bytes]."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(key: str) -> int:
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    found = re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0
