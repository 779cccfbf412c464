"""Kill processes of real sweeps at random moments until enough have died; every sweep must end as if nothing had been.

    python -m tests.chaos.kills --kills 200 [--seed N]          (make chaos)

A round is one sweep of 216 host problems: on a Ray of its own or, every third round, on a cluster of two machines (two
raylets here). While it runs, some processes are killed, each chosen by the seed: a worker, the raylet, the head, the
driver, the planner itself, a machine of the cluster. A planner that has ended is started again with --resume, and a
machine that was killed with the next kill. Tables must be those of an undisturbed sweep to the byte. What was killed
when is printed; moments depend on the machine, so a seed repeats the choices and not the microseconds.
"""

import argparse
import hashlib
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import yaml

from tests.integration.processes import descendants, name_of
from tests.integration.ray_nodes import ray_machines

PLANNER = [sys.executable, "-c", "import sys; from planner.cli.main import main; sys.exit(main())"]
WORDS = {"worker": "ray::HostWorker", "raylet": "/raylet", "head": "/gcs_server", "driver": "planner.fleet.driver"}
ALONE = {"worker": 8, "raylet": 1, "head": 1, "driver": 1, "planner": 2}
JOINED = {"worker": 6, "driver": 1, "planner": 1, "machine": 2}
MOST_STARTS = 40
ROUND_WITHIN_S = 900


class Kill(NamedTuple):
    """One process, or one machine, that was killed."""

    round: int
    kind: str
    after_s: float


def write_config(folder):
    """Write a sweep of 216 small host problems: 6 hosts at most, 3 ratios, 2 placements, 24 replicates."""
    config = {
        "schema_version": 1,
        "seed": 1,
        "fleet": {
            "hosts": [{"name": "esx", "count": 6, "memory": "64 GiB", "cores": 16}],
            "vms": {"generate": "managed-hosting", "count": 18},
        },
        "hypervisor": "esxi-8",
        "horizon": "1 days",
        "fidelity": {"pages_per_vm": 64},
        "sweep": {"overcommit_ratio": [1.0, 1.4, 1.8], "placement": ["first-fit", "spread"], "replicates": 24},
    }
    path = folder / "fleet.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def hashes(run):
    """Hash the tables of a run."""
    return [hashlib.sha256((run / name).read_bytes()).hexdigest() for name in ("hosts.parquet", "vms.parquet")]


class Sweep:
    """A sweep that is started as often as it takes."""

    def __init__(self, config, out, more=(), environment=None):
        self.words = [*PLANNER, "sweep", str(config), "--out", str(out), *more]
        self.environment = environment or dict(os.environ)
        self.log = out.with_suffix(".log")
        self.n_starts = 0
        self.process = None

    def start(self):
        resumed = ["--resume"] if self.n_starts else []
        self.n_starts += 1
        assert self.n_starts <= MOST_STARTS, self.log.read_text()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.words, *resumed], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment
            )

    def is_done(self):
        """Whether it has ended well; one that was killed, or lost its workers for good, is started again."""
        code = self.process.poll()
        if code is None or code == 0:
            return code == 0
        assert code in {-signal.SIGKILL, 3}, f"exit code {code}\n{self.log.read_text()}"
        self.start()
        return False

    def victims(self, kind):
        """List the processes of a kind that belong to it now."""
        if kind == "planner":
            return [self.process.pid] if self.process.poll() is None else []
        family = descendants(self.process.pid)
        return [pid for pid in family if WORDS[kind] in command_of(pid)]

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace") or name_of(pid)
    except OSError:
        return ""


class Chaos:
    """Rounds of sweeps with kills.

    Parameters
    ----------
    folder : Path
    seed : int
    say : callable
        Takes a line for each round.
    """

    def __init__(self, folder, seed, say):
        self.folder = folder
        self.random = random.Random(seed)
        self.say = say
        self.kills = []
        self.n_rounds = 0
        self.config = write_config(folder)
        calm = Sweep(self.config, folder / "calm", ["--executor", "local"])
        calm.start()
        assert calm.process.wait(ROUND_WITHIN_S) == 0, calm.log.read_text()
        self.expected = hashes(folder / "calm")

    def round(self, n_kills, kinds, machines=None):
        """Run one sweep and kill so many times; what comes out must be as expected."""
        self.n_rounds += 1
        began_s, done = time.monotonic(), []
        more, environment = ["--workers", "2"], None
        if machines is not None:
            more = ["--ray-address", machines.address]
            environment = {**machines.environment()}
        sweep = Sweep(self.config, self.folder / f"round-{self.n_rounds}", more, environment)
        sweep.start()
        try:
            while not sweep.is_done():
                assert time.monotonic() - began_s < ROUND_WITHIN_S, sweep.log.read_text()
                time.sleep(self.random.uniform(0.3, 1.5))
                if len(done) < n_kills and (kind := self._kill(sweep, kinds, machines)) is not None:
                    done.append(Kill(self.n_rounds, kind, round(time.monotonic() - began_s, 1)))
        finally:
            sweep.end()
        assert hashes(self.folder / f"round-{self.n_rounds}") == self.expected, sweep.log.read_text()
        assert "Traceback" not in sweep.log.read_text()
        self.kills += done
        told = ", ".join(f"{kill.kind} {kill.after_s} s" for kill in done)
        self.say(f"round {self.n_rounds}: {sweep.n_starts} starts, identical; killed: {told or 'nothing'}")

    def _kill(self, sweep, kinds, machines):
        """Kill one of the processes that work now; return its kind, or None when none of the chosen kind does."""
        if not working(sweep, machines):
            return None
        kind = self.random.choices(list(kinds), list(kinds.values()))[0]
        if kind == "machine":
            machines.machines.pop().kill()
            machines.start(1)
            return kind
        victims = workers_of(machines) if kind == "worker" and machines else sweep.victims(kind)
        if not victims:
            return None
        os.kill(self.random.choice(sorted(victims)), signal.SIGKILL)
        return kind


def workers_of(machines):
    family = [pid for machine in machines.machines for pid in descendants(machine.process.pid)]
    return [pid for pid in family if WORDS["worker"] in command_of(pid)]


def working(sweep, machines):
    """Whether workers are there: before that there is nothing to lose."""
    return bool(workers_of(machines) if machines else sweep.victims("worker"))


def run_chaos(folder, n_kills, seed, say):
    """Run rounds until so many processes have been killed; return the kills."""
    chaos = Chaos(folder, seed, say)
    while len(chaos.kills) < n_kills:
        left = n_kills - len(chaos.kills)
        with ExitStack() as stack:
            machines = None
            if chaos.n_rounds % 3 == 2:
                machines = stack.enter_context(ray_machines(secrets.token_hex(32)))
                machines.start(1)
                machines.start(1)
            chaos.round(min(left, chaos.random.randint(4, 12)), JOINED if machines else ALONE, machines)
    return chaos.kills


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-", dir="/tmp") as folder:
        kills = run_chaos(Path(folder), given.kills, given.seed, lambda line: print(line, flush=True))
    counts = Counter(kill.kind for kill in kills)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    print(f"{len(kills)} kills ({told}), all tables identical; seed {given.seed}")


if __name__ == "__main__":
    main()
