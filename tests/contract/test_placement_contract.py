"""What every registered placement strategy must keep: nobody lost, no limit or rule broken, refusals that are true."""

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.config.placement_rules import HaReserveSpec
from planner.placement import (
    NamedSet,
    PlacementLimits,
    PlacementRequest,
    PlacementRules,
    RunOn,
    Verdict,
    load_strategy,
    strategy_names,
)
from planner.units import format_bytes
from planner.workload.overhead import vm_overhead_bytes
from tests.placement_cases import (
    HYPERVISOR,
    Judge,
    make_forecast,
    make_hosts,
    make_vms,
    permuted,
    plain_requests,
    requests,
)

NO_RESERVE = PlacementLimits(1.0, HYPERVISOR).ha_reserve
MOVING = [name for name in strategy_names() if name != "as-is"]
INVARIANT = [name for name in strategy_names() if load_strategy(name).is_order_invariant]


def hosts_of(placement):
    return [int(h) if ok else None for h, ok in zip(placement.host_idx, placement.is_placed, strict=True)]


def judge_of(request, placement):
    reserve = request.limits.ha_reserve
    host_of = hosts_of(placement)
    share = Fraction(str(reserve.fraction))
    if reserve.hosts:
        share = max(share, share_in_use(request, {host for host in host_of if host is not None}))
    return Judge(request, host_of, share)


def share_in_use(request, used):
    """k largest of the hosts in use ÷ all of them, by the words of docs/placement.md."""
    available = [h for h in range(len(request.hosts)) if request.hosts.is_available[h]]
    counted = [h for h in available if h in used]
    spare = [h for h in available if h not in used]
    counted += spare[: max(0, request.limits.ha_reserve.hosts + 1 - len(counted))]
    rooms = sorted((int(request.hosts.room_bytes[h]) for h in counted), reverse=True)
    k = request.limits.ha_reserve.hosts
    return Fraction(sum(rooms[:k]), sum(rooms)) if len(rooms) > k else Fraction(1)


@pytest.mark.parametrize("name", strategy_names())
@given(request_=requests())
@settings(max_examples=40, deadline=None)
def test_everyone_is_placed_once_or_refused_with_a_reason(name, request_):
    placement = load_strategy(name).place(request_)
    n = len(request_.vms)
    assert placement.host_idx.shape == placement.verdicts.shape == (n,)
    assert set(placement.verdicts.tolist()) <= {int(v) for v in Verdict}
    refused = np.flatnonzero(~placement.is_placed).tolist()
    assert sorted(placement.reasons) == refused
    for vm in refused:
        assert placement.reasons[vm].startswith(f"VM {request_.vms.names[vm]}")
        assert placement.verdicts[vm] != Verdict.PLACED
    by_host = placement.vms_by_host()
    placed = sorted(np.concatenate(list(by_host.values())).tolist()) if by_host else []
    assert placed == np.flatnonzero(placement.is_placed).tolist()
    stays = request_.standing_idx >= 0
    assert placement.is_placed[stays].all()
    assert (placement.host_idx[stays] == request_.standing_idx[stays]).all()


@pytest.mark.parametrize("name", MOVING)
@given(request_=requests())
@settings(max_examples=60, deadline=None)
def test_no_limit_and_no_rule_is_broken(name, request_):
    placement = load_strategy(name).place(request_)
    judge = judge_of(request_, placement)
    new = [vm for vm, host in enumerate(judge.host_of) if host is not None and request_.standing_idx[vm] < 0]
    is_whole = placement.is_placed.all()
    for host in {judge.host_of[vm] for vm in new}:
        assert request_.hosts.is_available[host]
        # With N+k hosts and VMs refused, the share is the one at which they were; it is at least that of all hosts.
        if is_whole or not request_.limits.ha_reserve.hosts:
            over = judge.over(host)
            assert all(amount <= 1e-3 for amount in over.values()), over
    for vm in new:
        unit = judge.unit_of(vm)
        assert {judge.host_of[other] for other in unit} == {judge.host_of[vm]}
        judge.on = [[other for other in on if other not in unit] for on in judge.on]
        assert judge.kept_off(judge.host_of[vm], unit) is None
        judge = judge_of(request_, placement)


@pytest.mark.parametrize("name", MOVING)
@given(request_=requests())
@settings(max_examples=60, deadline=None)
def test_refusals_are_true_and_their_shortfall_is_right(name, request_):
    request_ = replace(request_, limits=replace(request_.limits, ha_reserve=NO_RESERVE))
    placement = load_strategy(name).place(request_)
    judge = judge_of(request_, placement)
    for vm in np.flatnonzero(~placement.is_placed).tolist():
        unit = judge.unit_of(vm)
        for host in np.flatnonzero(request_.hosts.is_available):
            over = judge.over(host, unit)
            assert judge.kept_off(host, unit) or max(over.values()) > -1e-3
        assert_sentence_is_true(judge, unit, placement.reasons[vm])


