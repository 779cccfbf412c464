"""How long pressure lasts after hosts have failed: the hosts that took their VMs, simulated again with time lines."""

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

import numpy as np

from planner.analysis.recovery import Calm, RecoveryTime, estimate_recovery, pressure_after
from planner.analysis.wording import format_count
from planner.cli.progress import show_progress
from planner.config.spec import PlannerConfig
from planner.fleet.base import SimFactory
from planner.sweep.plan import PlacedHost, PlacedScenario, Plan, host_problem
from planner.units import format_seconds


class _HostRecovery(NamedTuple):
    """Recovery of one host, and the replicates in which it was pressed at all."""

    host: str
    time: RecoveryTime
    n_pressed: int


class Recovery(NamedTuple):
    """How hosts recover from an event.

    Attributes
    ----------
    rows : list of (str, str)
        Of a table: what, and value.
    host : str or None
        The host that is pressed longest; None where no host took VMs in.
    timeline : int64 array, shape (n_ticks, len(TIMELINE_COLUMNS)), or None
        Of that host, replicate 0; None where that one failed.
    """

    rows: list[tuple[str, str]]
    host: str | None = None
    timeline: np.ndarray | None = None


def describe_recovery(
    plan: Plan, ids: tuple[int, int], at_tick: int, config: PlannerConfig, sim_factory: SimFactory
) -> Recovery:
    """Say how long the hosts that took VMs in are short of memory because of it.

    Parameters
    ----------
    plan : Plan
        Holds both scenarios.
    ids : tuple of (int, int)
        Numbers of the base and of the scenario with the event.
    at_tick : int
        Tick of the event.
    config : PlannerConfig
        Of the base: its objective says what swap-in is too much.
    """
    scenarios = {item.scenario.id: item for item in plan.placed}
    base, changed = scenarios[ids[0]], scenarios[ids[1]]
    before = {host.hardware.name: host for host in base.hosts}
    takers = [host for host in changed.hosts if any(stay.first_tick >= at_tick for stay in host.stays)]
    sim = sim_factory(plan.source)
    most_swap_in, most_paging = (
        inf if most is None else most for most in (config.slo.swap_in, config.slo.guest_paging)
    )
    calm = Calm(most_swap_in, guest_paging_bytes_per_s=most_paging)
    found = []
    with show_progress("after the failure", len(takers) * config.sweep.replicates) as advance:

        def line(item: PlacedScenario, where: PlacedHost, replicate: int) -> np.ndarray | None:
            """Time line of a host; None where its simulation fails, which its row in the tables says."""
            try:
                return sim.run(host_problem(item, where, replicate), keep_timeline=True).timeline
            except Exception:
                return None

        for host in takers:
            times: list[float | None] = []
            for replicate in range(config.sweep.replicates):
                old = before.get(host.hardware.name)
                without = None if old is None else line(base, old, replicate)
                with_it = line(changed, host, replicate)
                advance(1)
                if with_it is not None and (old is None or without is not None):
                    times.append(pressure_after(with_it, at_tick, config.tick, calm, without))
            if times:
                n_pressed = sum(time is None or time > 0 for time in times)
                time = estimate_recovery(times, config.slo.confidence)
                found.append(_HostRecovery(host.hardware.name, time, n_pressed))
    failed = len(takers) * config.sweep.replicates - sum(item.time.replicates for item in found)
    left_out = [("host runs that failed, left out here", f"{failed}")] if failed else []
    if not found:
        return Recovery([("hosts that took VMs in", f"{len(takers)}" if takers else "none"), *left_out])
    longest = max(found, key=lambda item: inf if item.time.median_s is None else item.time.median_s)
    shown = next(host for host in takers if host.hardware.name == longest.host)
    rows = _rows(found, longest, len(takers), config.sweep.replicates)
    return Recovery([*rows, *left_out], longest.host, line(changed, shown, 0))


def _rows(
    found: Sequence[_HostRecovery], longest: _HostRecovery, n_takers: int, replicates: int
) -> list[tuple[str, str]]:
    pressed = [item for item in found if item.n_pressed]
    rows = [
        ("hosts that took VMs in", f"{n_takers}"),
        ("of them pressed by it: state soft or worse, or above the objective", f"{len(pressed)}"),
    ]
    if pressed:
        rows.append((f"pressure lasts longest on {longest.host}", _time(longest.time)))
        rows.append(("... replicates in which it is pressed", f"{longest.n_pressed} of {replicates}"))
    return rows


def _time(time: RecoveryTime) -> str:
    middle = _end(time.median_s)
    return (
        f"median {middle}, {_end(time.low_s)} to {_end(time.high_s)} with {time.confidence * 100:.0f} % confidence, "
        f"{format_count(time.replicates, 'replicate')}"
    )


def _end(time_s: float | None) -> str:
    return "past the horizon" if time_s is None else format_seconds(time_s)
