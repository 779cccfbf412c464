"""Exact page replacement against libcachesim: ten million requests, Zipf over a million objects, room for a tenth.

python -m benchmarks.page_replacement

The same requests for both, in one process. libcachesim takes them from a file of its own format that it maps into
memory, as its users do; it reads 24 bytes a request where we read 4, and allocates an object for each miss. Without
libcachesim only our own figures are measured.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, Measured, Reference, run_benchmark
from benchmarks.machine import cpu_time_of, time_of_a_draw
from planner.kernels.replacement import count_fifo_misses, count_lru_misses

N_OBJECTS, CAPACITY = 1_000_000, 100_000
N_REQUESTS = {"tiny": 100_000, "usual": 10_000_000, "full": 10_000_000}
REPEATS = 3
TIMES_FASTER = 2.0
OURS = {"LRU": count_lru_misses, "FIFO": count_fifo_misses}
RECORD = np.dtype([("clock", "<u4"), ("object", "<u8"), ("size", "<u4"), ("next", "<i8")])
"""A request of libcachesim's format "oracleGeneral"."""


def draw_requests(n_requests):
    """Draw object numbers by the inverse of the Zipf law with exponent 1: int32 array."""
    weights = 1.0 / np.arange(1, N_OBJECTS + 1)
    edges = np.cumsum(weights) / weights.sum()
    return np.searchsorted(edges, np.random.default_rng(1).random(n_requests)).astype(np.int32)


def measure(size):
    """Measure requests per CPU second of both, and compare how many missed."""
    requests = draw_requests(N_REQUESTS[size])
    found = {name: measure_ours(count, requests) for name, count in OURS.items()}
    peers = measure_peers(requests)
    figures, details = [], {"requests": requests.size, "objects": N_OBJECTS, "capacity": CAPACITY}
    for name, (misses, ours_per_s) in found.items():
        details[name] = {"miss_ratio": misses / requests.size}
        figures.append(Figure(f"{name}, requests", ours_per_s / 1e6, "million/s", time_of_a_draw()))
        if peers:
            peer_misses, peer_per_s = peers[name]
            details[name] |= {"miss_ratio_libcachesim": peer_misses / requests.size}
            peer = Reference("libcachesim", peer_per_s / 1e6, "million/s")
            goal = TIMES_FASTER * peer.value
            figures[-1] = Figure(f"{name}, requests", ours_per_s / 1e6, "million/s", peer, at_least=goal)
            figures.append(Figure(f"{name}, misses apart", abs(misses - peer_misses), "misses", at_most=0))
    return Measured(figures, details)


def measure_ours(count, requests):
    """Return misses and requests per CPU second, the best of some runs."""
    misses = count(requests, N_OBJECTS, CAPACITY)
    best_s = min(cpu_time_of(lambda: count(requests, N_OBJECTS, CAPACITY)) for _ in range(REPEATS))
    return misses, requests.size / best_s


def measure_peers(requests):
    """Return misses and requests per CPU second of libcachesim by policy; empty where it is not installed."""
    try:
        peer = importlib.import_module("libcachesim")
    except ImportError:
        sys.stderr.write("libcachesim is not installed: our own figures alone\n")
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requests.oracleGeneral"
        write_requests(path, requests)
        return {name: measure_peer(peer, getattr(peer, name), path) for name in OURS}


def measure_peer(peer, policy, path):
    """Return misses and requests per CPU second of one policy of libcachesim."""
    seconds, n_requests = [], path.stat().st_size // RECORD.itemsize
    for _ in range(REPEATS):
        cache, reader = policy(cache_size=CAPACITY), open_requests(peer, path)
        ratios = []
        seconds.append(cpu_time_of(lambda c=cache, r=reader, to=ratios: to.append(c.process_trace(r)[0])))
    return round(ratios[0] * n_requests), n_requests / min(seconds)


def write_requests(path, requests):
    """Write the requests as libcachesim reads them, each object of size 1."""
    records = np.zeros(requests.size, dtype=RECORD)
    records["clock"], records["object"], records["size"], records["next"] = np.arange(requests.size), requests, 1, -2
    records.tofile(path)


def open_requests(peer, path):
    """Open a file of requests with libcachesim's own reader."""
    return peer.TraceReader(str(path), peer.TraceType.ORACLE_GENERAL_TRACE)


if __name__ == "__main__":
    run_benchmark(measure, __doc__)
