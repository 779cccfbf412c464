"""The journal of a run that is not finished: a hidden folder beside its target, deleted when the run is complete.

    .NAME.unfinished/journal.json         what is run (`RunIdentity`), with which format
    .NAME.unfinished/lock                 held by the process that writes
    .NAME.unfinished/part-000001.arrow    outcomes of host problems; see `planner.results.part`

An earlier complete run at the target stays as it is until the new one is. docs/long-runs.md is for users,
docs/decisions/0014 says why it is built like this.
"""

import fcntl
import glob
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from planner.errors import InputError
from planner.input_files import read_json
from planner.results.files import sync_folder, write_file
from planner.results.identity import RunIdentity
from planner.results.outcomes import OutcomeStore
from planner.results.part import PartError, map_part, read_part, write_part
from planner.results.store import is_run_directory
from planner.targets import resolve_target

JOURNAL_FORMAT = "planner-journal"
JOURNAL_FORMAT_VERSION = 1

_HEAD = "journal.json"
_LOCK = "lock"
_UNFINISHED = ".unfinished"
_PARTS = "part-*.arrow"
_SALT, _SESSION, _CPU_S, _WALL_S = "salt", "session", "cpu_s", "wall_s"

Tell = Callable[[str], None]
Clock = Callable[[], tuple[float, float]]
"""Returns wall and CPU time of this session so far. [s]"""


def journal_folder(out: Path) -> Path:
    """Return where the journal of a target is, whether there is one or not."""
    target = resolve_target(out)
    return target.parent / f".{target.name}{_UNFINISHED}"


class Journal:
    """An open journal. Use as a context manager: leaving it stores what waits, and gives the lock back.

    Attributes
    ----------
    store : OutcomeStore
    folder : Path
    earlier_s : tuple of (float, float)
        Wall and CPU time that earlier sessions spent up to their last part. [s]
    sessions : int
        Sessions that have written parts, this one included.
    clock : callable
        Set by whoever measures the run.
    made_parents : tuple of Path
        Folders that had to be made for it, the innermost first; they go with it where nothing came of it.
    """

    def __init__(self, folder: Path, identity: RunIdentity, lock: IO[bytes], tell: Tell) -> None:
        self.folder = folder
        self.made_parents: tuple[Path, ...] = ()
        self.clock: Clock = lambda: (0.0, 0.0)
        self._lock = lock
        self._salt = identity.salt()
        times: dict[int, tuple[float, float]] = {}
        parts = _FolderParts(folder, self._notes)
        for torn in folder.glob(".part-*.tmp"):
            torn.unlink()
        for path in sorted(folder.glob(_PARTS)):
            session = _check_part(path, self._salt, tell)
            if session is not None:
                parts.paths.append(path)
                times[session[0]] = session[1:]
        self.sessions = max(times, default=0) + 1
        self.earlier_s = (sum(wall_s for wall_s, _ in times.values()), sum(cpu_s for _, cpu_s in times.values()))
        self.store = OutcomeStore(parts, self._salt)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.folder.exists():
                self.store.flush()
        finally:
            if self.folder.exists() and not any(self.folder.glob(_PARTS)):
                _remove(self.folder, self.made_parents)
            self._lock.close()

    def discard(self) -> None:
        """Delete the journal: the run is complete. It goes as a whole, so that half of one is never resumed."""
        gone = self.folder.with_name(f"{self.folder.name.removesuffix(_UNFINISHED)}.partial-{os.getpid()}")
        try:
            self.folder.rename(gone)
        except OSError:
            gone = self.folder
        shutil.rmtree(gone, ignore_errors=True)

    def _notes(self) -> dict[str, str]:
        wall_s, cpu_s = self.clock()
        times = {_WALL_S: f"{wall_s:.3f}", _CPU_S: f"{cpu_s:.3f}"}
        return {_SALT: self._salt.hex(), _SESSION: str(self.sessions), **times}


def open_journal(out: Path, identity: RunIdentity, is_resumed: bool, tell: Tell) -> Journal:
    """Begin the journal of a target, or go on with the one that is there.

    Parameters
    ----------
    is_resumed : bool
        Whether to go on with an interrupted run. Where there is none, one is begun.
    tell : callable
        Takes a line for the user: what was found, what is set aside, which part is damaged.

    Raises
    ------
    InputError
        Another process writes there; the interrupted run is of another config, fleet or version; the target holds a
        complete run and there is nothing to resume; or the folder cannot be made.
    """
    folder = journal_folder(out)
    try:
        return _open(out, folder, identity, is_resumed, tell)
    except OSError as error:
        message = f"its journal, {folder}, cannot be made: {error.strerror or error}"
        raise InputError(str(out), message, "check space and rights") from error


