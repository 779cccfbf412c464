"""Ray as one process of ours sees it: started here or joined, how many CPUs it has, whether it is still there.

Imported in the driver process only (`planner.fleet.driver`).
"""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray.exceptions import AuthenticationError

import planner
from planner.errors import InputError
from planner.fleet.driver_process import delete_folder

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
LOG = "driver.log"
"""Where everything goes that Ray writes to stdout and stderr, in the folder of the options."""

_CORE = ("raylet", "gcs_server")
_WRONG_TOKEN = "InvalidAuthToken"


class RayOptions(NamedTuple):
    """What Ray is to be.

    Attributes
    ----------
    workers : int or None
        Number of workers at most; None: one per CPU.
    address : str or None
        Cluster to join; None: start Ray on this machine.
    folder : str
        Folder of our own for a Ray that is started here; deleted when it is closed.
    object_store_bytes : int
        Memory for the fleet's demand and for results on the way, of a Ray that is started here. [bytes]
    hangs_after_s : float
        Time that no worker is given up for; see `planner.fleet.pool`. [s]
    """

    workers: int | None
    address: str | None
    folder: str
    object_store_bytes: int
    hangs_after_s: float


class Cluster:
    """A running Ray: one that this process started, or one that it joined.

    Parameters
    ----------
    options : RayOptions

    Raises
    ------
    InputError
        It cannot be started or joined.
    """

    def __init__(self, options: RayOptions) -> None:
        self._options = options
        if options.address is None:
            _start(options)
        else:
            _join(options.address, Path(options.folder) / LOG)
        self._core = _children_named(_CORE) if options.address is None else []

    def is_own(self) -> bool:
        """Whether this process started it, for itself alone."""
        return self._options.address is None

    def n_workers(self) -> int:
        """Return how many workers there may be now: as asked for, and no more than CPUs."""
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        n_cpus = max(1, int(resources.get("CPU", 0)))
        return min(self._options.workers or n_cpus, n_cpus)

    def loss(self) -> str | None:
        """Say why this Ray is of no use any more; None while it is."""
        if any(_has_ended(pid) for pid in self._core):
            return "one of its processes ended"
        return None

    def close(self) -> None:
        """Leave the cluster; end all processes of a Ray of our own at once, and delete its folder."""
        if not self.is_own():
            ray.shutdown()
            return
        for pid in _descendants(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        delete_folder(Path(self._options.folder))


def _start(options: RayOptions) -> None:
    """Start Ray on this machine, on the loopback interface, as `planner.fleet.driver_process` has set it up."""
    try:
        ray.init(
            address="local",
            num_cpus=options.workers or len(os.sched_getaffinity(0)),
            include_dashboard=False,
            object_store_memory=options.object_store_bytes,
            _temp_dir=str(Path(options.folder) / "r"),
            **_quiet(),
        )
    except Exception as error:  # Ray raises whatever its parts do
        hint = "check memory, /dev/shm and room in the temporary folder; --executor local works without Ray"
        raise InputError("workers", f"Ray does not start on this machine: {first_line(error)}", hint) from error


def _join(address: str, log: Path) -> None:
    # The planner's own code goes along, so that all machines run the same; what it depends on must be installed there.
    environment = {"env_vars": ONE_THREAD, "py_modules": [str(Path(planner.__file__).parent)]}
    place = f"--ray-address {address}"
    try:
        ray.init(address=address, runtime_env=environment, **_quiet())
    except Exception as error:  # Ray raises whatever its parts do
        if isinstance(error, AuthenticationError) or _WRONG_TOKEN in log.read_text(errors="replace"):
            hint = "give the cluster's own token in RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token"
            raise InputError(place, "the cluster does not accept this token", hint) from error
        hint = "check that the cluster runs, that its address is host:port, and that this machine is one of its nodes"
        raise InputError(place, f"cannot join: {first_line(error)}", hint) from error


def _quiet() -> Mapping[str, Any]:
    return {"logging_level": "ERROR", "log_to_driver": False}


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its name."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _children_named(names: tuple[str, ...]) -> list[int]:
    return [pid for pid in _descendants(os.getpid()) if _stat(pid)[0] in names]


def _has_ended(pid: int) -> bool:
    return _stat(pid)[1] in ("", "Z", "X")


def _descendants(root: int) -> list[int]:
    """List the processes that a process started, and those that they started, by Linux's table of processes."""
    parents = {int(path.name): _stat(int(path.name))[2] for path in Path("/proc").glob("[0-9]*")}
    found, new = [], [root]
    while new:
        new = [pid for pid, parent in parents.items() if parent in new]
        found += new
    return found


def _stat(pid: int) -> tuple[str, str, int]:
    """Return name, state and parent of a process; blank when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", "", 0
    name, _, rest = text.partition("(")[2].rpartition(")")
    state, parent = rest.split()[:2]
    return name, state, int(parent)
