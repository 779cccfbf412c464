"""Measure what sampling costs: random hosts simulated in full, every 4 KiB page, and again at several rates.

    python -m tools.measure_sampling --hosts 32 --out planner/analysis/data/sampling_error.yaml

Each host is drawn from a seed: size, preset, overcommit ratio, tail, kinds of pages, VMs and their demand. Takes some
minutes. Reports state the errors in the file; tests hold hosts of other seeds against it. The table for people in
docs/model/sampling.md is written, too. Deterministic.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from planner.cli.environment import prepare_environment

prepare_environment(will_join_cluster=False)

from planner import __version__  # noqa: E402 (the environment is set before numba is imported)
from planner.config.hypervisor import HypervisorSpec  # noqa: E402
from planner.config.load import load_hypervisor  # noqa: E402
from planner.config.slo import SloSpec  # noqa: E402
from planner.config.spec import VmSpec, WorkloadSpec  # noqa: E402
from planner.host.problem import HostHardware, HostProblem, SwapDevice  # noqa: E402
from planner.host.simulator import HostSim  # noqa: E402
from planner.units import GIB, MIB, PAGE_BYTES  # noqa: E402
from planner.workload.listed import ListedSource  # noqa: E402
from planner.workload.overhead import min_free_bytes  # noqa: E402

RATES = (64, 128, 256)
"""Sampled pages of a VM of mean size."""

BREAKDOWN = (
    "granted_bytes_mean", "private_bytes_mean", "shared_bytes_mean", "shared_saved_bytes_mean", "ballooned_bytes_mean",
    "evicted_bytes_mean", "compressed_bytes_mean", "swapped_bytes_mean",
)  # fmt: skip
"""Where the bytes are: errors are shares of the host's memory."""

MAPPING = "small_mapped_bytes_mean"
"""Memory in 4 KiB mappings, which translation costs more for: its error is a share of the host's memory, too."""

EVENTS = ("swap_in", "swap_out", "guest_paging", "cow_break")
"""Rare events: the sampled rate is compared with the exact one as a ratio, where that is not next to nothing."""

LEAST_EVENTS = 0.002
"""Events that move less than this share of the host's memory in a day are next to nothing."""

DAY_S = 86_400.0
PAGE = Path(__file__).parents[1] / "docs" / "model" / "sampling.md"
TABLE_START, TABLE_END = "<!-- measured: start -->", "<!-- measured: end -->"
HEADER = """\
# What sampling costs against exact hosts. Written by tools/measure_sampling.py; do not edit by hand.
# Differences of the breakdown are shares of host memory: the largest over hosts and classes, and the 90th percentile
# of the hosts' largest. Events are sampled rate / exact rate: least, most and pooled over hosts that have such events.
"""


@dataclass(frozen=True)
class RandomHost:
    """One random host, to be simulated at any rate."""

    seed: int
    preset: str
    ratio: float
    source: ListedSource
    problem: HostProblem

    def describe(self) -> str:
        """Say in a few words what kind of host it is."""
        policy, memory = self.problem.hypervisor, self.problem.host.memory_bytes / GIB
        balloon = "" if policy.ballooning.enabled else ", no balloons"
        return f"{self.preset}{balloon}, {memory:.0f} GiB, ratio {self.ratio:.2f}, tail {self.problem.workload.tail}"


@dataclass(frozen=True)
class Comparison:
    """One host at one rate against the same host in full.

    Attributes
    ----------
    differences : dict
        Column of `BREAKDOWN` -> sampled less exact ÷ host memory.
    mapping : float
        The same of `MAPPING`.
    events : dict
        Name of `EVENTS` -> (sampled, exact), in host memories a day.
    """

    host: RandomHost
    pages_per_vm: int
    differences: dict[str, float]
    mapping: float
    events: dict[str, tuple[float, float]]

    def worst(self) -> float:
        """Return the largest difference of the breakdown, as a share of host memory."""
        return max(abs(value) for value in self.differences.values())


