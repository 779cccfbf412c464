"""Fleets, hosts and requests for placement tests, and a plain judge of placements that shares no code with packing."""

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from planner.config.hypervisor import HypervisorSpec
from planner.config.placement_rules import AdmissionSpec, HaReserveSpec
from planner.placement import (
    DemandRecord,
    Forecast,
    HostCapacities,
    NamedSet,
    PlacementLimits,
    PlacementRequest,
    PlacementRules,
    RunOn,
)
from planner.units import GIB, MIB
from planner.workload.fleet import Demand, VmTable
from planner.workload.overhead import vm_overhead_bytes

HYPERVISOR = HypervisorSpec(preset="test")
UNSALTED = HypervisorSpec(preset="test", page_sharing={"salting": False})
NO_OVERHEAD = HypervisorSpec(preset="test", vm_overhead_base=0, vm_overhead_per_vcpu=0, vm_overhead_per_memory=0)


def make_vms(memory_gib, vcpus=2, reservation_gib=0.0, hosts=None, groups=None, images=None):
    memory = (np.array(memory_gib, dtype=float) * GIB).astype(np.int64)
    n = len(memory)
    return VmTable(
        names=tuple(f"vm-{i:04d}" for i in range(n)),
        configured_bytes=memory,
        vcpus=np.broadcast_to(np.array(vcpus, dtype=np.int64), n).copy(),
        groups=groups or (None,) * n,
        images=images or (None,) * n,
        hosts=hosts if hosts is not None else (None,) * n,
        shares=memory // MIB * 10,
        reservation_bytes=np.minimum(memory, (np.broadcast_to(reservation_gib, n) * GIB).astype(np.int64)),
        limit_bytes=memory,
        has_balloon_driver=np.ones(n, dtype=bool),
    )


def make_hosts(memory_gib, reserved_gib=0.0, cores=8, is_available=True):
    memory = (np.array(memory_gib, dtype=float) * GIB).astype(np.int64)
    n = len(memory)
    return HostCapacities(
        tuple(f"h{i}" for i in range(n)), memory, np.full(n, int(reserved_gib * GIB), dtype=np.int64),
        np.broadcast_to(np.array(cores, dtype=np.int64), n).copy(), np.broadcast_to(is_available, n).copy(),
    )  # fmt: skip


def make_forecast(vms, active, granted=None, future=None):
    """Forecast from fractions of configured memory, arrays (n_vms, n_ticks)."""
    n = len(vms)

    def demand(fraction, vm_idx):
        fraction = np.asarray(fraction, dtype=np.float32)
        grown = fraction if granted is None else np.asarray(granted, dtype=np.float32)
        return Demand(300.0, fraction, grown, np.ones(n)).take(vm_idx)

    record = DemandRecord(
        vms.configured_bytes,
        lambda _, vm_idx: demand(active, vm_idx),
        lambda vm_idx: [demand(fraction, vm_idx) for fraction in future or ()],
    )
    return Forecast(record, 7 * 86400.0, np.arange(n))


SIZES_GIB = [0.5, 1, 2, 3.3, 4, 8, 16, 40]


@st.composite
def plain_requests(draw):
    """Requests without rules: sizes, hosts, ratio, reservations."""
    memory = draw(st.lists(st.sampled_from(SIZES_GIB), min_size=1, max_size=60))
    hosts = make_hosts(draw(st.lists(st.sampled_from([16, 24, 32, 64]), min_size=1, max_size=12)), reserved_gib=1)
    vms = make_vms(
        memory,
        reservation_gib=draw(st.sampled_from([0.0, 0.5, 1.0])),
        hosts=tuple(f"h{i % 3}" for i in range(len(memory))),
    )
    limits = PlacementLimits(draw(st.sampled_from([1.0, 1.1, 1.4, 2.0])), HYPERVISOR, draw(st.booleans()))
    return PlacementRequest(vms, hosts, limits, forecast=make_forecast(vms, np.full((len(vms), 4), 0.1)), seed=5)


