"""The folder of compiled kernels: one process of a machine compiles, and files that cannot be read are made anew."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from planner import kernel_cache
from planner.fleet.warm import simulate_first
from planner.host.problem import HostFailure

COMPILES = """
import sys, time
from pathlib import Path
from planner.kernel_cache import compiling_alone, is_warm, mark_warm
log = Path(sys.argv[1])
if not is_warm():
    with compiling_alone():
        if not is_warm():
            with log.open("a") as out:
                out.write("began\\n")
            time.sleep(0.3)
            mark_warm()
"""

KERNEL = """
from numba import njit

@njit(cache=True)
def double(value):
    return 2 * value
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(cache))
    return cache


def test_of_several_processes_at_once_one_compiles(folder, tmp_path):
    log = tmp_path / "log"
    started = [subprocess.Popen([sys.executable, "-c", COMPILES, str(log)]) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0, 0, 0, 0]
    assert log.read_text() == "began\n"
    assert kernel_cache.is_warm()


def test_the_lock_of_a_process_that_died_is_free_again(folder):
    program = "import os\nfrom planner.kernel_cache import compiling_alone\nwith compiling_alone():\n    os._exit(9)\n"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    began_s = time.monotonic()
    with kernel_cache.compiling_alone():
        assert time.monotonic() - began_s < 5


def test_nobody_waits_for_ever_for_the_lock(folder, monkeypatch):
    monkeypatch.setattr(kernel_cache, "_COMPILED_WITHIN_S", 0.3)
    with kernel_cache.compiling_alone(), kernel_cache.compiling_alone():
        pass


def test_without_a_folder_that_can_be_written_to_all_goes_on(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with kernel_cache.compiling_alone():
        kernel_cache.mark_warm()
    kernel_cache.forget_kernels()
    assert not kernel_cache.is_warm()


def test_another_folder_is_taken_where_the_users_cannot_be_written_to(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found = kernel_cache.kernel_cache_folder()
    assert found.name == f"planner-kernels-{os.getuid()}-{kernel_cache.kernel_digest()}"


def test_two_copies_of_the_same_kernels_are_compiled_each(folder, monkeypatch):
    """numba keeps a folder for each place that sources lie at, so what one copy compiled is of no use to another."""
    kernel_cache.mark_warm()
    assert kernel_cache.is_warm()
    monkeypatch.setattr(kernel_cache, "_KERNELS", Path("/elsewhere/kernels"))
    assert not kernel_cache.is_warm()


def test_what_a_worker_needs_is_less_than_all(folder):
    kernel_cache.mark_warm(is_worker=True)
    assert kernel_cache.is_warm(is_worker=True)
    assert not kernel_cache.is_warm()


@pytest.mark.parametrize("damage", [b"", b"\x80\x05 cut off", b"no pickle"])
def test_a_damaged_cache_is_compiled_anew(folder, tmp_path, damage):
    (tmp_path / "small.py").write_text(KERNEL)
    program = (
        "import sys\n"
        "from planner.fleet.warm import simulate_first\n"
        "import small\n"
        "class Sim:\n"
        "    def run(self, problem):\n"
        "        return small.double(problem)\n"
        "print(simulate_first(Sim(), 4), sum(small.double.stats.cache_hits.values()))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path.cwd())])}

    def run():
        words = [sys.executable, "-c", program]
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.split()

    assert run() == ["8", "0"]
    assert run() == ["8", "1"]
    files = [*folder.glob("*/*.nbi"), *folder.glob("*/*.nbc")]
    assert len(files) == 2
    for path in files:
        path.write_bytes(damage)
    assert run() == ["8", "0"]
    assert run() == ["8", "1"]


def test_a_host_that_fails_in_a_worker_at_first_fails_as_any_other(folder):
    class Sim:
        def run(self, problem):
            raise ValueError("frames lost")

    assert simulate_first(Sim(), None) == HostFailure("ValueError: frames lost")
    assert not kernel_cache.is_warm(is_worker=True)
