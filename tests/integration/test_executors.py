"""Executors: local and Ray give the same tables to the byte, whatever dies on the way."""

import hashlib
import time

import pytest
from fake_sim import DeadlySim, DyingSim, FailingSim, FakeSim, SlowSim, fake_plan

from planner.errors import InputError, StoppedError
from planner.fleet.base import StopRequest
from planner.fleet.local import LocalExecutor
from planner.host.problem import HostFailure
from planner.results.store import write_table
from planner.results.tables import host_table, vm_table


@pytest.fixture(scope="module")
def plan():
    return fake_plan()


@pytest.fixture
def ray_executor(ray_cluster):
    from planner.fleet.ray_pool import RayExecutor

    def make(workers, stop=None):
        return RayExecutor(workers, ray_cluster, stop)

    return make


def run(executor, plan, sim_factory):
    found, steps = {}, []

    def sink(position, outcome):
        assert position not in found
        found[position] = outcome

    executor.run_problems(plan.problems, sim_factory, plan.source, sink, steps.append)
    assert sum(steps) == len(plan.problems)
    return [found[position] for position in range(len(plan.problems))]


def table_hashes(plan, outcomes, folder):
    hashes = []
    for name, build in (("hosts", host_table), ("vms", vm_table)):
        write_table(build(plan, outcomes), folder / name)
        hashes.append(hashlib.sha256((folder / name).read_bytes()).hexdigest())
    return hashes


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("sim_factory", [FakeSim, FailingSim])
def test_ray_equals_local_to_the_byte(plan, ray_executor, workers, sim_factory, tmp_path):
    expected = table_hashes(plan, run(LocalExecutor(), plan, sim_factory), tmp_path)
    with ray_executor(workers) as executor:
        assert table_hashes(plan, run(executor, plan, sim_factory), tmp_path) == expected
        assert executor.worker_cpu_s() > 0


def test_worker_that_dies_once_changes_nothing(plan, ray_executor, tmp_path):
    expected = table_hashes(plan, run(LocalExecutor(), plan, FakeSim), tmp_path)
    with ray_executor(2) as executor:
        outcomes = run(executor, plan, DyingSim)
    assert table_hashes(plan, outcomes, tmp_path) == expected


def test_host_that_always_kills_its_worker_fails_alone(plan, ray_executor):
    with ray_executor(2) as executor:
        outcomes = run(executor, plan, DeadlySim)
    deadly = [4 in problem.vm_idx and problem.replicate == 1 for problem in plan.problems]
    assert any(deadly)
    assert [isinstance(outcome, HostFailure) for outcome in outcomes] == deadly
    assert "its worker was lost 4 times" in outcomes[deadly.index(True)].message


def test_failing_host_is_a_row_and_the_others_go_on(plan):
    outcomes = run(LocalExecutor(), plan, FailingSim)
    hosts = host_table(plan, outcomes).to_pandas()
    failed = hosts[hosts["status"] != "ok"]
    assert set(failed["status"]) == {"ValueError: frames lost: 3 in use, 2 counted"}
    assert set(failed["replicate"]) == {1}
    assert failed["swapped_bytes_max"].isna().all()
    # One host per scenario holds the fleet's fifth VM: 6 scenarios, one failed row each.
    assert sorted(failed["scenario_id"]) == [0, 1, 2, 3, 4, 5]
    vms = vm_table(plan, outcomes).to_pandas()
    assert len(vms) == 6 * 4 * 24 - failed["vms"].sum()


def test_simulation_that_cannot_be_set_up_ends_the_sweep_with_its_own_error(plan, ray_executor):
    with pytest.raises(InputError, match="fleet: is gone"):
        run(LocalExecutor(), plan, refuse)
    with ray_executor(1) as executor, pytest.raises(InputError, match="fleet: is gone"):
        run(executor, plan, refuse)


def refuse(source):
    raise InputError("fleet", "is gone")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:9", "nothing answers there"),
        ("127.0.0.1:99999", "nothing answers there"),
        ("ray://127.0.0.1:9", "is an address for Ray's remote client, which planner does not use"),
    ],
)
def test_cluster_that_cannot_be_joined_is_said_at_once(address, said):
    from planner.fleet.ray_pool import RayExecutor

    with pytest.raises(InputError, match=f"--ray-address {address}: {said}"), RayExecutor(1, address):
        pass


def stopped_run(executor, stop, plan, sim_factory, after=1):
    """Ask to stop as soon as `after` outcomes are in; return them, and the seconds from the request to the end."""
    found, asked_s = {}, []

    def sink(position, outcome):
        found[position] = outcome
        if len(found) == after:
            stop.ask(patience_s=1.0)
            asked_s.append(time.monotonic())

    with pytest.raises(StoppedError):
        executor.run_problems(plan.problems, sim_factory, plan.source, sink, lambda count: None)
    return found, time.monotonic() - asked_s[0]


def test_local_executor_stops_after_the_host_at_hand(plan):
    stop = StopRequest()
    found, _ = stopped_run(LocalExecutor(stop), stop, plan, FakeSim, after=5)
    assert len(found) == 5


def test_ray_finishes_and_hands_over_the_batches_at_hand(plan, ray_executor):
    stop = StopRequest()
    with ray_executor(2, stop) as executor:
        found, _ = stopped_run(executor, stop, plan, FakeSim)
        # Hosts go out one by one until it is known how long they take: nothing was begun after the request.
        assert 1 <= len(found) < len(plan.problems)
        sim = FakeSim(plan.source)
        assert all(outcome.host_row == sim.run(plan.problems[at]).host_row for at, outcome in found.items())


def test_ray_gives_up_batches_that_take_too_long(plan, ray_executor):
    """SlowSim is quick at replicate 0 and takes 30 s at any other."""
    stop = StopRequest()
    with ray_executor(2, stop) as executor:
        found, took_s = stopped_run(executor, stop, plan, SlowSim)
    assert found
    assert {plan.problems[position].replicate for position in found} == {0}
    assert took_s < 2.5
