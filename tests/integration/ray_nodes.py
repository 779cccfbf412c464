"""Ray machines on this machine: `ray start` with ports and folders of its own, ended by process number."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.integration.processes import descendants

HERE = str(Path(__file__).parent)
WITHIN_S = 90


class RayMachine:
    """One raylet, with the head's processes beside it or without; below a process that is ours."""

    def __init__(self, words, environment, folder):
        self.log = Path(folder) / f"ray-{secrets.token_hex(4)}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def wait_until_up(self):
        until_s = time.monotonic() + WITHIN_S
        while "Ray runtime started" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until_s, self.log.read_text()
            time.sleep(0.1)

    def kill(self):
        """Kill everything that belongs to it at once, as a machine that loses power does."""
        for pid in [*descendants(self.process.pid), self.process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


class RayMachines:
    """A cluster of machines that are processes here."""

    def __init__(self, folder, token=None, prefix=()):
        self.folder = folder
        self.token = token
        self.machines = []
        self.head_ip, self.port = "127.0.0.1", free_port()

    @property
    def address(self):
        return f"{self.head_ip}:{self.port}"

    def environment(self):
        auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token} if self.token else {"RAY_AUTH_MODE": "disabled"}
        path = os.pathsep.join([HERE, str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
        return {**os.environ, **auth, "PYTHONPATH": path, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}

    def start(self, n_cpus, ip="127.0.0.1", inside=()):
        """Start another machine: the first one is the head. `inside`: words before the command, e.g. a namespace."""
        is_head = not self.machines
        here = tempfile.mkdtemp(dir=self.folder)
        words = [*inside, sys.executable, "-m", "ray.scripts.scripts", "start", "--block", f"--num-cpus={n_cpus}"]
        words += [f"--node-ip-address={ip}", "--object-store-memory=100000000", "--disable-usage-stats"]
        if is_head:
            self.head_ip = ip
            words += ["--head", f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={here}"]
        else:
            words += [f"--address={self.address}"]
        machine = RayMachine(words, self.environment(), self.folder)
        self.machines.append(machine)
        machine.wait_until_up()
        return machine

    def close(self):
        for machine in reversed(self.machines):
            machine.kill()


@contextmanager
def ray_machines(token=None):
    """Machines in a folder of their own, short enough for Ray's sockets; all are killed at the end."""
    with tempfile.TemporaryDirectory(prefix="rays-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        machines = RayMachines(folder, token)
        try:
            yield machines
        finally:
            machines.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
