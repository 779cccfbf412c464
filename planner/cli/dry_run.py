"""`planner sweep --dry-run`: how much a sweep would simulate, how long it would take and how much memory it needs.

Where the kernels are compiled, a few of its host problems are simulated in this process, as a worker would, and the
rest is extrapolated; where they are not, from a stored figure. Writes nothing.
"""

import math
import os
import pickle
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from planner.analysis.intervals import student_t_quantile
from planner.analysis.wording import format_count, format_percent
from planner.config.axes import swept_paths
from planner.config.spec import PlannerConfig
from planner.fleet.base import SimFactory
from planner.host.problem import HostProblem
from planner.sweep.expand import TAIL_PATH, TAILS
from planner.sweep.plan import Plan
from planner.sweep.sensitivity import assumption_ends
from planner.units import MIB, format_bytes, format_seconds

MOST_SAMPLED_HOSTS = 48
FEWEST_SAMPLED_HOSTS = 8
SAMPLING_ENOUGH_S = 4.0
"""Sampling stops after this time, but not before the fewest hosts are simulated."""
SPREAD_CONFIDENCE = 0.95
SECONDS_PER_VM_TICK = 0.5e-6
"""Measured on the demo, one core of the 2-core reference machine: 62 ms a host, 149,000 VM-ticks at 128 pages a VM."""
STORED_FACTOR = 4.0
"""The stored figure is good to this factor: calm hosts of the demo take a third of the mean, swapping ones four times
it."""
COMPILING_S = 50.0
BASE_BYTES = 250 * MIB
"""A process with its libraries; measured on the same machine."""
BYTES_PER_VM_TICK = 80
"""Touch clocks, granted and active pages, calm ticks and touches of two replicates; measured likewise."""
STORED_OUTCOME_BYTES = 18_000
_COPIES = 3
"""A result lives in the driver as an outcome, as rows of the tables, and once more while these are joined."""
_KEPT_SHARE = 2.5
"""A worker keeps two replicates under three tails; the sample touches two replicates under one. Measured on the demo:
980 MiB at the peak of a worker, where the sample grew by 290 MiB over a base of 250 MiB."""
_DRIVER_BYTES = 150 * MIB
"""Ray's client, and drawing the report. Time lines are simulated in the driver, too, over one replicate and tail."""


class DryRun(NamedTuple):
    """What a sweep would take. Times are of computing, over all workers, without starting them. [s], [bytes]."""

    scenarios: int
    replicates: int
    vms: int
    hosts_used_most: int
    host_runs: int
    host_problems: int
    tail_host_runs: int
    is_search: bool
    sensitivity_ends: int
    workers: int
    cpu_s: float
    cpu_s_low: float
    cpu_s_high: float
    wall_s: float
    compile_s: float
    driver_bytes: int
    worker_bytes: int
    sampled_hosts: int
    basis: str


class _Sample(NamedTuple):
    """Seconds of some host problems, of drawing a replicate; memory of this process and of an outcome."""

    host_s: list[float]
    draw_s: float
    grown_bytes: int
    outcome_bytes: int


