"""Environment of the process, set before anything that reads it at import: numba's cache folder, threads, Ray.

Called by the command line only; a library user keeps the environment that he has.
"""

import os

from planner.kernel_cache import use_kernel_cache

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def prepare_environment(will_join_cluster: bool) -> None:
    """Set what numba, numerical libraries and Ray read at import. Values that the user has set are kept.

    Parameters
    ----------
    will_join_cluster : bool
        False: the Ray that we start is to stay on the loopback interface.
    """
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    use_kernel_cache()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if not will_join_cluster:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
