"""Whatever VMs are drawn together, each has the demand that it has in the whole fleet: the same bytes, every source."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.config.spec import VmSpec
from planner.units import GIB
from planner.workload.driverless import DriverlessSource
from planner.workload.fleet_files import read_fleet, write_fleet
from planner.workload.fleet_records import FleetFiles, FleetInfo, VmRecord
from planner.workload.generated import GeneratedSource
from planner.workload.grown import GrownSource
from planner.workload.grown_by_class import plan_growth
from planner.workload.imported import ImportedSource
from planner.workload.listed import ListedSource
from planner.workload.stays import Stay, StayedSource

HOURS = 3600.0
SEED = 5
KINDS = (
    "generated",
    "listed",
    "imported",
    "driverless",
    "grown",
    "grown by class",
    "grown from recorded",
    "stays",
    "stays of a grown fleet",
)


def imported(folder):
    rng = np.random.default_rng(1)
    active = (rng.uniform(0.1, 0.5, (6, 96)) * 8 * GIB).astype(np.float32)
    granted = np.maximum.accumulate(active, axis=1)
    active[2, 30:60], granted[2, 30:60] = np.nan, np.nan
    vms = tuple(VmRecord(f"vm-{v}", 8 * GIB, "table", vcpus=2, group="g" if v < 3 else None) for v in range(6))
    write_fleet(folder, FleetFiles(FleetInfo("test", "", 300, 0), vms, active, granted))
    return ImportedSource(read_fleet(folder), str(folder), 4 * HOURS, 300.0, SEED)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    generated = GeneratedSource("managed-hosting", 24, 30 * HOURS, 300.0, SEED)
    recorded = imported(tmp_path_factory.mktemp("fleets") / "fleet")
    specs = (VmSpec(name="a", memory="4 GiB", count=5, group="g"), VmSpec(name="b", memory="8 GiB", active=0.1))
    stays = (Stay(3, 0, 40, "running"), Stay(3, 50, 90, "cold"), Stay(7, 20, 360, "moved"), Stay(30, 10, 99, "cold"))
    clone_of, _ = plan_growth([0.1] * 24, generated.vms, 6, SEED)
    grown = GrownSource(generated, 40, SEED)
    return {
        "generated": generated,
        "listed": ListedSource(specs, 6 * HOURS, 300.0, SEED),
        "imported": recorded,
        "driverless": DriverlessSource(generated, 0.5, SEED),
        "grown": grown,
        "grown by class": GrownSource(generated, 24 + len(clone_of), SEED, clone_of),
        "grown from recorded": GrownSource(recorded, 15, SEED),
        "stays": StayedSource(generated, stays[:3], SEED),
        "stays of a grown fleet": StayedSource(grown, stays, SEED),
    }


def assert_same(part, whole, vm_idx):
    assert part.tick_s == whole.tick_s
    assert part.active_fraction.shape == (len(vm_idx), whole.n_ticks)
    for name in ("active_fraction", "granted_fraction", "cpu_busy_vcpus"):
        found, expected = getattr(part, name), getattr(whole, name)[vm_idx]
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected, equal_nan=True), name
    assert (part.presence is None) == (whole.presence is None)
    if whole.presence is not None:
        assert np.array_equal(part.presence.is_whole, whole.presence.is_whole[vm_idx])
        assert np.array_equal(part.presence.running_tick, whole.presence.running_tick[vm_idx])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(kind=st.sampled_from(KINDS), replicate=st.integers(0, 2), data=st.data())
def test_a_vm_has_its_demand_in_any_company(sources, kind, replicate, data):
    source = sources[kind]
    row = st.integers(0, len(source.vms) - 1)
    vm_idx = np.array(data.draw(st.lists(row, unique=True, max_size=len(source.vms))), dtype=np.int64)
    assert_same(source.demand(replicate, vm_idx), source.demand(replicate), vm_idx)
    assert_same(source.history(2 * HOURS, vm_idx), source.history(2 * HOURS), vm_idx)


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_in_another_process_draws_the_same(sources, kind):
    whole = sources[kind].demand(1)
    copy = pickle.loads(pickle.dumps(sources[kind]))
    vm_idx = np.arange(len(copy.vms))[::-2]
    assert_same(copy.demand(1, vm_idx), whole, vm_idx)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_drawn_is_the_callers_to_change(sources, kind):
    vm_idx = np.arange(3)
    first = sources[kind].demand(0, vm_idx)
    expected = first.active_fraction.copy()
    first.active_fraction[:] = 9.0
    assert np.array_equal(sources[kind].demand(0, vm_idx).active_fraction, expected, equal_nan=True)
