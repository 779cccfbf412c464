"""Hosts with every 4 KiB page, each in its own process: `make bench-exact` has 512 GiB, `make bench` a small one."""

import json
import subprocess
import sys

import pytest

GOAL_PEAK_GIB = 6.0


def run(memory, ratio):
    words = [sys.executable, "-m", "benchmarks.exact_host", "--memory", str(memory), "--ratio", str(ratio)]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize(
    ("memory", "ratio"),
    [
        (8, 1.8),
        pytest.param(512, 1.0, marks=pytest.mark.slow),
        pytest.param(512, 1.4, marks=pytest.mark.slow),
    ],
)
def test_exact_host(benchmark, memory, ratio):
    found = benchmark.pedantic(run, args=(memory, ratio), rounds=1)
    benchmark.extra_info.update(found)
    sys.stdout.write(json.dumps(found) + "\n")
    assert found["peak_gib"] <= GOAL_PEAK_GIB
