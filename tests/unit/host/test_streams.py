"""What is drawn piece by piece, kept, dropped and drawn again gives the same bytes."""

from dataclasses import replace

import numpy as np
import pytest

from planner.config.load import load_hypervisor
from planner.config.slo import SloSpec
from planner.config.spec import WorkloadSpec
from planner.host import simulator, vm_store
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.simulator import HostSim
from planner.host.touches import draw_vm, piece_by_piece
from planner.workload.generated import GeneratedSource

VMS = (1, 3, 4, 7, 9)


@pytest.fixture(scope="module")
def source():
    return GeneratedSource("managed-hosting", 10, horizon_s=86400.0, tick_s=300.0, seed=2)


def make_problem(source, ratio, cpu="sapphire-rapids"):
    configured = int(source.vms.configured_bytes[list(VMS)].sum())
    return HostProblem(
        host=HostHardware("host", int(configured / ratio), 0, 64, cpu, SwapDevice("nvme", 80e-6, 5e5)),
        hypervisor=load_hypervisor("esxi-8"),
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


@pytest.mark.parametrize("ratio", [0.8, 6.0])
@pytest.mark.parametrize("piece_touches", [1, 5_000, 1 << 30])
def test_pieces_change_no_byte(source, ratio, piece_touches, monkeypatch):
    timeline, vm_rows, host_row = results(source, ratio)
    drawn = []

    def draw(plan, law):
        drawn.append(law)
        return piece_by_piece(plan, law, piece_touches)

    monkeypatch.setattr(simulator, "MOST_KEPT_TOUCHES", 0)
    monkeypatch.setattr(simulator, "piece_by_piece", draw)
    drawn_timeline, drawn_vm_rows, drawn_host_row = results(source, ratio)
    # A quiet host has no touches to draw.
    assert bool(drawn) == (ratio > 1.0)
    assert np.array_equal(timeline, drawn_timeline)
    assert host_row == drawn_host_row
    for name, values in vm_rows.items():
        assert np.array_equal(values, drawn_vm_rows[name], equal_nan=True), name


def test_a_buffer_that_is_too_short_changes_nothing(source, monkeypatch):
    monkeypatch.setattr(simulator, "MOST_KEPT_TOUCHES", 0)
    timeline, _, _ = results(source, 6.0)
    monkeypatch.setattr("planner.host.touches._capacity", lambda expected, n_pages: 1)
    short_timeline, _, _ = results(source, 6.0)
    assert np.array_equal(timeline, short_timeline)


def test_progress_counts_every_tick(source, monkeypatch):
    monkeypatch.setattr(simulator, "MOST_KEPT_TOUCHES", 0)
    ticks = []
    HostSim(source).run(make_problem(source, 6.0), ticked=ticks.append)
    assert sum(ticks) == 288


@pytest.mark.parametrize("ratio", [0.8, 6.0])
@pytest.mark.parametrize("kept_bytes", [0, 60_000, 1 << 30])
def test_what_is_kept_changes_no_byte_and_stays_in_its_budget(source, ratio, kept_bytes):
    expected = results(source, ratio)
    sim = HostSim(source, kept_bytes)
    for replicate in (0, 1, 0):
        problem = replace(make_problem(source, ratio), replicate=replicate)
        found = sim.run(problem, keep_timeline=True)
        assert sim.kept_bytes <= kept_bytes
    assert np.array_equal(found.timeline, expected[0])
    assert found.host_row == expected[2]
    assert (sim.kept_bytes > 0) == (kept_bytes > 0)


def test_hosts_of_two_ratios_and_two_kinds_of_cpu_draw_their_vms_once(source, monkeypatch):
    drawn, touched = [], []
    monkeypatch.setattr(vm_store, "draw_vm", lambda law, row: touched.append(row) or draw_vm(law, row))
    monkeypatch.setattr(
        source, "demand", lambda replicate, rows: drawn.extend(rows) or type(source).demand(source, replicate, rows)
    )
    sim = HostSim(source)
    for ratio, cpu in ((6.0, "sapphire-rapids"), (6.0, "zen3"), (5.0, "zen3")):
        sim.run(make_problem(source, ratio, cpu))
    assert drawn == list(VMS)
    assert touched == list(range(len(VMS)))
