"""VMs that come and go: at every tick each is on one host, or off with a reason, and hosts keep their books."""

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from planner.config.placement_rules import PlacementRulesSpec
from planner.config.turnover import TurnoverSpec
from planner.errors import InputError
from planner.host.simulator import HostSim
from planner.kernels import timeline
from planner.sweep.arrivals import list_comers
from planner.sweep.failover import Rules, fail_hosts, move_hosts, without_hosts
from planner.sweep.plan import build_plan, host_problem
from planner.units import GIB
from planner.workload.generated import GeneratedSource
from tests.unit.sweep.test_placing import Fleet, config_of, plan_of

N_TICKS = 24
COMMON = {"deadline": None, "derandomize": True, "suppress_health_check": [HealthCheck.too_slow]}
EVENTS = st.lists(
    st.tuples(
        st.booleans(),  # fails, or is emptied
        st.integers(1, 4),  # host
        st.integers(1, N_TICKS - 1),
        st.sampled_from([None, 1.0, 1.3]),
    ),
    min_size=1,
    max_size=3,
)


def placed_with(events, fleet, config):
    """Place a fleet, and let the events come in the order of their ticks."""
    return happen(plan_of(config, fleet).placed[0], fleet, events)


def happen(item, fleet, events):
    """Let events come in the order of their ticks."""
    for is_failure, host, tick, most_ratio in sorted(events, key=lambda event: event[2]):
        rules = Rules(most_ratio=most_ratio, starts_per_host=2)
        try:
            if is_failure:
                found = fail_hosts(item, fleet, (f"h-{host:02d}",), tick, 2, rules)
            else:
                found = move_hosts(item, fleet, (f"h-{host:02d}",), tick, 4 * GIB / 300, rules)
        except InputError:  # no host is left
            continue
        item = found.scenario
    return item


def presence(item, n_vms):
    """Count on how many hosts each VM is, by tick: int array, shape (n_vms, N_TICKS)."""
    on = np.zeros((n_vms, N_TICKS), dtype=int)
    for host in item.hosts:
        on[list(host.vm_idx)] += 1
        for stay in host.stays:
            on[stay.vm, stay.first_tick : stay.end_tick] += 1
    return on


@settings(max_examples=200, **COMMON)
@given(sizes=st.lists(st.integers(1, 8), min_size=2, max_size=14), events=EVENTS)
def test_every_vm_is_on_one_host_or_off_with_a_reason(sizes, events):
    fleet = Fleet(sizes)
    config = config_of(hosts=4, overcommit_ratio=[1.5], placement=["worst-fit"]).model_copy(update={"horizon": 7200.0})
    item = placed_with(events, fleet, config)
    on = presence(item, len(sizes))
    assert on.max() <= 1
    assert (on[:, 0] == 1).sum() + len(plan_of(config, fleet).placed[0].unplaced) == len(sizes)
    names = {vm.name for vm in item.unplaced}
    for vm, row in enumerate(on):
        off = np.flatnonzero(row == 0)
        if row[0] == 0 or off.size == 0:
            continue
        # Off between a failure and the restart: two ticks, and one more for every two VMs that a host restarts before.
        longest = 2 + len(sizes) // 2
        runs = np.split(off, np.flatnonzero(np.diff(off) > 1) + 1)
        is_refused = fleet.vms.names[vm] in names
        assert all(len(run) <= longest or (is_refused and run[-1] == N_TICKS - 1) for run in runs)
    for host in item.hosts:
        gone = N_TICKS if host.gone_tick is None else host.gone_tick
        assert all(stay.end_tick <= gone for stay in host.stays)
        assert host.gone_tick is None or not host.vm_idx
    plan = build_plan(fleet, [item])
    assert sum(len(host.rows) for host in plan.placed[0].hosts) == len(
        {r for h in plan.placed[0].hosts for r in h.rows}
    )


@settings(max_examples=12, phases=(Phase.explicit, Phase.generate), **COMMON)
@given(
    seed=st.integers(0, 2**20),
    preset=st.sampled_from(["esxi-8", "kvm"]),
    zeroed=st.booleans(),
    events=EVENTS,
)
def test_hosts_keep_their_books_through_events(seed, preset, zeroed, events):
    fleet = GeneratedSource("managed-hosting", 30, 7200.0, 300.0, seed)
    config = _config(preset, zeroed)
    assume(fleet.vms.configured_bytes.max() < 100 * GIB)
    base = plan_of(config, fleet).placed[0]
    assume(len(base.hosts) > 1)
    item = placed_with(events, fleet, config)
    first_tick = min(tick for _, _, tick, _ in events)
    plan = build_plan(fleet, [base, replace(item, scenario=replace(item.scenario, id=1))])
    sim = HostSim(plan.source)
    before = {host.hardware.name: _timeline(sim, plan.placed[0], host) for host in plan.placed[0].hosts}
    for host in plan.placed[1].hosts:
        rows = _timeline(sim, plan.placed[1], host)
        total = rows[:, _column("consumed")] + rows[:, _column("free")]
        assert (rows[:, _column("free")] >= 0).all()
        # KSM, which shares between VMs, treats a content that somebody will bring as one that can be shared.
        if preset == "esxi-8" and not any(stay.first_tick == 0 for stay in host.stays):
            # Nothing happens before it happens; and what overhead memory takes comes and goes.
            assert np.array_equal(rows[:first_tick], before[host.hardware.name][:first_tick])
            assert (total <= total[0]).all()
        gone = N_TICKS if host.gone_tick is None else host.gone_tick
        assert (rows[gone:, _column("granted")] == 0).all()
        if preset == "esxi-8":  # KSM keeps the memory of its records
            assert (rows[gone:, _column("consumed")] == 0).all()