def assert_sentence_is_true(judge, unit, sentence):
    if sentence.endswith("no host is available"):
        assert not judge.request.hosts.is_available.any()
        return
    found = re.fullmatch(r"VM \S+( with \d+ that it stays with)? on host (\S+): (.*)", sentence)
    host, lack = judge.request.hosts.names.index(found[2]), found[3]
    assert judge.request.hosts.is_available[host]
    kept_off = judge.kept_off(host, unit)
    if lack.startswith(("kept apart", "not among")):
        assert lack == kept_off
        return
    assert kept_off is None
    over = judge.over(host, unit)
    words = next(words for words in over if words in lack)
    amount = over[words]
    assert amount > 0
    written = lack.split(" over ")[0]
    close = {format_bytes(amount + step) for step in (-4096, -1, 0, 1, 4096)}
    assert written in ({f"{amount} vCPU", f"{amount} vCPUs"} if "cap" in words else close)


@pytest.mark.parametrize("name", strategy_names())
@given(request_=requests())
@settings(max_examples=15, deadline=None)
def test_the_same_request_gives_the_same_placement(name, request_):
    first, again = load_strategy(name).place(request_), load_strategy(name).place(request_)
    assert np.array_equal(first.host_idx, again.host_idx)
    assert np.array_equal(first.verdicts, again.verdicts)
    assert dict(first.reasons) == dict(again.reasons)
    assert first.warnings == again.warnings


@pytest.mark.parametrize("name", INVARIANT)
@given(request_=requests(), data=st.data())
@settings(max_examples=40, deadline=None)
def test_order_of_the_rows_does_not_matter_where_that_is_claimed(name, request_, data):
    n = len(request_.vms)
    order = data.draw(st.permutations(range(n)))
    before = hosts_of(load_strategy(name).place(request_))
    after = hosts_of(load_strategy(name).place(permuted(request_, order)))
    assert [before[row] for row in order] == after


@pytest.mark.parametrize("name", sorted(set(strategy_names()) - set(INVARIANT) - {"as-is"}))
def test_order_of_the_rows_matters_where_nothing_is_claimed(name):
    # 6, 6, 4, 4 on hosts of 10: pairs of (6, 4) need two hosts; 4, 4, then 6, 6 need three (or share them otherwise).
    vms, hosts = make_vms([6, 4, 3, 6, 4, 7, 2, 5, 1, 3]), make_hosts([13, 13, 13, 13, 13])
    request = PlacementRequest(vms, hosts, PlacementLimits(1.0, HYPERVISOR))
    order = np.arange(9, -1, -1)
    before = hosts_of(load_strategy(name).place(request))
    assert [before[row] for row in order] != hosts_of(load_strategy(name).place(permuted(request, order)))


@pytest.mark.parametrize("name", strategy_names())
def test_host_names_do_not_matter(name):
    vms = make_vms([4, 8, 2, 16, 1, 8, 4, 4], hosts=tuple(f"h{i % 3}" for i in range(8)))
    hosts = make_hosts([16, 32, 24], reserved_gib=1)
    swap = {"h0": "h2", "h1": "h0", "h2": "h1"}
    forecast = make_forecast(vms, np.full((8, 4), 0.1))
    request = PlacementRequest(vms, hosts, PlacementLimits(1.2, HYPERVISOR), forecast=forecast)
    before = load_strategy(name).place(request)
    renamed_vms = replace(vms, hosts=tuple(swap[n] for n in vms.hosts))
    renamed = replace(request, hosts=replace(hosts, names=tuple(swap[n] for n in hosts.names)), vms=renamed_vms)
    after = load_strategy(name).place(renamed)
    assert np.array_equal(before.host_idx, after.host_idx)
    assert np.array_equal(before.verdicts, after.verdicts)


@pytest.mark.parametrize("name", strategy_names())
def test_vm_larger_than_any_host_is_a_verdict(name):
    vms = make_vms([4, 500], hosts=("h0", "h0"))
    forecast = make_forecast(vms, np.full((2, 4), 0.1))
    request = PlacementRequest(vms, make_hosts([16, 16]), PlacementLimits(1.5, HYPERVISOR), forecast=forecast)
    placement = load_strategy(name).place(request)
    assert placement.is_placed.tolist() == [True, False]
    assert placement.verdicts[1] in (Verdict.TOO_LARGE, Verdict.HOST_FULL)


@pytest.mark.parametrize("name", strategy_names())
@given(request_=requests())
@settings(max_examples=10, deadline=None)
def test_nothing_is_placed_when_no_host_is_available(name, request_):
    hosts = request_.hosts.without(np.arange(len(request_.hosts)))
    placement = load_strategy(name).place(replace(request_, hosts=hosts, standing=None))
    assert not placement.is_placed.any()
    assert len(placement.reasons) == len(request_.vms)


