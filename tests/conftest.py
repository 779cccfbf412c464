"""Shared set-up: compiled kernels go to the cache folder of the command line, set before anything imports numba."""

import tempfile
from pathlib import Path

import pytest

from planner.cli.environment import prepare_environment

prepare_environment(will_join_cluster=False)


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite the pinned results of tests/golden")


@pytest.fixture
def short_folder():
    """Make a folder with a path short enough for the sockets that Ray makes in it."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="t-") as folder:
        yield Path(folder)
