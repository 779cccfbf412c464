"""Start the process that runs Ray, with an environment and a folder of its own, and end it. No Ray here."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from planner.fleet.channel import Channel
from planner.fleet.join import join_environment

_OBJECT_STORE_BYTES = 1 << 30
_CLOSES_WITHIN_S = 2.0
_DELETED_WITHIN_S = 2.0
_LONGEST_FOLDER = 38
"""Characters: below it Ray makes sockets, whose paths Linux limits to 107."""


class DriverProcess:
    """A running driver. Everything Ray writes goes to a file in a folder that only the user can read.

    Parameters
    ----------
    workers : int or None
        Number of workers at most; None: one per CPU.
    address : str or None
        Cluster to join; None: start Ray on this machine.
    hangs_after_s : float
        Time within which no worker is given up. [s]
    """

    def __init__(self, workers: int | None, address: str | None, hangs_after_s: float) -> None:
        self._folder = _new_folder()
        ours, theirs = Pipe()
        try:
            with (self._folder / "driver.log").open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "planner.fleet.driver", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[theirs.fileno()],
                    env=_environment(address), start_new_session=True,
                )  # fmt: skip
        finally:
            theirs.close()
        self.channel = Channel(ours)
        self.channel.send((workers, address, str(self._folder), _OBJECT_STORE_BYTES, hangs_after_s))

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def close(self) -> None:
        """End the process, gently at first, and delete its folder."""
        self.channel.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_CLOSES_WITHIN_S)
        self._process.kill()
        self._process.wait()
        _end_session(self._process.pid)
        delete_folder(self._folder)


def delete_folder(folder: Path) -> None:
    """Delete the folder of a Ray that has been ended: its processes end a moment later, and write until then."""
    until_s = time.monotonic() + _DELETED_WITHIN_S
    while folder.exists() and time.monotonic() < until_s:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.01)


def _end_session(leader: int) -> None:
    """End what a driver has left behind that was killed itself: Ray's agents live on for a minute."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getsid(int(path.name)) == leader:
                os.kill(int(path.name), signal.SIGKILL)


def _environment(address: str | None) -> dict[str, str]:
    """Return what Ray reads at import; what this process can import, workers can."""
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    environment: dict[str, Any] = {
        **os.environ,
        "PYTHONPATH": path,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    if address is not None:
        return {**environment, **join_environment(address, environment)}
    for name in ("RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR"):
        environment.pop(name, None)
    # A token of its own for each Ray that we start: other users of this machine can reach the loopback interface.
    return {
        **environment,
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }


def _new_folder() -> Path:
    """Make a folder that only the user can read, with a path short enough for Ray's sockets."""
    folder = Path(tempfile.mkdtemp(prefix="planner-ray-"))
    if len(str(folder)) > _LONGEST_FOLDER:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="planner-ray-", dir="/tmp"))
    return folder