@st.composite
def requests(draw):
    """Requests with rules, VMs that stay, hosts that are down, hosts of unequal size, caps, reserves, admission."""
    n = draw(st.integers(1, 24))
    pick = lambda values: tuple(draw(st.lists(st.sampled_from(values), min_size=n, max_size=n)))  # noqa: E731
    vms = make_vms(
        pick(SIZES_GIB[:-1]), vcpus=pick([1, 2, 4]), reservation_gib=pick([0.0, 0.0, 1.0]),
        hosts=pick([None, "h0", "h1", "h2", "elsewhere"]), groups=pick([None, "a", "b"]), images=pick([None, "x", "y"]),
    )  # fmt: skip
    m = draw(st.integers(1, 7))
    hosts = make_hosts(
        draw(st.lists(st.sampled_from([16, 24, 32, 64]), min_size=m, max_size=m)),
        reserved_gib=1,
        cores=draw(st.lists(st.sampled_from([4, 8, 16]), min_size=m, max_size=m)),
        is_available=np.array(draw(st.lists(st.sampled_from([True, True, True, False]), min_size=m, max_size=m))),
    )
    limits = PlacementLimits(
        draw(st.sampled_from([1.0, 1.4, 2.0])), UNSALTED, draw(st.booleans()), draw(rules(vms.names, hosts.names)),
        draw(st.sampled_from([None, None, 0.5, 1.0, 2.5])),
        draw(st.sampled_from([HaReserveSpec(), HaReserveSpec(fraction=0.2), HaReserveSpec(hosts=1)])),
        draw(admissions()), 0.1,
    )  # fmt: skip
    standing = np.array([draw(st.sampled_from([-1, -1, -1, *range(m)])) for _ in range(n)], dtype=np.int64)
    draws = np.random.Generator(np.random.PCG64(draw(st.integers(0, 99))))
    active, granted = draws.random((n, 12)) ** 3, np.full((n, 12), 1.0)
    forecast = make_forecast(vms, active, granted, [draws.random((n, 6)) ** 3 for _ in range(2)])
    is_standing = draw(st.booleans())
    return PlacementRequest(vms, hosts, limits, standing if is_standing else None, forecast, draw(st.integers(0, 9)))


@st.composite
def rules(draw, vm_names, host_names):
    some = st.lists(st.sampled_from(vm_names), min_size=1, max_size=4).map(frozenset)
    together = tuple(NamedSet(f"together[{i}]", vms) for i, vms in enumerate(draw(st.lists(some, max_size=1))))
    apart = tuple(NamedSet(f"apart[{i}]", vms) for i, vms in enumerate(draw(st.lists(some, max_size=2))))
    # Two of one set that must also be apart contradict each other; a config with that is refused before placement.
    apart = tuple(rule for rule in apart if all(len(rule.vms & other.vms) < 2 for other in together))
    onto = st.lists(st.sampled_from(host_names), min_size=1, max_size=3).map(frozenset)
    run_on = tuple(
        RunOn(f"run_on[{i}]", *pair) for i, pair in enumerate(draw(st.lists(st.tuples(some, onto), max_size=2)))
    )
    return PlacementRules(together, apart, run_on)


def admissions():
    policies = ("ratio", "ratio", "max", "percentile", "n-sigma", "limit-fraction", "oracle")
    return st.builds(
        lambda policy, fraction, of: AdmissionSpec(policy=policy, n=2, fraction=fraction, of=of),
        st.sampled_from(policies), st.sampled_from([0.5, 0.9]), st.sampled_from(["active", "granted"]),
    )  # fmt: skip


