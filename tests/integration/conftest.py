"""One Ray for the whole test session, on the loopback interface."""

import os
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory):
    """Start Ray with two CPUs; give its address. Workers can import the stand-ins that lie beside the tests."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [HERE, os.environ.get("PYTHONPATH")]))
    os.environ["CRASH_MARKER"] = str(tmp_path_factory.mktemp("crash") / "marker")
    import ray

    ray.init(
        address="local", num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False,
        object_store_memory=1 << 28,
    )  # fmt: skip
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()
