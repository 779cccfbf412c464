"""Touches and pages drawn for one host, piece by piece, give the bytes that drawing and keeping everything gives."""

import numpy as np
import pytest

from planner.config.load import load_hypervisor
from planner.config.slo import SloSpec
from planner.config.spec import WorkloadSpec
from planner.host import simulator
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.simulator import HostSim
from planner.host.touches import TouchStream
from planner.kernels.state import NO_CONTENT
from planner.workload.generated import GeneratedSource

VMS = (1, 3, 4, 7, 9)


@pytest.fixture(scope="module")
def source():
    return GeneratedSource("managed-hosting", 10, horizon_s=86400.0, tick_s=300.0, seed=2)


def make_problem(source, ratio, cpu="sapphire-rapids", salting=False):
    configured = int(source.vms.configured_bytes[list(VMS)].sum())
    hypervisor = load_hypervisor("esxi-8")
    sharing = hypervisor.page_sharing.model_copy(update={"salting": salting})
    return HostProblem(
        host=HostHardware("host", int(configured / ratio), 0, 64, cpu, SwapDevice("nvme", 80e-6, 5e5)),
        hypervisor=hypervisor.model_copy(update={"page_sharing": sharing}),
        workload=WorkloadSpec(),
        slo=SloSpec(),
        seed=2,
        replicate=0,
        vm_idx=VMS,
        page_scale=1024,
    )


def results(source, ratio):
    found = HostSim(source).run(make_problem(source, ratio), keep_timeline=True)
    return found.timeline, found.vm_rows, found.host_row


@pytest.mark.parametrize("ratio", [0.8, 2.0])
@pytest.mark.parametrize("piece_touches", [1, 5_000, 1 << 30])
def test_pieces_change_no_byte(source, ratio, piece_touches, monkeypatch):
    timeline, vm_rows, host_row = results(source, ratio)
    streams = []

    def make_stream(law, vm_idx):
        streams.append(TouchStream(law, vm_idx, piece_touches))
        return streams[-1]

    monkeypatch.setattr(simulator, "MOST_KEPT_PAGES", 0)
    monkeypatch.setattr(simulator, "TouchStream", make_stream)
    drawn_timeline, drawn_vm_rows, drawn_host_row = results(source, ratio)
    assert streams
    assert np.array_equal(timeline, drawn_timeline)
    assert host_row == drawn_host_row
    for name, values in vm_rows.items():
        assert np.array_equal(values, drawn_vm_rows[name], equal_nan=True), name


def test_a_buffer_that_is_too_short_changes_nothing(source, monkeypatch):
    monkeypatch.setattr(simulator, "MOST_KEPT_PAGES", 0)
    timeline, _, _ = results(source, 2.0)
    monkeypatch.setattr("planner.host.touches._capacity", lambda expected, n_pages: 1)
    short_timeline, _, _ = results(source, 2.0)
    assert np.array_equal(timeline, short_timeline)


def test_progress_counts_every_tick(source, monkeypatch):
    monkeypatch.setattr(simulator, "MOST_KEPT_PAGES", 0)
    ticks = []
    HostSim(source).run(make_problem(source, 2.0), ticked=ticks.append)
    assert sum(ticks) == 288


@pytest.mark.parametrize("salting", [True, False])
def test_pages_of_a_host_are_those_of_the_fleet(source, salting, monkeypatch):
    problem = make_problem(source, 2.0, salting=salting)
    kept = HostSim(source).prepare(problem)[0]
    monkeypatch.setattr(simulator, "MOST_KEPT_PAGES", 0)
    drawn = HostSim(source).prepare(problem)[0]
    assert np.array_equal(kept.pages.guest_class, drawn.pages.guest_class)
    assert np.array_equal(kept.swap.slot_units, drawn.swap.slot_units)
    # Numbers of contents are names: equal pages must stay equal.
    pairs = np.unique(np.stack([kept.pages.home_content, drawn.pages.home_content]), axis=1)
    assert np.unique(pairs[0]).size == np.unique(pairs[1]).size == pairs.shape[1]
    assert (pairs[:, 0] == NO_CONTENT).all()


def test_a_fleet_of_two_kinds_of_cpu_draws_its_touches_once(source):
    sim = HostSim(source)
    for cpu in ("sapphire-rapids", "zen3"):
        sim.run(make_problem(source, 2.0, cpu))
    assert sim._touches.cache_info().misses == 1
    assert sim._calm.cache_info().misses == 2