@dataclass
class Judge:
    """Recounts what each host holds after a placement, in fractions and plain loops."""

    request: PlacementRequest
    host_of: list  # host of each VM, None where it has none
    share: Fraction

    def __post_init__(self):
        self.overhead = [int(b) for b in vm_overhead_bytes(self.request.vms, self.request.limits.hypervisor)]
        hosts = self.request.hosts
        self.ram = [int(m) - int(r) for m, r in zip(hosts.memory_bytes, hosts.reserved_bytes, strict=True)]
        self.on = [[vm for vm, host in enumerate(self.host_of) if host == h] for h in range(len(hosts))]

    def over(self, host, extra=()):
        """By how much each limit of a host is exceeded with further VMs: {words of the limit: amount}."""
        vms, limits = self.request.vms, self.request.limits
        inside = [*self.on[host], *extra]
        ratio = Fraction(str(limits.overcommit_ratio))
        # A VM's size is rounded up to whole bytes, a host's room down.
        room = sum(int(vms.configured_bytes[v]) + math.ceil(limits.overcommit_ratio * self.overhead[v]) for v in inside)
        ram = sum(int(vms.reservation_bytes[v]) + self.overhead[v] for v in inside)
        found = {
            f"over the overcommit limit of {limits.overcommit_ratio:g}": room
            - int(ratio * (1 - self.share) * self.ram[host]),
            "over the reservation limit": ram - int((1 - self.share) * self.ram[host]),
            "over usable memory at the predicted peak": self.over_predicted(host, inside),
        }
        if limits.max_vcpus_per_core is not None:
            cap = int(Fraction(str(limits.max_vcpus_per_core)) * int(self.request.hosts.cores[host]))
            found["over the cap of"] = sum(int(vms.vcpus[v]) for v in inside) - cap
        return found

    def over_predicted(self, host, inside):
        spec, forecast, vms = self.request.limits.admission, self.request.forecast, self.request.vms
        cap = int((1 - self.share) * self.ram[host])
        overhead = sum(self.overhead[v] for v in inside)
        configured = sum(int(vms.configured_bytes[v]) for v in inside)
        worst = -math.inf
        if spec.policy == "limit-fraction":
            parts = [math.ceil(Fraction(str(spec.fraction)) * int(vms.configured_bytes[v])) for v in inside]
            worst = sum(parts) + overhead - cap
        if spec.policy in ("percentile", "max"):
            history = forecast.history(spec.of)
            worst = sum(math.ceil(np.quantile(history[v], spec.percentile)) for v in inside) + overhead - cap
        rounded = sum(-(-self.overhead[v] // 4096) * 4096 for v in inside)
        if spec.policy in ("n-sigma", "max"):
            total = forecast.history(spec.of)[inside].astype(float).sum(axis=0)
            peak = min(total.mean() + rounded + spec.n * total.std(), configured + overhead)
            worst = max(worst, peak - cap)
        if spec.policy == "oracle":
            worst = forecast.future(spec.of)[inside].astype(float).sum(axis=0).max(initial=0) + rounded - cap
        return worst

    def kept_off(self, host, unit):
        """Why rules keep VMs off a host: words, or None."""
        rules, names, hosts = self.request.limits.rules, self.request.vms.names, self.request.hosts
        mine = {names[v] for v in unit}
        for rule in rules.run_on:
            if mine & rule.vms and hosts.names[host] not in rule.hosts:
                return "not among the hosts it must run on"
        for rule in rules.together:
            standing = [int(self.request.standing_idx[v]) for v, n in enumerate(names) if n in rule.vms]
            joined = [h for h in standing if h >= 0]
            if mine & rule.vms and joined and host != min(joined):
                return "not among the hosts it must run on"
        kept_apart = set().union(*(rule.vms for rule in rules.apart if mine & rule.vms))
        there = {names[v] for v in self.on[host]} & kept_apart
        return f"kept apart from {min(there)}" if there else None

    def unit_of(self, vm):
        """VMs that are placed with this one: linked by sets that stay together, and not standing."""
        names, unit = self.request.vms.names, {vm}
        while True:
            more = {
                other
                for rule in self.request.limits.rules.together
                if any(names[v] in rule.vms for v in unit)
                for other in range(len(names))
                if names[other] in rule.vms
            }
            if more <= unit:
                return sorted(v for v in unit if self.request.standing_idx[v] < 0)
            unit |= more


def permuted(request, order):
    """The same request with its rows in another order."""
    return request.take(np.array(order))


def without_forecast(request):
    return replace(request, forecast=None)
