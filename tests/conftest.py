"""Shared set-up: compiled kernels go to the cache folder that the command line uses, set before anything imports numba."""

from planner.cli.environment import prepare_environment

prepare_environment(will_join_cluster=False)
