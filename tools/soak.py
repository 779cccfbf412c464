"""Does memory grow over many host simulations? `python -m tools.soak --hosts 100000 --out reports/soak.csv`.

Small hosts are simulated round after round, each round another fleet, in this process and then on Ray with two workers.
After each round the resident memory, open files and threads of this process and of all its descendants are read.

Passed: over the second half of the rounds no process grows by more than 1 % of its memory, by a straight line fitted
to that half, and none ends with more files or threads than it had at its start. In the first rounds allocators fill
their pools and caches of compiled code are loaded; what still grows after half of the hosts will grow for ever. Of a
worker's 300 MiB 1 % over 50,000 hosts are 60 bytes a host: less than one Python object that is kept.
"""

import argparse
import csv
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np

from planner.cli.environment import prepare_environment

ROUNDS = 50
MOST_GROWTH = 0.01
MOST_MORE_FILES = 2
"""A file or thread may be open by chance at the moment of the sample."""
WORKERS = 2
_MIB = 1 << 20
_CONFIG = {
    "schema_version": 1,
    "seed": 1,
    "fleet": {
        "hosts": [{"name": "h", "count": 4, "memory": "16 GiB", "cores": 8}],
        "vms": [
            {"name": "web", "count": 8, "memory": "3 GiB", "granted": "80 %", "active": "20 %"},
            {"name": "db", "count": 4, "memory": "8 GiB", "granted": "98 %", "active": "25 %"},
        ],
    },
    "hypervisor": "esxi-8",
    "horizon": "2 h",
    "tick": "5 min",
    "warm_up": "0 s",
    "sweep": {"overcommit_ratio": [1.0, 1.6], "placement": ["worst-fit"], "replicates": 1},
    "fidelity": {"pages_per_vm": 64},
}


class Sample(NamedTuple):
    """One process after a round."""

    executor: str
    hosts: int
    process: str
    resident_bytes: int
    files: int
    threads: int


class Growth(NamedTuple):
    """How one process changed over the second half of the rounds; `grown_bytes` by a straight line."""

    executor: str
    process: str
    mean_bytes: float
    grown_bytes: float
    bytes_per_host: float
    more_files: int
    more_threads: int

    @property
    def is_ours(self) -> bool:
        """Whether our code runs in it; Ray's servers have memory of their own, for events of the past."""
        return self.process.startswith(("coordinator", "planner.", "ray::HostWorker"))

    @property
    def is_flat(self) -> bool:
        """Whether it passes."""
        is_flat = self.grown_bytes <= MOST_GROWTH * self.mean_bytes
        return is_flat and max(self.more_files, self.more_threads) <= MOST_MORE_FILES


def main() -> int:
    """Run both executors, print a table, write every sample; 1 where something grows."""
    parser = argparse.ArgumentParser(description="Does memory grow over many host simulations?")
    parser.add_argument("--hosts", type=int, default=100_000, help="host simulations of each executor")
    parser.add_argument("--out", type=Path, default=Path("reports/soak.csv"))
    options = parser.parse_args()
    prepare_environment(will_join_cluster=False)
    samples: list[Sample] = []
    for executor in ("local", "ray"):
        started_s = time.monotonic()
        samples += soak(executor, options.hosts, ROUNDS)
        _say(f"{executor}: {options.hosts:,} hosts in {time.monotonic() - started_s:.0f} s")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="") as file:
        csv.writer(file).writerows([Sample._fields, *samples])
    found = growths(samples)
    print_growths(found)
    return 0 if all(item.is_flat for item in found if item.is_ours) else 1