def draw_host(seed: int, sizes_gib: tuple[int, int] = (8, 32)) -> RandomHost:
    """Draw a host: size in the given range, ratio 1.0 to 1.8, VMs that grant half to all of what they were given."""
    draws = np.random.default_rng([0x5A3B, seed])
    preset = str(draws.choice(["esxi-8", "kvm"]))
    memory = int(draws.integers(sizes_gib[0], sizes_gib[1] + 1)) * GIB
    ratio = float(np.round(draws.uniform(1.0, 1.8), 2))
    hypervisor = load_hypervisor(preset)
    source = _draw_vms(draws, ratio * (memory - min_free_bytes(memory, hypervisor)), seed)
    workload = WorkloadSpec(
        tail=draws.choice(["low", "middle", "high"]).item(),
        zero_fraction=float(draws.choice([0.0, 0.03, 0.1])),
        self_shared_fraction=float(draws.choice([0.0, 0.085, 0.2])),
        image_shared_fraction=float(draws.choice([0.015, 0.1])),
        shared_write_fraction=float(draws.choice([0.0, 0.002, 0.02])),
    )
    problem = HostProblem(
        host=HostHardware("host", memory, 0, 16, "sapphire-rapids", SwapDevice("nvme", 80e-6, 5e5)),
        hypervisor=_draw_policy(draws, hypervisor),
        workload=workload,
        slo=SloSpec(),
        seed=seed,
        replicate=0,
        vm_idx=tuple(range(len(source.vms))),
        page_scale=1,
        warm_up_s=0.25 * DAY_S,
    )
    return RandomHost(seed, preset, ratio, source, problem)


