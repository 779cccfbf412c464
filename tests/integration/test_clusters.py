"""Clusters of several machines, each a process here: joined, lost in part, lost as a whole, protected by a token."""

import dataclasses
import os
import secrets
import shutil
import subprocess
from contextlib import contextmanager

import numpy as np
import pytest
from fake_sim import FakeSim, FakeSource, fake_plan, outcomes_of
from test_faults import HostsOfATenth

from planner.errors import InputError, LostError, StoppedError
from planner.fleet import ray_pool
from planner.fleet.base import StopRequest
from planner.fleet.local import LocalExecutor
from planner.fleet.ray_pool import RayExecutor
from tests.integration.ray_nodes import ray_machines

TOKEN = secrets.token_hex(32)


@pytest.fixture(scope="module")
def plan():
    return fake_plan()


@pytest.fixture(scope="module")
def expected(plan):
    return outcomes_of(LocalExecutor(), plan, FakeSim)


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)


def doing_after(n_hosts, what):
    """Return a progress that does something, once, when so many hosts are done."""
    counts = []

    def progress(count):
        if sum(counts) < n_hosts <= sum(counts) + count:
            what()
        counts.append(count)

    return progress


@pytest.mark.slow
def test_a_machine_that_is_lost_in_the_middle_changes_nothing(plan, expected):
    lines = []
    with ray_machines(TOKEN) as machines:
        machines.start(1)
        second = machines.start(1)
        with RayExecutor(address=machines.address, say=lines.append) as executor:
            found = outcomes_of(executor, plan, HostsOfATenth, doing_after(10, second.kill))
    assert found == expected
    assert lines
    assert all(line.startswith("a worker was lost") for line in lines)


@pytest.mark.slow
def test_a_cluster_whose_head_is_lost_ends_the_sweep_with_one_message(plan, monkeypatch):
    monkeypatch.setattr(ray_pool, "_BACK_WITHIN_S", 1.0)
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "5")
    lines = []
    with ray_machines(TOKEN) as machines:
        head = machines.start(2)
        executor = RayExecutor(address=machines.address, say=lines.append)
        with executor, pytest.raises(LostError) as caught:
            outcomes_of(executor, plan, HostsOfATenth, doing_after(10, head.kill))
    assert str(caught.value).startswith(f"the Ray cluster at {machines.address} was lost for good")
    assert "of 72 hosts of this stage are done" in str(caught.value)
    assert [line for line in lines if "joining it again" in line]


@pytest.mark.slow
def test_a_cluster_without_a_free_cpu_is_waited_for_and_the_user_told(plan, monkeypatch):
    lines, stop = [], StopRequest()

    def say(text):
        lines.append(text)
        stop.ask(0.5)

    with ray_machines(TOKEN) as machines:
        machines.start(0)
        with RayExecutor(address=machines.address, say=say, stop=stop) as executor, pytest.raises(StoppedError):
            outcomes_of(executor, plan, FakeSim)
    assert lines[0].startswith("waiting for a free CPU of the cluster, for 15 s now; 0 of 72 hosts are done")


@pytest.mark.parametrize(
    ("mode", "token", "said"),
    [
        ("token", secrets.token_hex(32), "the cluster does not accept this token; give the cluster's own token in"),
        ("disabled", "", "the cluster does not accept this token; give the cluster's own token in"),
    ],
)
@pytest.mark.slow
def test_a_cluster_is_joined_with_its_token_only(plan, monkeypatch, mode, token, said):
    with ray_machines(TOKEN) as machines:
        machines.start(1)
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
        monkeypatch.setenv("RAY_AUTH_TOKEN", token)
        with RayExecutor(address=machines.address) as executor, pytest.raises(InputError) as caught:
            outcomes_of(executor, plan, FakeSim)
    assert f"--ray-address {machines.address}: {said}" in str(caught.value)


@pytest.mark.slow
def test_a_token_for_a_cluster_that_has_none_is_explained(plan):
    with ray_machines() as machines:
        machines.start(1)
        with RayExecutor(address=machines.address) as executor, pytest.raises(InputError) as caught:
            outcomes_of(executor, plan, FakeSim)
    assert "a cluster that was started without tokens is joined with RAY_AUTH_MODE=disabled" in str(caught.value)


@contextmanager
def network_namespace():
    """Make a network namespace with a link to this one; give (its name, address here, address there)."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("needs root and ip (iproute2) for network namespaces")
    name = f"planner-{secrets.token_hex(3)}"
    link, here, there = f"v{secrets.token_hex(4)}", "10.213.77.1", "10.213.77.2"
    steps = [
        f"ip netns add {name}",
        f"ip link add {link} type veth peer name eth0 netns {name}",
        f"ip addr add {here}/24 dev {link}",
        f"ip link set {link} up",
        f"ip -n {name} addr add {there}/24 dev eth0",
        f"ip -n {name} link set eth0 up",
        f"ip -n {name} link set lo up",
    ]
    try:
        for step in steps:
            done = subprocess.run(step.split(), capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no network namespaces here: {step}: {done.stderr.strip()}")
        yield name, here, there
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", link], capture_output=True, check=False)


class LargeSource(FakeSource):
    """Carries more than the object store of a machine holds."""

    def __post_init__(self):
        super().__post_init__()
        self.ballast = np.ones(300_000_000, dtype=np.uint8)


@pytest.mark.slow
def test_a_source_larger_than_the_object_store_runs_all_the_same(plan, expected):
    """The object stores have 100 MB; Ray keeps what does not fit in files."""
    large = dataclasses.replace(plan, source=LargeSource())
    with ray_machines(TOKEN) as machines:
        machines.start(1)
        machines.start(1)
        with RayExecutor(address=machines.address) as executor:
            assert outcomes_of(executor, large, FakeSim) == expected


def test_two_machines_on_a_network_one_of_them_lost(plan, expected):
    """The second machine is in a network namespace of its own: it shares no address with the first."""
    lines = []
    with network_namespace() as (name, here, there), ray_machines(TOKEN) as machines:
        machines.start(1, here)
        second = machines.start(1, there, inside=("ip", "netns", "exec", name))
        with RayExecutor(address=machines.address, say=lines.append) as executor:
            found = outcomes_of(executor, plan, HostsOfATenth, doing_after(10, second.kill))
    assert found == expected
    assert lines
    assert all(line.startswith("a worker was lost") for line in lines)
