"""A large fleet: 1,800 hosts, 48,000 VMs, a month of 5 minutes, eight ratios, one replicate; or a share of it.

    python -m benchmarks.large_fleet --fraction 1/60

`planner sweep` on two workers, as a user runs it: the managed-hosting generator, hosts of 512 GiB, first-fit, with
planning, result files and report. Peak memory is read from every process while it runs: that of a worker must not grow
with the share of the fleet.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path

import yaml

from benchmarks.figures import SIZES, Figure, Measured, print_measured
from benchmarks.machine import time_of_draws

HOSTS, VMS, TICKS, TICK_MIN = 1800, 48_000, 8640, 5
RATIOS = (1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4)
GOAL_WALL_S = 900.0
FRACTIONS = {"tiny": Fraction(1, 900), "usual": Fraction(1, 60), "full": Fraction(1)}
TINY_TICKS = 288
WORKER = "ray::"
_LOOKS_EVERY_S = 0.3
_SWEEP = "import sys; from planner.cli.main import main; sys.exit(main(sys.argv[1:]))"


class MemoryWatch(threading.Thread):
    """Reads the peak memory of a process and of all that it started, until told to stop."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self._pid = pid
        self._is_over = threading.Event()
        self.peaks_mib = {}

    def run(self):
        while not self._is_over.wait(_LOOKS_EVERY_S):
            for pid in (self._pid, *descendants(self._pid)):
                peak = peak_mib(pid)
                if peak is not None:
                    self.peaks_mib[pid] = peak

    def stop(self):
        self._is_over.set()
        self.join()

    def workers(self):
        """Return the peaks of the workers, largest first."""
        return sorted((mib for name, mib in self.peaks_mib.values() if name.startswith(WORKER)), reverse=True)


def descendants(pid):
    """List the processes that come from one; an orphan of a grandchild is not found."""
    parent_of = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent_of[int(folder.name)] = int(folder.joinpath("stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
    found, latest = [], [pid]
    while latest:
        latest = [child for child, parent in parent_of.items() if parent in latest]
        found += latest
    return found


def peak_mib(pid):
    """Return the name of a process and its peak of resident memory so far [MiB]; None where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
    except OSError:
        return None
    peaks = [int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")]
    return (command, peaks[0]) if peaks else None


def build_config(fraction, n_ticks):
    return {
        "schema_version": 1,
        "seed": 1,
        "fleet": {
            "hosts": [{"name": "h", "count": max(1, round(HOSTS * fraction)), "memory": "512 GiB", "cores": 64}],
            "vms": {"generate": "managed-hosting", "count": max(1, round(VMS * fraction))},
        },
        "hypervisor": "esxi-8",
        "horizon": f"{n_ticks * TICK_MIN} min",
        "tick": f"{TICK_MIN} min",
        "warm_up": "12 h",
        "sweep": {"overcommit_ratio": list(RATIOS), "placement": ["first-fit"], "replicates": 1},
    }


def sweep(fraction, n_ticks, workers):
    """Run the sweep of a share of the fleet; returns its JSON-ready figures."""
    with tempfile.TemporaryDirectory() as scratch:
        path, out = Path(scratch) / "sweep.yaml", Path(scratch) / "run"
        path.write_text(yaml.safe_dump(build_config(fraction, n_ticks)), encoding="utf-8")
        words = [sys.executable, "-c", _SWEEP, "sweep", str(path), "--out", str(out), "--workers", str(workers)]
        start_s = time.monotonic()
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
            watch = MemoryWatch(running.pid)
            watch.start()
            _, errors = running.communicate()
            watch.stop()
        wall_s = time.monotonic() - start_s
        if running.returncode not in (0, 3):
            raise RuntimeError(errors.strip().splitlines()[-1])
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        result_bytes = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    # With the scenarios of the other tails that the answer needs.
    vm_ticks = n_ticks * sum(item["vms_placed"] for item in manifest["scenarios"])
    return {
        "fraction": str(fraction),
        "workers": workers,
        "wall_s": round(wall_s, 1),
        "sweep_wall_s": manifest["wall_s"],
        "cpu_s": manifest["cpu_s"],
        "host_problems": manifest["host_problems"],
        "scenarios": len(manifest["scenarios"]),
        "vm_ticks": vm_ticks,
        "vm_ticks_per_cpu_s": vm_ticks / manifest["cpu_s"],
        "peak_mib_driver": watch.peaks_mib[running.pid][1],
        "peak_mib_workers": watch.workers()[:workers],
        "result_mib": round(result_bytes / 2**20, 1),
    }


def measure(size, fraction, workers):
    """Sweep a share of the fleet; returns `Measured`."""
    share = FRACTIONS[size] if fraction is None else fraction
    found = sweep(share, TINY_TICKS if size == "tiny" else TICKS, workers)
    goal = GOAL_WALL_S if share == 1 else None
    figures = [
        Figure(f"wall time of {share} of the fleet", found["wall_s"], "s", at_most=goal),
        Figure("the same for all of it, in proportion", found["wall_s"] / float(share), "s", at_most=GOAL_WALL_S),
        Figure("CPU time", found["cpu_s"], "CPU s", time_of_draws()),
        Figure("VM-ticks", found["vm_ticks_per_cpu_s"], "1/CPU s"),
        Figure("peak memory of the driver", found["peak_mib_driver"], "MiB"),
        *(Figure("peak memory of a worker", mib, "MiB") for mib in found["peak_mib_workers"][:1]),
    ]
    return Measured(figures, found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="usual")
    parser.add_argument("--fraction", type=Fraction, help="share of hosts and VMs, e.g. 1/60")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    print_measured(measure(args.size, args.fraction, args.workers))


if __name__ == "__main__":
    main()