def estimate_run(plan: Plan, config: PlannerConfig, sim_factory: SimFactory, workers: int, is_compiled: bool) -> DryRun:
    """Estimate what simulating a plan would take.

    Parameters
    ----------
    plan : Plan
        The first stage of the sweep.
    config : PlannerConfig
    sim_factory : callable
        Makes the simulation that is sampled.
    workers : int
        Number of worker processes.
    is_compiled : bool
        Whether the kernels are; else nothing is simulated here.
    """
    started_bytes = _resident_bytes()
    sample = _measure(plan, sim_factory) if is_compiled and plan.problems else None
    runs, problems = len(plan.runs), len(plan.problems)
    extra = _tail_runs(plan, config)
    mean_s, half_s = _seconds_per_host(plan, sample)
    draws = config.sweep.replicates + workers - 1
    draw_s = draws * sample.draw_s if sample else 0.0
    low, middle, high = (
        (problems + extra) * per_host + draw_s for per_host in (max(0.0, mean_s - half_s), mean_s, mean_s + half_s)
    )
    if sample is None:
        low, high = middle / STORED_FACTOR, middle * STORED_FACTOR
    driver_bytes, worker_bytes = _memory(plan, config, sample, started_bytes)
    return DryRun(
        scenarios=len(plan.placed),
        replicates=config.sweep.replicates,
        vms=len(plan.source.vms),
        hosts_used_most=max((len(item.hosts) for item in plan.placed), default=0),
        host_runs=runs,
        host_problems=problems,
        tail_host_runs=extra,
        is_search=config.sweep.adaptive is not None,
        sensitivity_ends=len(assumption_ends(config)) if config.sweep.sensitivity else 0,
        workers=workers,
        cpu_s=middle,
        cpu_s_low=low,
        cpu_s_high=high,
        wall_s=middle / workers,
        compile_s=0.0 if is_compiled else COMPILING_S,
        driver_bytes=driver_bytes,
        worker_bytes=worker_bytes,
        sampled_hosts=len(sample.host_s) if sample else 0,
        basis="measured" if sample else "stored",
    )


def dry_run_as_dict(found: DryRun) -> dict[str, Any]:
    """Turn the estimate into plain values for JSON; times to the millisecond."""
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in found._asdict().items()}


def print_dry_run(found: DryRun, console: Console) -> None:
    """Print the estimate."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in _lines(found):
        table.add_row(name, text)
    console.print(table)
    console.print("\nDry run: nothing was written.", highlight=False)


def _lines(found: DryRun) -> list[tuple[str, str]]:
    spread = f"{_seconds(found.cpu_s_low)} to {_seconds(found.cpu_s_high)}"
    if found.basis == "measured":
        confidence = format_percent(SPREAD_CONFIDENCE)
        basis = (
            f"{format_count(found.sampled_hosts, 'host')} simulated here; the range holds with {confidence} confidence"
        )
    else:
        basis = f"a stored figure, good to a factor of {STORED_FACTOR:g}: the kernels are not compiled yet"
    compiling = f", after about {_seconds(found.compile_s)} of compiling, once" if found.compile_s else ""
    tails = f"; about {found.tail_host_runs:,} more for the other tails" if found.tail_host_runs else ""
    at_most = "at most " if found.is_search else ""
    ends = f"{found.sensitivity_ends:,} ends of assumptions, each with a search of its own, and their pairs"
    return [
        ("scenarios", f"{found.scenarios:,}, on up to {format_count(found.hosts_used_most, 'host')}"),
        ("VMs", f"{found.vms:,}"),
        ("replicates", f"{found.replicates:,}"),
        ("host runs", f"{at_most}{found.host_runs:,}, {found.host_problems:,} of them different host problems{tails}"),
        ("computing", f"about {_seconds(found.cpu_s)} ({spread})"),
        ("time", f"about {_seconds(found.wall_s)} with {format_count(found.workers, 'worker')}{compiling}"),
        (
            "memory",
            f"about {format_bytes(_rounded(found.driver_bytes))} for the driver, "
            f"{format_bytes(_rounded(found.worker_bytes))} for each worker",
        ),
        *([("not counted", ends)] if found.sensitivity_ends else []),
        ("estimated from", basis),
    ]


def _measure(plan: Plan, sim_factory: SimFactory) -> _Sample:
    """Simulate some of the plan's host problems, of a replicate, evenly spread over the scenarios."""
    of_first = [problem for problem in plan.problems if problem.replicate == plan.problems[0].replicate]
    chosen = _spread(of_first)
    before_bytes = _resident_bytes()
    sim = sim_factory(plan.source)
    first_s = _timed(sim, chosen[0])
    started_s = time.monotonic()
    seconds: list[float] = []
    for problem in chosen:
        seconds.append(_timed(sim, problem))
        if time.monotonic() - started_s > SAMPLING_ENOUGH_S and len(seconds) >= FEWEST_SAMPLED_HOSTS:
            break
    draw_s = max(0.0, first_s - seconds[0])
    other = next((problem for problem in plan.problems if problem.replicate != chosen[0].replicate), None)
    if other is not None:
        # The very first run draws tables that every replicate shares; a second replicate shows the price of one more.
        draw_s = max(0.0, _timed(sim, other) - _timed(sim, other))
    grown_bytes = max(0, _resident_bytes() - before_bytes)
    return _Sample(seconds, draw_s, grown_bytes, len(pickle.dumps(sim.run(chosen[0]))))


