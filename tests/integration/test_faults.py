"""What dies on the way, and what the sweep makes of it: the tables of an undisturbed run, or one clear message."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from fake_sim import FakeSim, fake_plan, outcomes_of

from planner.errors import LostError
from planner.fleet import ray_pool
from planner.fleet.local import LocalExecutor
from planner.fleet.ray_pool import RayExecutor
from planner.host.problem import HostFailure
from tests.integration.processes import descendants, name_of


class HostsOfATenth(FakeSim):
    """Takes a tenth of a second for each host, so that there is time to kill something."""

    def run(self, problem, keep_timeline=False, ticked=None):
        time.sleep(0.1)
        return super().run(problem, keep_timeline)


@pytest.fixture(scope="module")
def plan():
    return fake_plan()


@pytest.fixture(scope="module")
def expected(plan):
    return outcomes_of(LocalExecutor(), plan, FakeSim)


@pytest.fixture
def here(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def run_and_kill(executor, plan, name, times=1):
    """Kill the processes of that name below the driver whenever five more hosts are done; return the outcomes."""
    killed, steps = [], []

    def kill(count):
        steps.append(count)
        if len(killed) < times and sum(steps) >= 5 * (len(killed) + 1):
            victims = [executor.driver_pid()] if name == "driver" else of_name(executor.driver_pid(), name)
            assert victims
            os.kill(victims[0], signal.SIGKILL)
            killed.append(victims[0])

    outcomes = outcomes_of(executor, plan, HostsOfATenth, kill)
    assert len(killed) == times
    return outcomes


def family_of(executor):
    """List the driver and all that it has started, once its Ray is there."""
    wait_until(lambda: of_name(executor.driver_pid(), "raylet"), 60)
    return [executor.driver_pid(), *descendants(executor.driver_pid())]


def of_name(root, name):
    return [pid for pid in descendants(root) if name in name_of(pid)]


SLOW = pytest.mark.slow
CORE_LOST = "Ray was lost (one of its processes ended); starting it again."


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ray::HostWorker", "a worker was lost (its process ended"),
        pytest.param("raylet", CORE_LOST, marks=SLOW),
        pytest.param("gcs_server", CORE_LOST, marks=SLOW),
        ("driver", "Ray was lost (its driver ended); starting it again."),
    ],
)
def test_whatever_is_killed_the_outcomes_are_the_same(plan, expected, here, capfd, name, said):
    lines = []
    with RayExecutor(2, say=lines.append) as executor:
        family = family_of(executor)
        assert run_and_kill(executor, plan, name) == expected
        family += family_of(executor)
    assert lines[0].startswith(said)
    assert len(lines) == 1
    assert capfd.readouterr() == ("", "")
    wait_until(lambda: not any(name_of(pid) for pid in family), 5)


class HostsOfAHundredth(FakeSim):
    def run(self, problem, keep_timeline=False, ticked=None):
        time.sleep(0.01)
        return super().run(problem, keep_timeline)


def test_a_worker_that_hangs_is_given_up_and_its_hosts_are_repeated(plan, expected, here):
    lines, stopped = [], []

    with RayExecutor(2, say=lines.append, hangs_after_s=2.0) as executor:

        def stop_one(count):
            if not stopped:
                # One that has hosts: Ray names a process after the method that it runs.
                stopped.extend(of_name(executor.driver_pid(), "ray::HostWorker.run_batch")[:1])
                for pid in stopped:
                    os.kill(pid, signal.SIGSTOP)

        assert outcomes_of(executor, plan, HostsOfAHundredth, stop_one) == expected
    assert lines[0].startswith("a worker was lost (it did not answer for")


class Greedy(FakeSim):
    """Takes 4 GB for one host, slowly, in every attempt."""

    def run(self, problem, keep_timeline=False, ticked=None):
        held = []
        while 4 in problem.vm_idx and problem.replicate == 1 and len(held) < 50:
            held.append(np.ones(10_000_000))
            time.sleep(0.05)
        return super().run(problem, keep_timeline)


@SLOW
def test_a_host_that_takes_too_much_memory_fails_alone(here, monkeypatch):
    """Ray's own guard ends its worker when an eighth of the machine's memory more is used than now."""
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines()}
    used = 1 - sizes["MemAvailable"] / sizes["MemTotal"]
    if used > 0.8 or not 8 < sizes["MemTotal"] / 2**20 < 30:
        pytest.skip("needs a machine of 8 to 30 GiB that is mostly free: 4 GB must be more than an eighth of it")
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{used + 0.125:.3f}")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "50")
    small = fake_plan(sweep={"overcommit_ratio": [1.0], "placement": ["first-fit"], "replicates": 2})
    found = {}
    with RayExecutor(2) as executor:
        executor.run_problems(small.problems, Greedy, small.source, found.__setitem__, lambda count: None)
    failed = [at for at, problem in enumerate(small.problems) if 4 in problem.vm_idx and problem.replicate == 1]
    assert [at for at, outcome in sorted(found.items()) if isinstance(outcome, HostFailure)] == failed
    assert found[failed[0]].message == "its worker was lost 4 times, at last because its machine ran out of memory"
    assert not found[failed[0]].is_final


def test_ray_that_is_lost_again_and_again_ends_the_sweep(plan, here, monkeypatch):
    """Every driver is killed before any host is done."""
    start = ray_pool.DriverProcess

    def start_and_kill(*args):
        driver = start(*args)
        os.kill(driver.pid, signal.SIGKILL)
        return driver

    monkeypatch.setattr(ray_pool, "DriverProcess", start_and_kill)
    with RayExecutor(2) as executor, pytest.raises(LostError, match="Ray was lost for good") as caught:
        outcomes_of(executor, plan, FakeSim)
    assert "0 of 72 hosts" in str(caught.value)
    assert caught.value.exit_code == 3


def test_nothing_is_left_behind_when_the_parent_is_killed(short_folder, here):
    """Ray, its folder and its workers go when the planner goes, however it goes."""
    import subprocess
    import sys

    program = (
        "import time\n"
        "from planner.fleet.ray_pool import RayExecutor\n"
        "with RayExecutor(1) as executor:\n"
        "    print(executor.driver_pid(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    environment = {**os.environ, "TMPDIR": str(short_folder)}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as parent:
        driver = int(parent.stdout.readline())
        wait_until(lambda: of_name(driver, "raylet"), 60)
        assert list(short_folder.iterdir())
        family = [driver, *descendants(driver)]
        parent.kill()
    wait_until(lambda: not any(name_of(pid) for pid in family), 60)
    wait_until(lambda: not list(short_folder.iterdir()), 30)


def wait_until(is_so, within_s):
    until_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.1)