def soak(executor: str, hosts: int, rounds: int) -> list[Sample]:
    """Simulate hosts in rounds on one kind of executor; sample every process after each round."""
    from planner.fleet.local import LocalExecutor
    from planner.fleet.ray_pool import RayExecutor

    samples: list[Sample] = []
    done = 0
    with nullcontext(LocalExecutor()) if executor == "local" else RayExecutor(WORKERS) as opened:
        for number in range(rounds):
            done += _run_round(opened, number, hosts // rounds)
            samples += [Sample(executor, done, *process) for process in _processes()]
    return samples


def growths(samples: Sequence[Sample]) -> list[Growth]:
    """Judge every process that was there in all rounds of the second half."""
    found = []
    for executor in dict.fromkeys(sample.executor for sample in samples):
        mine = [sample for sample in samples if sample.executor == executor]
        rounds = sorted({sample.hosts for sample in mine})
        half = set(rounds[len(rounds) // 2 :])
        for process in dict.fromkeys(sample.process for sample in mine):
            late = [sample for sample in mine if sample.process == process and sample.hosts in half]
            if len(late) == len(half):
                found.append(_growth(late))
    return found


def print_growths(found: Sequence[Growth]) -> None:
    """Print a line per process."""
    _say(f"{'executor':9} {'process':34} {'MiB':>8} {'growth':>8} {'bytes a host':>12} {'files':>6} {'threads':>8}")
    for item in found:
        share = item.grown_bytes / item.mean_bytes
        numbers = f"{item.mean_bytes / _MIB:8.1f} {share:8.2%} {item.bytes_per_host:12.1f} {item.more_files:+6d}"
        remark = "" if item.is_flat else "  GROWS" if item.is_ours else "  grows; Ray's own"
        _say(f"{item.executor:9} {item.process:34} {numbers} {item.more_threads:+8d}{remark}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _growth(late: Sequence[Sample]) -> Growth:
    hosts = np.array([sample.hosts for sample in late], dtype=np.float64)
    resident = np.array([sample.resident_bytes for sample in late], dtype=np.float64)
    slope = float(np.polyfit(hosts, resident, 1)[0])
    first, last = late[0], late[-1]
    return Growth(
        first.executor, first.process, float(resident.mean()), slope * (hosts[-1] - hosts[0]), slope,
        last.files - first.files, last.threads - first.threads,
    )  # fmt: skip


def _run_round(executor: object, number: int, hosts: int) -> int:
    """Place and simulate a fleet of its own seed; the outcomes are counted and thrown away."""
    from planner.config.spec import PlannerConfig
    from planner.host.problem import HostResult
    from planner.host.simulator import HostSim
    from planner.sweep.expand import expand_scenarios
    from planner.sweep.placing import SweepPlanner
    from planner.workload.build import build_source

    replicates = max(1, hosts // 8)  # 4 hosts at 2 ratios
    sweep = {**_CONFIG["sweep"], "replicates": replicates}  # type: ignore[dict-item]
    config = PlannerConfig.model_validate({**_CONFIG, "seed": number + 1, "sweep": sweep})
    source = build_source(config, Path())
    plan = SweepPlanner(config, source).plan(expand_scenarios(config))
    done: list[bool] = []

    def sink(position: int, outcome: object) -> None:
        done.append(isinstance(outcome, HostResult))

    run: Callable[..., None] = executor.run_problems  # type: ignore[attr-defined]
    run(plan.problems, HostSim, source, sink, lambda _: None)
    if not all(done) or len(done) != len(plan.problems):
        raise RuntimeError(f"{len(done) - sum(done)} of {len(plan.problems)} hosts failed")
    return len(done)


def _processes() -> Iterator[tuple[str, int, int, int]]:
    """Yield name, resident bytes, open files and threads of this process and its descendants."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int(_field(folder / "status", "PPid"))
            except OSError:
                continue
    for pid in sorted(parents):
        if pid == os.getpid() or _descends(pid, parents):
            folder = Path(f"/proc/{pid}")
            try:
                resident = int(_field(folder / "status", "VmRSS").split()[0]) * 1024
                threads = int(_field(folder / "status", "Threads"))
                yield _name(folder, pid), resident, len(list((folder / "fd").iterdir())), threads
            except (OSError, ValueError):  # it has just ended
                continue


def _descends(pid: int, parents: dict[int, int]) -> bool:
    while pid in parents and pid > 1:
        pid = parents[pid]
        if pid == os.getpid():
            return True
    return False


def _name(folder: Path, pid: int) -> str:
    if pid == os.getpid():
        return "coordinator"
    words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").split()
    program = Path(words[0]).name if words else "?"
    if program.startswith("python"):
        scripts = [word for word in words[1:] if not word.startswith("-")]
        program = Path(scripts[0]).name if scripts else program
    return f"{program[:24]} {pid}"


def _field(path: Path, key: str) -> str:
    found = re.search(rf"^{key}:\s+(.*)$", path.read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{path} has no {key}")
    return found.group(1)


if __name__ == "__main__":
    sys.exit(main())