def naive(name, request):
    """Slow twin: plain loops over exact fractions; hosts listed as [configured, pinned]."""
    vms, hosts, ratio = request.vms, request.hosts, Fraction(str(request.limits.overcommit_ratio))
    overhead = vm_overhead_bytes(vms, HYPERVISOR).tolist()
    ram = [int(b) for b in hosts.room_bytes]
    load = [[0, 0] for _ in ram]
    order = range(len(vms))
    if name == "first-fit-decreasing":
        order = sorted(order, key=lambda vm: -vms.configured_bytes[vm])
    where = [-1] * len(vms)
    for vm in order:
        size = int(vms.configured_bytes[vm]) + ratio * overhead[vm]
        pinned = int(vms.reservation_bytes[vm]) + overhead[vm]
        fits = [h for h in range(len(ram)) if load[h][0] + size <= ratio * ram[h] and load[h][1] + pinned <= ram[h]]
        if name == "best-fit":
            used = [h for h in fits if load[h][0] > 0]
            fits = sorted(used, key=lambda h: ratio * ram[h] - load[h][0])[:1] or fits
        if fits:
            where[vm] = fits[0]
            load[fits[0]][0] += size
            load[fits[0]][1] += pinned
    return where


@pytest.mark.parametrize("name", ["first-fit", "first-fit-decreasing", "best-fit"])
@given(request_=plain_requests())
@settings(max_examples=60, deadline=None)
def test_fast_equals_naive(name, request_):
    # Ratio 1 makes every size whole, so that ties break alike; other ratios round sizes up to whole bytes.
    request_ = replace(request_, limits=replace(request_.limits, overcommit_ratio=1.0))
    assert [-1 if h is None else h for h in hosts_of(load_strategy(name).place(request_))] == naive(name, request_)


@given(request_=requests())
@settings(max_examples=60, deadline=None)
def test_trees_and_scans_agree(request_):
    """A rule that forbids nothing sends a request down the path with rules; the placement is the same."""
    plain = replace(request_, limits=replace(request_.limits, rules=PlacementRules()))
    names = frozenset(plain.vms.names[:1])
    ruled = replace(plain, limits=replace(plain.limits, rules=PlacementRules(apart=(NamedSet("apart[0]", names),))))
    for name in ("first-fit", "first-fit-decreasing", "worst-fit"):
        first, second = load_strategy(name).place(plain), load_strategy(name).place(ruled)
        assert np.array_equal(first.host_idx, second.host_idx)
        assert np.array_equal(first.verdicts, second.verdicts)


@pytest.mark.parametrize("name", MOVING)
@given(
    n=st.integers(4, 40), k=st.integers(1, 2), memory=st.lists(st.sampled_from([16, 24, 32]), min_size=4, max_size=8)
)
@settings(max_examples=15, deadline=None)
def test_hosts_in_use_can_take_over_from_the_largest_of_them(name, n, k, memory):
    vms, hosts = make_vms([2] * n), make_hosts(memory)
    limits = replace(PlacementLimits(1.0, HYPERVISOR), ha_reserve=HaReserveSpec(hosts=k))
    request = PlacementRequest(vms, hosts, limits, forecast=make_forecast(vms, np.full((n, 4), 0.1)))
    placement = load_strategy(name).place(request)
    if not placement.is_placed.all():
        return
    used = sorted(placement.vms_by_host())
    rooms = sorted((int(hosts.room_bytes[host]) for host in used), reverse=True)
    load = int(vms.configured_bytes.sum()) + int(vm_overhead_bytes(vms, HYPERVISOR).sum())
    # In sum, what is free on the hosts in use holds the k largest of them; below k + 1 hosts others stand by.
    assert len(used) <= k or sum(rooms) - load >= sum(rooms[:k])


@pytest.mark.parametrize("name", MOVING)
def test_vms_follow_one_that_stands_only_where_they_may(name):
    together = NamedSet("together[0]", frozenset({"vm-0000", "vm-0001"}))
    run_on = RunOn("run_on[0]", frozenset({"vm-0001"}), frozenset({"h0"}))
    vms, hosts = make_vms([1, 1, 1]), make_hosts([16, 16])
    limits = replace(PlacementLimits(1.0, HYPERVISOR), rules=PlacementRules((together,), (), (run_on,)))
    forecast = make_forecast(vms, np.full((3, 4), 0.1))
    request = PlacementRequest(vms, hosts, limits, np.array([1, -1, -1]), forecast)
    # vm-0001 has to follow vm-0000 to h1, and may run on h0 alone. Then, without that rule, h1 is down.
    assert hosts_of(load_strategy(name).place(request))[1] is None
    limits = replace(limits, rules=PlacementRules((together,)))
    down = replace(request, limits=limits, hosts=hosts.without(np.array([1])))
    assert hosts_of(load_strategy(name).place(down))[:2] == [1, None]
