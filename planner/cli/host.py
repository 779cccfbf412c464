"""`planner host`: one host of a config in full detail, sampled or every 4 KiB page."""

import json
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from planner.analysis.one_host import summarize_host
from planner.analysis.sampling_error import describe_sampling_error
from planner.analysis.ticks import host_means
from planner.analysis.wording import format_percent, format_ratio, over_ticks_words
from planner.cli.machine import available_memory_bytes
from planner.cli.one_scenario import load_one_scenario
from planner.cli.progress import note, show_progress
from planner.cli.run_sweep import warm_up
from planner.config.spec import PlannerConfig
from planner.errors import EXIT_OK, InputError, naming_source
from planner.host.problem import HostProblem, HostResult
from planner.host.simulator import HostSim
from planner.report.host_page import HostView, render_host_page
from planner.report.html import write_page
from planner.results.host_store import HOST_FORMAT, HostContents, write_host
from planner.results.manifest import build_manifest
from planner.results.store import REPORT, check_target
from planner.results.tables import host_table, timeline_table, vm_table
from planner.sweep.expand import expand_scenarios
from planner.sweep.placing import SweepPlanner
from planner.sweep.plan import HostRun, PlacedHost, PlacedScenario, Plan, host_problem
from planner.units import PAGE_BYTES, format_bytes
from planner.workload.build import build_source
from planner.workload.source import DemandSource
from planner.workload.touch import count_pages

BYTES_PER_PAGE = 28
"""Upper bound of the memory that simulating one page takes: 24 bytes of state, the rest is room to work in.

What is measured is less: docs/performance.md.
"""

LIST_BYTES_PER_PAGE = 8
"""... of which the order of compressed pages is kept."""

KSM_BYTES_PER_PAGE = 22
"""... of what KSM's scanner remembers of it."""

BASE_BYTES = 1 << 29
"""... of Python, libraries and touches, whatever the host."""

_NAMED_HOSTS = 12
_LOG_COLUMNS = 120


@dataclass(frozen=True)
class HostJob:
    """One host as asked for on the command line; None: what the config says first."""

    config_path: Path
    overrides: tuple[str, ...]
    host: str
    placement: str | None
    ratio: float | None
    replicate: int
    is_exact: bool
    out: Path | None
    is_json: bool

    def target(self) -> Path:
        """Return the directory to write: as given, or named after config and host."""
        name = re.sub(r"[^A-Za-z0-9._-]", "_", self.host)
        return self.out or Path("reports") / f"{self.config_path.stem}-host-{name}"


class _Found(NamedTuple):
    """The host, its scenario, and the fleet that its VMs are counted in."""

    source: DemandSource
    placed: PlacedScenario
    host: PlacedHost
    problem: HostProblem


def host_command(job: HostJob) -> int:
    """Simulate one host, write its directory and print a summary.

    Raises
    ------
    ConfigError, InputError
        The config, the host's name or the target is wrong, or there is not enough memory for exact mode.
    """
    config = load_one_scenario(job.config_path, job.overrides, job.ratio, job.placement)
    check_target(job.target(), HOST_FORMAT)
    with naming_source(str(job.config_path)):
        found = _find_host(job, config)
    n_pages = int(_pages(found).sum())
    if job.is_exact:
        _check_memory(n_pages, found.problem)
    note(f"{job.host}: {len(found.problem.vm_idx)} VMs, {n_pages:,} pages of {_page_size(found.problem)}")
    run = HostRun(0, job.replicate, found.placed.hosts.index(found.host), 0)
    plan = Plan(found.source, (found.placed,), (found.problem,), (run,))
    warm_up(HostSim, replace(plan, problems=(replace(found.problem, page_scale=found.placed.page_scale),)))
    with show_progress(job.host, round(config.horizon / config.tick), "ticks") as ticked:
        result = HostSim(found.source).run(found.problem, keep_timeline=True, ticked=ticked)
    summary = _write(job, config, plan, result)
    _print(job, summary)
    return EXIT_OK


def _find_host(job: HostJob, config: PlannerConfig) -> _Found:
    scenario = expand_scenarios(config)[0]
    plan = SweepPlanner(config, build_source(config, job.config_path.parent)).plan([scenario])
    placed = plan.placed[0]
    for host in placed.hosts:
        if host.hardware.name == job.host:
            problem = host_problem(placed, host, job.replicate)
            return _Found(plan.source, placed, host, replace(problem, page_scale=1) if job.is_exact else problem)
    names = [name for group in config.fleet.hosts for name in group.names()]
    if job.host in names:
        used = _listed([host.hardware.name for host in placed.hosts])
        where = f"at ratio {format_ratio(scenario.overcommit_ratio)} under {scenario.placement}"
        raise InputError("--host", f'no VM is placed on "{job.host}" {where}', f"hosts with VMs: {used}")
    raise InputError("--host", f'there is no host "{job.host}" in {job.config_path}', f"its hosts are {_listed(names)}")


