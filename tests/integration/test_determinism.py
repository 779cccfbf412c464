"""Same config and seed, same bytes: three fresh processes, other hash seeds, other executors, the real simulation."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CONFIG = {
    "schema_version": 1,
    "seed": 11,
    "fleet": {
        "hosts": [{"name": "esx", "count": 4, "memory": "64 GiB", "cores": 16}],
        "vms": {"generate": "managed-hosting", "count": 18},
    },
    "hypervisor": {"preset": "esxi-8", "page_sharing": {"salting": False}},
    "horizon": "1 days",
    "warm_up": "1 h",
    "sweep": {"overcommit_ratio": [1.0, 2.0], "placement": ["first-fit", "worst-fit"], "replicates": 2},
    "fidelity": {"pages_per_vm": 32},
}
ALTERNATIVES = [("0", ["--executor", "local"]), ("1", ["--workers", "1"]), ("4242", ["--workers", "2"])]


@pytest.fixture(scope="module")
def run_dirs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("determinism")
    (folder / "fleet.yaml").write_text(yaml.safe_dump(CONFIG))
    code = "import sys; from planner.cli.main import main; sys.exit(main(sys.argv[1:]))"
    found = []
    for hash_seed, options in ALTERNATIVES:
        out = folder / f"run-{hash_seed}"
        words = [sys.executable, "-c", code, "sweep", str(folder / "fleet.yaml"), "--out", str(out), *options]
        done = subprocess.run(words, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.append(out)
    return found


@pytest.mark.parametrize("file", ["hosts.parquet", "vms.parquet", "summary.json", "config.yaml", "report.html"])
def test_same_bytes_from_three_processes(run_dirs, file):
    assert len({hash_of(run_dir / file) for run_dir in run_dirs}) == 1


def test_same_timelines_from_three_processes(run_dirs):
    names = [sorted(path.name for path in (run_dir / "timeline").iterdir()) for run_dir in run_dirs]
    assert names[0] == names[1] == names[2]
    assert names[0]
    for name in names[0]:
        assert len({hash_of(run_dir / "timeline" / name) for run_dir in run_dirs}) == 1


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