def _open(out: Path, folder: Path, identity: RunIdentity, is_resumed: bool, tell: Tell) -> Journal:
    if folder.is_dir():
        with _locked(out, folder) as lock:
            _mend_target(resolve_target(out))
            if is_resumed:
                _check_same(out, folder, identity)
                journal = Journal(folder, identity, lock, tell)
                tell(f"{out}: going on with an interrupted run; {len(journal.store)} host simulations are stored")
                return journal
            _set_aside(out, folder, tell)
            lock.close()
    elif is_resumed:
        if is_run_directory(out) or is_run_directory(out, "planner-whatif"):
            hint = "leave --resume out to run it again"
            raise InputError(str(out), "holds a complete run; there is nothing to resume", hint)
        tell(f"{out}: there is no interrupted run to resume; starting from the beginning")
    missing = tuple(parent for parent in folder.parents if not parent.exists())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(out, folder) as lock:
            head = {"format": JOURNAL_FORMAT, "format_version": JOURNAL_FORMAT_VERSION, **identity._asdict()}
            write_file(folder / _HEAD, json.dumps(head, indent=1, ensure_ascii=False).encode())
            sync_folder(folder.parent)
            _mend_target(resolve_target(out))
            journal = Journal(folder, identity, lock, tell)
    except BaseException:
        _remove(folder, missing)
        raise
    journal.made_parents = missing
    return journal


def _remove(folder: Path, made_parents: Sequence[Path]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for parent in made_parents:
        with suppress(OSError):
            parent.rmdir()


class _FolderParts:
    """Parts in numbered files."""

    def __init__(self, folder: Path, notes: Callable[[], dict[str, str]]) -> None:
        self.paths: list[Path] = []
        self._folder = folder
        self._notes = notes

    def append(self, batch: pa.RecordBatch) -> None:
        last = int(self.paths[-1].stem.partition("-")[2]) if self.paths else 0
        path = self._folder / f"part-{last + 1:06d}.arrow"
        try:
            write_part(path, batch, self._notes())
        except OSError as error:
            message = f"host simulations cannot be stored: {error.strerror or error}"
            raise InputError(str(self._folder), message, "check space and rights") from error
        self.paths.append(path)

    def open(self, number: int) -> pa.RecordBatch:
        return map_part(self.paths[number])

    def __len__(self) -> int:
        return len(self.paths)


def _check_part(path: Path, salt: bytes, tell: Tell) -> tuple[int, float, float] | None:
    """Check a part: its session with the session's wall and CPU time. One that is no good is told, and deleted."""
    try:
        _, notes = read_part(path)
        if notes.get(_SALT) != salt.hex():
            raise PartError("is of another run")
        return int(notes[_SESSION]), float(notes[_WALL_S]), float(notes[_CPU_S])
    except (PartError, KeyError, ValueError) as error:
        tell(f"{path}: {error}; what it held is simulated again")
        path.unlink()
        return None


@contextmanager
def _locked(out: Path, folder: Path) -> Iterator[IO[bytes]]:
    """Take the lock of a journal; given back where the block fails, else held until the file is closed."""
    lock = (folder / _LOCK).open("a+b")
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            who = lock.read().decode(errors="replace") or "another process"
            hint = "wait for it, or name another directory with --out"
            raise InputError(str(out), f"is being written by {who}", hint) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        lock.flush()
        yield lock
    except BaseException:
        lock.close()
        raise


def _check_same(out: Path, folder: Path, identity: RunIdentity) -> None:
    try:
        head: Any = read_json(folder / _HEAD, "")
        is_ours = head["format"] == JOURNAL_FORMAT
        format_version = head.pop("format_version")
        del head["format"]
    except (InputError, KeyError, TypeError, AttributeError):
        is_ours = False
    if not is_ours:
        message = f"has an interrupted run whose journal cannot be read: {folder / _HEAD}"
        raise InputError(str(out), message, "leave --resume out to set it aside and start from the beginning")
    if format_version != JOURNAL_FORMAT_VERSION:
        found = [f"format of the journal: {format_version} then, {JOURNAL_FORMAT_VERSION} now"]
    else:
        found = identity.differences(head)
    if found:
        hint = "run it as it was begun, or leave --resume out to set it aside and start from the beginning"
        raise InputError(str(out), f"has an interrupted run of something else ({'; '.join(found)})", hint)


def _set_aside(out: Path, folder: Path, tell: Tell) -> None:
    """Keep an interrupted run that was not asked for under another name; an empty one is deleted."""
    if not any(folder.glob(_PARTS)):
        shutil.rmtree(folder)
        return
    number = 1
    while (aside := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    newest_s = max(path.stat().st_mtime for path in folder.glob(_PARTS))
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(newest_s))
    folder.rename(aside)
    tell(
        f"{out}: an interrupted run, last written {when}, is not resumed; it is kept as {aside}. To go on with it "
        f"instead, stop this run, rename that to {folder.name}, and use --resume; else delete it"
    )


def _mend_target(target: Path) -> None:
    """Undo what a process left that died while it replaced a run, or wrote one. Only under the lock."""
    name = glob.escape(target.name)
    for earlier in target.parent.glob(f".{name}.earlier-*"):
        if not target.exists():
            with suppress(OSError):
                earlier.rename(target)
        else:
            shutil.rmtree(earlier, ignore_errors=True)
    for partial in target.parent.glob(f".{name}.partial-*"):
        shutil.rmtree(partial, ignore_errors=True)