def _listed(names: list[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > _NAMED_HOSTS else ""
    return ", ".join(names[:_NAMED_HOSTS]) + more


def _pages(found: _Found) -> Any:
    vm_idx = list(found.problem.vm_idx)
    return count_pages(found.source.vms.configured_bytes[vm_idx], found.problem.page_scale)


def memory_needed(n_pages: int, problem: HostProblem) -> int:
    """Return the memory, in bytes, that simulating so many pages under the host's policy takes at most."""
    sharing, compression = problem.hypervisor.page_sharing, problem.hypervisor.compression
    per_page = BYTES_PER_PAGE
    if compression.enabled or problem.host.swap.is_ram:
        per_page += LIST_BYTES_PER_PAGE
    if sharing.enabled and sharing.rules == "ksm":
        per_page += KSM_BYTES_PER_PAGE
    return BASE_BYTES + n_pages * per_page


def _check_memory(n_pages: int, problem: HostProblem) -> None:
    needed, there = memory_needed(n_pages, problem), available_memory_bytes()
    if needed > there:
        message = f"takes up to {format_bytes(needed)} of memory, and this machine has {format_bytes(there)} to give"
        raise InputError("--exact", message, "leave it out to simulate a sample, or use a larger machine")


def _page_size(problem: HostProblem) -> str:
    return format_bytes(problem.page_scale * PAGE_BYTES)


def _write(job: HostJob, config: PlannerConfig, plan: Plan, result: HostResult) -> dict[str, Any]:
    """Write the directory; returns the summary."""
    if result.timeline is None:
        raise TypeError("the simulation kept no time line")
    hosts, vms, timeline = host_table(plan, [result]), vm_table(plan, [result]), timeline_table(result.timeline)
    placed, problem = plan.placed[0], plan.problems[0]
    first_judged = min(round(problem.warm_up_s / config.tick), timeline.num_rows - 1)
    judged = timeline.to_pandas().iloc[first_judged:]
    summary = {
        "config": str(job.config_path),
        "placement": placed.scenario.placement,
        "overcommit_ratio_asked": placed.scenario.overcommit_ratio,
        "tail": placed.scenario.tail,
        "replicate": job.replicate,
        "page_scale": problem.page_scale,
        "is_exact": problem.page_scale == 1,
        **summarize_host(hosts.to_pylist()[0], vms.to_pandas(), config.slo),
        "over_ticks": host_means(judged, config.tick, config.slo.confidence),
    }
    exact_as_run = replace(placed, page_scale=problem.page_scale)
    manifest = build_manifest(config, (exact_as_run,), plan.source, {"host": job.host, "replicate": job.replicate})
    view = HostView(
        title=_title(config, summary),
        fidelity=_fidelity(config, problem, manifest),
        summary=summary,
        host=hosts.to_pandas(),
        vms=vms.to_pandas(),
        timeline=timeline.to_pandas(),
        tick_s=config.tick,
    )
    contents = HostContents(config, hosts, vms, timeline, manifest, summary)
    write_host(job.target(), contents, lambda _, page: write_page(render_host_page(view), page))
    return summary


def _title(config: PlannerConfig, summary: dict[str, Any]) -> str:
    return (
        f"ratio {format_ratio(summary['overcommit_ratio_asked'])}, {summary['placement']}, tail {summary['tail']}, "
        f"replicate {summary['replicate']}; hypervisor {config.hypervisor.preset}"
    )


def _fidelity(config: PlannerConfig, problem: HostProblem, manifest: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    is_exact = problem.page_scale == 1
    pages = "every 4 KiB page" if is_exact else f"a sample, each page for {_page_size(problem)} of memory"
    return (
        ("simulated", pages),
        ("error of sampling", describe_sampling_error(config.fidelity.pages_per_vm, problem.page_scale)),
        ("seed", str(config.seed)),
        ("replicate", manifest["replicate_meaning"]),
        ("config hash", manifest["config_hash"]),
        *((f"version of {name}", version) for name, version in manifest["versions"].items()),
    )


def _print(job: HostJob, summary: dict[str, Any]) -> None:
    if job.is_json:
        sys.stdout.write(json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return
    console = Console() if sys.stdout.isatty() else Console(width=_LOG_COLUMNS)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in _lines(summary):
        table.add_row(name, value)
    console.print(table)
    console.print()
    console.print(summary["what_binds"], markup=False, highlight=False, soft_wrap=True)
    console.print(f"Report: {job.target() / REPORT}", markup=False, highlight=False, soft_wrap=True)


def _lines(summary: dict[str, Any]) -> list[tuple[str, str]]:
    ratio = summary["overcommit_ratio"]
    pages = "every 4 KiB page" if summary["is_exact"] else f"sampled, 1 page in {summary['page_scale']:,}"
    lines = [
        ("host", f"{summary['host']}, {pages}"),
        ("VMs", f"{summary['vms']:,}"),
        ("configured ÷ usable", "unknown" if ratio is None else format_ratio(ratio)),
    ]
    lines += [(name.replace("_", " "), format_bytes(value)) for name, value in summary["bytes"].items() if value]
    lines += [(f"saved by {name}", format_bytes(value)) for name, value in summary["saved_bytes"].items() if value]
    lines += [(f"state {name}", f"{value / 3600:.1f} h") for name, value in summary["state_s"].items() if value]
    lines.append(("swap-in, 99th percentile", f"{format_bytes(summary['swap_in_bytes_per_s_p99'])}/s"))
    lines += [(name, f"{value}; {note}") for name, value, note in over_ticks_words(summary["over_ticks"])]
    lines.append(("guest paging, mean", f"{format_bytes(summary['guest_paging_bytes_per_s_mean'])}/s"))
    lines += [
        (f"slowdown by {name}", format_percent(value)) for name, value in summary["slowdown_parts"].items() if value
    ]
    lines.append(("in 4 KiB mappings", format_percent(summary["small_mapped_fraction_mean"])))
    return lines