def _timed(sim: Any, problem: HostProblem) -> float:
    started_s = time.perf_counter()
    sim.run(problem)
    return time.perf_counter() - started_s


def _spread(problems: Sequence[HostProblem]) -> list[HostProblem]:
    """Choose every n-th problem, in such an order that the first few are spread over all of them, too."""
    count = min(MOST_SAMPLED_HOSTS, len(problems))
    rounds = math.ceil(count / FEWEST_SAMPLED_HOSTS)
    order = [at for first in range(rounds) for at in range(first, count, rounds)]
    return [problems[int((at + 0.5) * len(problems) / count)] for at in order]


def _seconds_per_host(plan: Plan, sample: _Sample | None) -> tuple[float, float]:
    """Mean seconds of a host problem and half the width of its interval."""
    if sample is None:
        vms = sum(len(problem.vm_idx) for problem in plan.problems) / max(1, len(plan.problems))
        demand_ticks = plan.placed[0].config.horizon / plan.placed[0].config.tick
        return SECONDS_PER_VM_TICK * vms * demand_ticks, 0.0
    n = len(sample.host_s)
    mean_s = statistics.fmean(sample.host_s)
    if n < 2:
        return mean_s, mean_s
    quantile = student_t_quantile((1 + SPREAD_CONFIDENCE) / 2, n - 1)
    return mean_s, quantile * statistics.stdev(sample.host_s) / math.sqrt(n)


def _memory(plan: Plan, config: PlannerConfig, sample: _Sample | None, started_bytes: int) -> tuple[int, int]:
    """Memory of the driver and of a worker at their peaks. [bytes]."""
    n_ticks = round(config.horizon / config.tick)
    held = sample.grown_bytes if sample else BYTES_PER_VM_TICK * len(plan.source.vms) * n_ticks
    outcome_bytes = sample.outcome_bytes if sample else STORED_OUTCOME_BYTES
    outcomes = len(plan.problems) + _tail_runs(plan, config)
    driver_bytes = started_bytes + _DRIVER_BYTES + held // 2 + _COPIES * outcome_bytes * outcomes
    return driver_bytes, max(started_bytes, BASE_BYTES) + int(_KEPT_SHARE * held)


def _tail_runs(plan: Plan, config: PlannerConfig) -> int:
    """Guess the host runs of the other tails: two ratios each, with the hosts of a mean scenario."""
    if TAIL_PATH in swept_paths(config.sweep) or not plan.placed:
        return 0
    ratios = {item.scenario.overcommit_ratio for item in plan.placed}
    return round((len(TAILS) - 1) * min(2, len(ratios)) * len(plan.runs) / len(plan.placed))


def _resident_bytes() -> int:
    """Memory of this process that is in RAM now; 0 where the system does not say. [bytes]."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _rounded(n_bytes: int) -> int:
    return max(1, round(n_bytes / (10 * MIB))) * 10 * MIB


def _seconds(value_s: float) -> str:
    """Write a time to two digits, in the largest unit that makes it at least 1."""
    digits = 1 - math.floor(math.log10(value_s)) if value_s > 0 else 0
    return format_seconds(max(round(value_s, digits), 0.01))
