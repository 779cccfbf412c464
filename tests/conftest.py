"""Shared set-up: compiled kernels go to the cache folder of the command line, set before anything imports numba."""

from planner.cli.environment import prepare_environment

prepare_environment(will_join_cluster=False)


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite the pinned results of tests/golden")
