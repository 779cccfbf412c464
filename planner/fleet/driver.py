"""The process that runs Ray for the planner: problems come in over a channel, outcomes go back.

Ray lives in a process of its own because of what it does to the one it lives in: it ends it when the cluster's head is
lost, writes warnings and tracebacks to its terminal and takes over signals. Here it may do so: the executor notices
that this process has ended, starts another one and goes on. The processes of a Ray started here end with it.
"""

import os
import pickle
import queue
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

from planner.fleet.channel import Alive, Channel, Failed, Hold, Lost, Run, Started, Stop
from planner.fleet.cluster import Cluster, RayOptions
from planner.fleet.pool import Pool

ALIVE_EVERY_S = 5.0
_STEP_S = 0.2
_CLOSES_WITHIN_S = 10.0


def main(handle: int) -> None:
    """Serve the executor at the other end of a pair of sockets until it closes it."""
    os.set_inheritable(handle, False)
    channel = Channel(Connection(handle))
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(channel, inbox), daemon=True).start()
    options = inbox.get()
    if options is None:
        return
    cluster = None
    try:
        options = RayOptions(*options)
        cluster = Cluster(options)
        channel.send(Started())
        _serve(channel, inbox, cluster, Pool(cluster, options.hangs_after_s))
    except OSError:  # the executor is gone
        pass
    except Exception as error:
        channel.send(Failed(_sendable(error)))
    finally:
        if cluster is not None:
            cluster.close()
    sys.stderr.flush()
    os._exit(0)  # Ray's own clean-up at exit would wait for processes that are gone


def _serve(channel: Channel, inbox: "queue.SimpleQueue[Any]", cluster: Cluster, pool: Pool) -> None:
    told_s = time.monotonic()
    while True:
        while (message := _next(inbox, waits=not pool.is_at_work())) is not _NOTHING:
            if message is None:
                return
            _obey(pool, message)
        for answer in pool.step(_STEP_S) if pool.is_at_work() else ():
            channel.send(answer)
            told_s = time.monotonic()
        reason = cluster.loss()
        if reason is not None:
            channel.send(Lost(reason))
            return
        if time.monotonic() - told_s > ALIVE_EVERY_S:
            channel.send(Alive())
            told_s = time.monotonic()


def _obey(pool: Pool, message: Any) -> None:
    if isinstance(message, Hold):
        pool.hold(message)
    elif isinstance(message, Run):
        pool.begin(message.problems)
    elif isinstance(message, Stop):
        pool.stop()


_NOTHING = object()


def _next(inbox: "queue.SimpleQueue[Any]", waits: bool) -> Any:
    try:
        return inbox.get(timeout=_STEP_S) if waits else inbox.get_nowait()
    except queue.Empty:
        return _NOTHING


def _read(channel: Channel, inbox: "queue.SimpleQueue[Any]") -> None:
    """Pass messages on; at the end pass on None, and see to it that the process ends."""
    try:
        while True:
            inbox.put(channel.receive())
    except (EOFError, OSError):
        inbox.put(None)
    time.sleep(_CLOSES_WITHIN_S)
    os._exit(1)


def _sendable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class does when it is pickled
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    main(int(sys.argv[1]))
