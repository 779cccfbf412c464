"""A slice of `make soak`: some two thousand small hosts, in this process and on two actors."""

import pytest

from tools.soak import Growth, Sample, growths, soak

ROUNDS = 10
MOST_BYTES_A_HOST = 4096
"""So few hosts tell a leak of whole results (20 kB a host) from none; `make soak` tells 60 bytes."""


def sample(hosts, resident_bytes, files=10, process="coordinator"):
    return Sample("local", hosts, process, resident_bytes, files, 3)


def test_a_leak_is_seen_and_a_start_is_not():
    # 100 MB at first, 200 MB from round 3 on: flat. 10 bytes a host from there: 10 x (10,000 - 6,000) bytes.
    flat = [sample(1000 * n, 100_000_000 if n < 3 else 200_000_000) for n in range(1, 11)]
    (found,) = growths(flat)
    assert found.grown_bytes == pytest.approx(0.0, abs=1.0)
    assert found.is_flat
    (found,) = growths([item._replace(resident_bytes=item.resident_bytes + 1000 * item.hosts) for item in flat])
    assert found.bytes_per_host == pytest.approx(1000.0)
    assert found.grown_bytes == pytest.approx(4_000_000.0)
    assert not found.is_flat  # 2 % of 208 MB


def test_files_that_stay_open_are_seen():
    (found,) = growths([sample(1000 * n, 1, files=10 + n) for n in range(1, 11)])
    assert (found.more_files, found.is_flat) == (4, False)


def test_a_process_that_ended_is_not_judged():
    ended = [sample(1000 * n, 1, process="worker") for n in range(1, 8)]
    assert [item.process for item in growths([*ended, *[sample(1000 * n, 1) for n in range(1, 11)]])] == ["coordinator"]


@pytest.mark.parametrize("executor", ["local", "ray"])
def test_many_hosts_keep_nothing(executor):
    found: list[Growth] = [item for item in growths(soak(executor, 1000, ROUNDS)) if item.is_ours]
    names = sorted(item.process.split()[0] for item in found)
    workers = ["planner.fleet.driver", "ray::HostWorker", "ray::HostWorker"] if executor == "ray" else []
    assert names == ["coordinator", *workers]
    for item in found:
        assert item.bytes_per_host < MOST_BYTES_A_HOST, item
        assert max(item.more_files, item.more_threads) <= 2, item
