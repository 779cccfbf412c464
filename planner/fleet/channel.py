"""Messages between two processes of ours over a pair of sockets. Arrays travel beside the pickle, not in it."""

import pickle
import struct
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from planner.fleet.base import SimFactory
from planner.host.problem import HostProblem, Outcome
from planner.workload.source import DemandSource

_COUNT = struct.Struct("<I")


class Hold(NamedTuple):
    """To the driver: the simulation and the source that the problems to come are about."""

    sim_factory: SimFactory
    source: DemandSource


class Run(NamedTuple):
    """To the driver: simulate these, in whatever order is best."""

    problems: list[HostProblem]


class Stop(NamedTuple):
    """To the driver: hand out nothing new."""


class Started(NamedTuple):
    """From the driver: Ray runs, and workers can be started."""


class Alive(NamedTuple):
    """From the driver: nothing to tell, but it is there."""


class Done(NamedTuple):
    """From the driver: outcomes of the problems at these positions of the last `Run`.

    Attributes
    ----------
    outcomes : bytes
        A pickled list, as the worker packed it.
    cpu_s : float
        CPU time of the worker. [s]
    """

    positions: tuple[int, ...]
    outcomes: bytes
    cpu_s: float


class Say(NamedTuple):
    """From the driver: one line for the user."""

    text: str


class Finished(NamedTuple):
    """From the driver: nothing of the last `Run` is left that it will do."""


class Failed(NamedTuple):
    """From the driver: the sweep cannot go on, however often it is tried."""

    error: Exception


class Lost(NamedTuple):
    """From the driver: Ray itself is gone; it may go on with another one."""

    reason: str


class Channel:
    """One end of the pair.

    Parameters
    ----------
    connection : Connection
        As made by `multiprocessing.Pipe`.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: Any) -> None:
        """Send a message; raises OSError when the other end is gone."""
        buffers: list[pickle.PickleBuffer] = []
        text = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
        self._connection.send_bytes(_COUNT.pack(len(buffers)) + text)
        for buffer in buffers:
            self._connection.send_bytes(buffer.raw())

    def receive(self) -> Any:
        """Wait for a message; raises EOFError or OSError when the other end is gone."""
        text = self._connection.recv_bytes()
        (n_buffers,) = _COUNT.unpack_from(text)
        buffers = [self._connection.recv_bytes() for _ in range(n_buffers)]
        return pickle.loads(memoryview(text)[_COUNT.size :], buffers=buffers)

    def has_message(self, within_s: float) -> bool:
        """Whether a message, or the end, is there within a time. [s]."""
        return self._connection.poll(within_s)

    def close(self) -> None:
        """Close this end."""
        self._connection.close()


def pack_outcomes(outcomes: list[Outcome]) -> bytes:
    """Pack what a worker found; the driver passes it on as it is."""
    return pickle.dumps(outcomes, protocol=5)


def unpack_outcomes(packed: bytes) -> list[Outcome]:
    """Unpack what `pack_outcomes` made."""
    outcomes: list[Outcome] = pickle.loads(packed)
    return outcomes
