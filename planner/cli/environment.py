"""Environment of the process, set before anything that reads it at import: numba's cache folder, threads, Ray.

Called by the command line only; a library user keeps the environment that he has.
"""

import hashlib
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def prepare_environment(will_join_cluster: bool) -> None:
    """Set what numba, numerical libraries and Ray read at import. Values that the user has set are kept.

    Parameters
    ----------
    will_join_cluster : bool
        False: the Ray that we start is to stay on the loopback interface.
    """
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache_folder()))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if not will_join_cluster:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


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
    for path in sorted((Path(__file__).parents[1] / "kernels").glob("*.py")):
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


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return folder.stat().st_uid == os.getuid()
    except OSError:
        return False