def _draw_vms(draws: np.random.Generator, wanted_bytes: float, seed: int) -> ListedSource:
    """Draw VMs of 1 to 8 GiB until they have so much configured memory; the last one fills up."""
    specs: list[VmSpec] = []
    left_mib = int(wanted_bytes) // MIB
    while left_mib >= 256:
        size_mib = min(int(draws.choice([1024, 2048, 2048, 4096, 4096, 8192])), left_mib // 4 * 4)
        left_mib -= size_mib
        specs.append(
            VmSpec(
                name=f"vm-{len(specs)}",
                memory=f"{size_mib} MiB",
                granted=float(draws.uniform(0.5, 1.0)),
                active=float(draws.choice([0.01, 0.03, 0.1])),
                image=str(draws.choice(["a", "b"])),
                balloon_driver=bool(draws.random() < 0.8),
            )
        )
    return ListedSource(tuple(specs), DAY_S, 300.0, seed)


def _draw_policy(draws: np.random.Generator, hypervisor: HypervisorSpec) -> HypervisorSpec:
    """Salt half of the hosts that would share between VMs only where told to; leave a third without balloons."""
    policy = hypervisor.model_dump(mode="json")
    if hypervisor.page_sharing.salting:
        policy["page_sharing"]["salting"] = bool(draws.random() < 0.5)
    policy["ballooning"]["enabled"] = bool(draws.random() < 2 / 3)
    return HypervisorSpec.model_validate(policy)


def scale_of(host: RandomHost, pages_per_vm: int) -> int:
    """Return the 4 KiB pages that a sampled page stands for at this rate, as a sweep chooses it."""
    wanted = float(host.source.vms.configured_bytes.mean()) / PAGE_BYTES / pages_per_vm
    return int(2 ** max(0, round(np.log2(wanted))))


def simulate(host: RandomHost, page_scale: int) -> dict[str, float]:
    """Simulate a host at one scale; returns the numbers of its row, with the bytes in 4 KiB mappings added."""
    row = HostSim(host.source).run(replace(host.problem, page_scale=page_scale)).host_row
    numbers = {name: float(value) for name, value in row.items() if not isinstance(value, list | str)}
    numbers["small_mapped_bytes_mean"] = numbers["small_mapped_fraction_mean"] * numbers["granted_bytes_mean"]
    return numbers


def compare(host: RandomHost, rates: Sequence[int]) -> list[Comparison]:
    """Simulate a host in full and at each rate."""
    memory = host.problem.host.memory_bytes
    exact = simulate(host, 1)
    found = []
    for pages_per_vm in rates:
        sampled = simulate(host, scale_of(host, pages_per_vm))
        per_day = {name: f"{name}_bytes_per_s_mean" for name in EVENTS}
        found.append(
            Comparison(
                host=host,
                pages_per_vm=pages_per_vm,
                differences={name: (sampled[name] - exact[name]) / memory for name in BREAKDOWN},
                mapping=(sampled[MAPPING] - exact[MAPPING]) / memory,
                events={
                    name: (sampled[column] * DAY_S / memory, exact[column] * DAY_S / memory)
                    for name, column in per_day.items()
                },
            )
        )
    return found


def summarize(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Summarise by rate: largest differences and intervals of the events' ratios."""
    summary = []
    for pages_per_vm in sorted({item.pages_per_vm for item in comparisons}):
        mine = [item for item in comparisons if item.pages_per_vm == pages_per_vm]
        worst = np.array([item.worst() for item in mine])
        mapping = np.array([item.mapping for item in mine])
        by_class = {name: np.array([item.differences[name] for item in mine]) for name in BREAKDOWN}
        summary.append(
            {
                "pages_per_vm": pages_per_vm,
                "breakdown_most": _round_up(worst.max()),
                "breakdown_p90": _round_up(float(np.quantile(worst, 0.9))),
                "hosts_within_1_percent": int((worst <= 0.01).sum()),
                "mapping_most": _round_up(np.abs(mapping).max()),
                "mapping_mean": round(float(mapping.mean()), 4),
                "mean_by_class": {
                    name.removesuffix("_bytes_mean"): round(float(v.mean()), 5) for name, v in by_class.items()
                },
                "most_by_class": {
                    name.removesuffix("_bytes_mean"): _round_up(np.abs(v).max()) for name, v in by_class.items()
                },
                "events": {name: _event_summary(mine, name) for name in EVENTS},
            }
        )
    return summary


def _event_summary(comparisons: Sequence[Comparison], name: str) -> dict[str, Any]:
    pairs = np.array([item.events[name] for item in comparisons if item.events[name][1] >= LEAST_EVENTS])
    if not len(pairs):
        return {"hosts": 0}
    ratios = pairs[:, 0] / pairs[:, 1]
    return {
        "hosts": len(pairs),
        "least": round(float(np.floor(ratios.min() * 100) / 100), 2),
        "most": round(float(np.ceil(ratios.max() * 100) / 100), 2),
        "pooled": round(float(pairs[:, 0].sum() / pairs[:, 1].sum()), 2),
    }


def _round_up(share: float) -> float:
    return round(float(np.ceil(share * 10_000) / 10_000), 4)


def table_text(summary: Sequence[dict[str, Any]], n_hosts: int) -> str:
    """Write the summary as a table in Markdown."""
    lines = [
        f"| pages a VM | breakdown: largest of {n_hosts} hosts | 90th percentile | hosts within 1 % | "
        "4 KiB mappings: largest | mean | swap-in | guest paging | copy-on-write |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in summary:
        events = [_event_text(row["events"][name]) for name in ("swap_in", "guest_paging", "cow_break")]
        lines.append(
            f"| {row['pages_per_vm']:,} | {100 * row['breakdown_most']:.2f} % | {100 * row['breakdown_p90']:.2f} % | "
            f"{row['hosts_within_1_percent']} | {100 * row['mapping_most']:.1f} % | "
            f"{100 * row['mapping_mean']:+.1f} % | {' | '.join(events)} |"
        )
    return "\n".join(lines)


def _event_text(event: dict[str, Any]) -> str:
    if not event["hosts"]:
        return "no host had any"
    return f"×{event['least']:.2f} to ×{event['most']:.2f}, pooled ×{event['pooled']:.2f} ({event['hosts']})"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write the data file and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=32)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(argv)
    comparisons: list[Comparison] = []
    for seed in range(given.hosts):
        host = draw_host(seed)
        found = compare(host, RATES)
        comparisons += found
        worst = ", ".join(
            f"{item.pages_per_vm}: {100 * item.worst():.2f} % ({100 * item.mapping:+.1f} %)" for item in found
        )
        sys.stderr.write(f"{seed} {host.describe()}: {worst}\n")
        _write(given.out, comparisons, seed + 1)
    return 0


def _write(out: Path, comparisons: Sequence[Comparison], n_hosts: int) -> None:
    """Write the data file and the table: after every host, so that an interrupted run keeps what it has measured."""
    summary = summarize(comparisons)
    data = {
        "planner_version": __version__,
        "hosts": n_hosts,
        "host_memory_gib": [8, 32],
        "least_events_per_day": LEAST_EVENTS,
        "rates": summary,
    }
    out.write_text(HEADER + yaml.safe_dump(data, sort_keys=False, width=120), encoding="utf-8")
    before, rest = PAGE.read_text(encoding="utf-8").split(TABLE_START)
    after = rest.split(TABLE_END)[1]
    PAGE.write_text(f"{before}{TABLE_START}\n\n{table_text(summary, n_hosts)}\n\n{TABLE_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
