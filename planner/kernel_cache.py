"""Where compiled kernels lie on this machine, whether they are there, and who may compile them now.

numba keeps compiled kernels on disk, in the folder that NUMBA_CACHE_DIR names. Compiling takes a minute, so a machine
does it once: a marker says that it was done, a lock keeps several processes from doing it at the same time.
"""

import fcntl
import hashlib
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

_KERNELS = Path(__file__).parent / "kernels"
_COMPILED_WITHIN_S = 900.0
_LOOKS_EVERY_S = 0.1


def use_kernel_cache() -> None:
    """Tell numba where to keep compiled kernels, unless the user has; call it before anything imports numba."""
    os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache_folder()))


def kernel_cache_folder() -> Path:
    """Return a folder for compiled kernels that can be written to: the user's cache folder, else a temporary one.

    Notes
    -----
    Each state of the kernels' sources has a folder of its own: numba looks at the file of a function only, so a change
    in a function that it calls in another file would go unnoticed, and the old machine code would run.
    """
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    digest = kernel_digest()
    wanted = Path(base) / "planner" / f"kernels-{digest}"
    if _is_writable(wanted):
        return wanted
    fallback = Path(tempfile.gettempdir()) / f"planner-kernels-{os.getuid()}-{digest}"
    return fallback if _is_writable(fallback) else Path(tempfile.mkdtemp(prefix="planner-kernels-"))


def kernel_digest() -> str:
    """Return a short hash of everything that compiled kernels depend on: sources, compiler, Python, processor."""
    digest = hashlib.sha256()
    for path in sorted(_KERNELS.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    for name in (
        version("numba"),
        version("numpy"),
        platform.python_version(),
        platform.processor(),
        platform.machine(),
    ):
        digest.update(f"{name}\n".encode())
    return digest.hexdigest()[:16]


def is_warm(is_worker: bool = False) -> bool:
    """Whether the kernels of this installation, as they are now, have been compiled into the cache folder.

    Parameters
    ----------
    is_worker : bool
        Ask for the kernels that a worker needs: they take read-only arrays only. Otherwise for all.
    """
    markers = [_marker(), _marker("worker")] if is_worker else [_marker()]
    return any(marker is not None and marker.exists() for marker in markers)


def mark_warm(is_worker: bool = False) -> None:
    """Remember that the kernels have been compiled; without a folder that can be written to nothing is remembered."""
    marker = _marker("worker" if is_worker else "")
    if marker is not None:
        with suppress(OSError):
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()


def forget_kernels() -> None:
    """Delete the compiled kernels: they cannot be read. numba does without files that vanish under it."""
    marker = _marker()
    if marker is None:
        return
    for path in (*marker.parent.glob("compiled-*"), *marker.parent.glob("*/*.nb[ic]")):
        with suppress(OSError):
            path.unlink()


@contextmanager
def compiling_alone() -> Iterator[None]:
    """Keep other processes of this machine from compiling meanwhile; the lock of one that dies is free again.

    Notes
    -----
    Where the folder cannot be written to, or somebody has held the lock for a quarter of an hour, the block runs
    without it: a kernel that is compiled twice costs time, not correctness.
    """
    marker = _marker()
    handle = None
    with suppress(OSError):
        if marker is not None:
            marker.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(marker.parent / "compiling.lock", os.O_RDWR | os.O_CREAT, 0o600)
            _lock(handle)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _lock(handle: int) -> None:
    until_s = time.monotonic() + _COMPILED_WITHIN_S
    while time.monotonic() < until_s:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOOKS_EVERY_S)
        else:
            return


def _marker(kind: str = "") -> Path | None:
    # numba keeps a folder for each place that sources lie at: two copies of the same kernels are compiled twice.
    folder = os.environ.get("NUMBA_CACHE_DIR")
    place = hashlib.sha256(str(_KERNELS).encode()).hexdigest()[:16]
    return Path(folder) / f"compiled-{place}{kind}" if folder else None


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return folder.stat().st_uid == os.getuid()
    except OSError:
        return False