@settings(max_examples=60, **COMMON)
@given(
    sizes=st.lists(st.integers(1, 8), min_size=1, max_size=8),
    arrivals_per_day=st.sampled_from([50.0, 400.0, 2000.0]),
    lifetime=st.sampled_from(["5 min", "20 min", "2 h"]),
    strategy=st.sampled_from(["first-fit", "worst-fit", "best-fit"]),
    event=st.none() | st.tuples(st.booleans(), st.integers(1, 4), st.integers(1, N_TICKS - 1), st.just(1.2)),
)
def test_turnover_keeps_every_limit_at_every_tick(sizes, arrivals_per_day, lifetime, strategy, event):
    fleet = Fleet(sizes)
    config = config_of(hosts=4, overcommit_ratio=[1.2], placement=[strategy])
    turnover = TurnoverSpec.model_validate({"arrivals_per_day": arrivals_per_day, "lifetime": lifetime})
    with_it = config.fleet.model_copy(update={"turnover": turnover})
    config = config.model_copy(update={"horizon": 7200.0, "fleet": with_it})
    plan = plan_of(config, fleet)
    item, vms = plan.placed[0], plan.source.base.vms if hasattr(plan.source, "base") else plan.source.vms
    if event is not None:
        call = fail_hosts if event[0] else move_hosts
        try:
            item = call(item, plan.source, (f"h-{event[1]:02d}",), event[2], rules=Rules(most_ratio=1.2)).scenario
        except InputError:
            return
    assert presence(item, len(vms)).max(initial=0) <= 1
    for host in item.hosts:
        held = np.zeros(N_TICKS, dtype=np.int64)
        held += int(vms.configured_bytes[list(host.vm_idx)].sum())
        for stay in host.stays:
            held[stay.first_tick : stay.end_tick] += vms.configured_bytes[stay.vm]
        assert held.max() <= 12 * GIB  # 10 GiB at a ratio of 1.2
        assert host.configured_bytes == held.max()
    names = {vm.name for vm in item.unplaced}
    housed = {vms.names[vm] for vm in np.flatnonzero(presence(item, len(vms)).any(axis=1))}
    arrived = list_comers(config, len(sizes))
    assert all(vms.names[comer.vm] in housed | names for comer in arrived)


RULES = PlacementRulesSpec.model_validate(
    {
        "affinity": [{"vms": ["vm-0", "vm-1"]}],
        "anti_affinity": [{"vms": ["vm-1", "vm-2", "vm-3"]}],
        "must_run_on": [{"vms": ["vm-4"], "hosts": ["h-01", "h-02"]}],
        "max_vcpus_per_core": 1.5,
    }
)


@settings(max_examples=40, **COMMON)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=5, max_size=10),
    arrivals_per_day=st.sampled_from([0.0, 400.0, 1000.0]),
    strategy=st.sampled_from(["first-fit", "worst-fit", "best-fit"]),
    events=EVENTS,
    missing=st.none() | st.integers(1, 4),
)
def test_events_break_no_rule(sizes, arrivals_per_day, strategy, events, missing):
    fleet = Fleet(sizes)
    config = config_of(hosts=4, overcommit_ratio=[1.5], placement=[strategy])
    turnover = {"arrivals_per_day": arrivals_per_day, "lifetime": "20 min"} if arrivals_per_day else None
    with_it = config.fleet.model_copy(update={"turnover": turnover and TurnoverSpec.model_validate(turnover)})
    config = config.model_copy(update={"horizon": 7200.0, "fleet": with_it, "placement_rules": RULES})
    plan = plan_of(config, fleet)
    item, source = plan.placed[0], plan.source
    if missing is not None and len(item.hosts) > 1 and any(h.hardware.name == f"h-{missing:02d}" for h in item.hosts):
        item = without_hosts(item, source, (f"h-{missing:02d}",)).scenario
    item = happen(item, source, events)
    n_vms = len(sizes)
    host_at = np.full((n_vms, N_TICKS), "", dtype=object)
    for host in item.hosts:
        vcpus = np.full(N_TICKS, 2 * len(host.vm_idx))
        for vm, first, end in [
            *((vm, 0, N_TICKS) for vm in host.vm_idx),
            *((s.vm, s.first_tick, s.end_tick) for s in host.stays),
        ]:
            if vm < n_vms:
                host_at[vm, first:end] = host.hardware.name
        for stay in host.stays:
            vcpus[stay.first_tick : stay.end_tick] += 2
        assert vcpus.max() <= 12  # 8 cores
    for first, second in ((1, 2), (1, 3), (2, 3)):
        is_on = host_at[first] != ""
        assert (host_at[first][is_on] != host_at[second][is_on]).all()
    is_on = (host_at[0] != "") & (host_at[1] != "")
    assert (host_at[0][is_on] == host_at[1][is_on]).all()
    assert set(host_at[4]) <= {"", "h-01", "h-02"}


def _config(preset, zeroed):
    from planner.config.catalog import expand_hypervisor

    config = config_of(hosts=4, memory="128 GiB", overcommit_ratio=[1.4], placement=["first-fit"])
    workload = config.workload.model_copy(update={"zeroed_at_boot": zeroed})
    values = expand_hypervisor(preset)
    hypervisor = type(config.hypervisor).model_validate(values)
    return config.model_copy(update={"horizon": 7200.0, "workload": workload, "hypervisor": hypervisor})


def _timeline(sim, item, host):
    return sim.run(host_problem(item, host), keep_timeline=True).timeline


def _column(name):
    return timeline.COLUMNS.index(name)
