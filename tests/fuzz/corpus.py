"""What mutants are made from: configs, change and targets files, traces, a fleet directory and run directories.

Everything is written by code or taken from the repository's own examples. Made once per process, then copied.
"""

import contextlib
import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from planner.cli.main import main
from planner.config.spec import PlannerConfig
from planner.validation.load import shipped_target_files

ROOT = Path(__file__).parents[2]

SMALL = """\
schema_version: 1
seed: 1
fleet:
  hosts:
    - {name: esx, count: 2, memory: 16 GiB, cores: 8, cpu: ice-lake-sp, swap: nvme}
  vms:
    - {name: web, count: 3, memory: 2 GiB, vcpus: 2, granted: 60 %, active: 8 %, group: shop, image: debian-12}
    - {name: db, memory: 6 GiB, granted: 98 %, active: 15 %, reservation: 1 GiB, host: esx-01}
    - {name: legacy, memory: 4 GiB, balloon_driver: false, host: esx-02}
hypervisor: esxi-8
horizon: 2 h
tick: 5 min
warm_up: 30 min
slo: {swap_in: 1 MiB/s, for_more_than: 5 min, hosts_affected: 5 %, confidence: 90 %}
sweep: {overcommit_ratio: [1.0, 1.3], placement: [first-fit], replicates: 2}
fidelity: {pages_per_vm: 64}
"""
RULES = """\
schema_version: 1
seed: 3
fleet:
  hosts: [{name: h, count: 3, memory: 24 GiB, cores: 12, numa_nodes: 2, reserved_fraction: 2 %, swap_size: 8 GiB}]
  vms: {generate: managed-hosting, count: 6}
  turnover: {arrivals_per_day: 10}
hypervisor: {preset: kvm, page_sharing: {enabled: true}}
workload: {tail: high, growth: 1.1}
horizon: 2 h
tick: 5 min
warm_up: 0 s
question: consolidate
placement_rules:
  anti_affinity: [{vms: ["vm-*1", "vm-*2"]}]
  ha_reserve: {hosts: 1}
  max_vcpus_per_core: 4
admission: {policy: n-sigma, percentile: 95 %, n: 3, history: 1 day}
slo: demand
sweep:
  overcommit_ratio: [1.2]
  placement: [first-fit, peak-aware]
  replicates: 2
  axes: {workload.tail: [low, high]}
  zip: [{"fleet.hosts[0].memory": [24 GiB, 32 GiB], "fleet.hosts[0].cores": [12, 16]}]
  adaptive: {min: 1, max: 1.5, resolution: 0.25, replicates_max: 4}
fidelity: {pages_per_vm: 64}
"""
IMPORTED = """\
schema_version: 1
seed: 2
fleet:
  hosts: [{name: esx, count: 3, memory: 24 GiB, cores: 16}]
  vms: {fleet: fleet}
hypervisor: {preset: esxi-8, page_sharing: {salting: false}}
horizon: 2 h
tick: 5 min
warm_up: 0 s
sweep: {overcommit_ratio: [1.0, 1.4], placement: [first-fit, best-fit], replicates: 2}
fidelity: {pages_per_vm: 64}
"""
CHANGES = (
    "name: more\nhost_memory: +4 GiB\n",
    "lose_hosts: {any: 1}\n",
    "lose_hosts: {hosts: [esx-01], at: 1 h, restart_delay: 5 min, use_spare_hosts: true}\n",
    "maintenance: {hosts: [esx-02], at: 1 h, warn_above: 90 %}\n",
    "growth: {per_month: 5 %, months: 2, classes: [{match: 'web-*', per_month: 10 %}]}\n",
    "page_sharing: unsalted\nlarge_pages: false\n",
    "balloon_driver_missing: 50 %\nswap: hdd\n",
    "placement: worst-fit\n",
    "place_again: true\nhypervisor: kvm\n",
    "set: {'fleet.hosts[0].cores': 16, workload.growth: 1.2, slo.swap_in: 2 MiB/s}\n",
    "host_memory: {esx: -25 %}\n",
)
TARGETS = """\
- name: fuzz-idle-tax
  title: Idle memory tax
  kind: closed form
  source: Waldspurger 2002
  check: {check}
  config: {config}
  expected: {{value: {{value: 1.0, relative: 0.05, unit: B, note: none}}}}
"""


@cache
def configs() -> tuple[str, ...]:
    """Small configs, and the shipped examples that need no fleet directory."""
    shipped = [
        ROOT / "cluster_configs" / f"{name}.yaml" for name in ("demo", "rules", "three-hosts", "turnover", "kvm")
    ]
    return (SMALL, RULES, SMALL, RULES, *(path.read_text(encoding="utf-8") for path in shipped))


@cache
def config_values() -> tuple[Any, ...]:
    return tuple(yaml.safe_load(text) for text in configs())


@cache
def resolved_values() -> Any:
    """Give a small config with every key written out."""
    return PlannerConfig.model_validate(yaml.safe_load(SMALL)).model_dump(mode="json")


@cache
def change_texts() -> tuple[str, ...]:
    shipped = sorted((ROOT / "cluster_configs" / "changes").glob("*.yaml"))
    return (*CHANGES, *(path.read_text(encoding="utf-8") for path in shipped))


@cache
def target_entries() -> tuple[dict[str, Any], ...]:
    """Shipped targets that are not slow, renamed so that they can stand beside the shipped ones."""
    found = []
    for path in shipped_target_files():
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        found += [{**entry, "name": f"fuzz-{n}"} for n, entry in enumerate(entries) if not entry.get("is_slow")]
    return tuple(found)


def gwa_text(seed: int, n_rows: int = 30, dated: bool = False) -> str:
    """Write one VM's file as GWA-T-12 does, or GWA-T-13 (`dated`: quoted, decimal comma, dates)."""
    rng = np.random.default_rng(seed)
    names = [
        "Timestamp [ms]", "CPU cores", "CPU capacity provisioned [MHZ]", "CPU usage [MHZ]", "CPU usage [%]",
        "Memory capacity provisioned [KB]", "Memory usage [KB]",
    ]  # fmt: skip
    rows = []
    for row in range(n_rows):
        active_kib = 4 * 2**20 * (0.1 + 0.01 * int(rng.integers(0, 60)))
        cells = [1_376_314_846 + 300 * row, 4, 11703.998, 10.5, 0.09, 4 * 2**20, active_kib]
        if dated:
            minutes = 5 * row
            cells[0] = f"{1 + minutes // 1440:02d}.12.2015 {minutes // 60 % 24:02d}:{minutes % 60:02d}:00"
            rows.append(";".join(f'"{cell}"'.replace(".", ",") if n else f'"{cell}"' for n, cell in enumerate(cells)))
        else:
            rows.append(";\t".join(str(cell) for cell in cells))
    header = ";".join(f'"{name}"' for name in names) if dated else ";\t".join(names)
    return "\n".join([header, *rows]) + "\n"


def table_texts(is_long: bool) -> dict[str, str]:
    """Write a VM table and series, as `planner import table` takes them."""
    names = ("a", "b", "c")
    vms = ["name,configured_mib,vcpus,group,host,reservation_mib,has_balloon_driver,cpu_cap_mhz"]
    vms += [f"{name},{4096 * (n + 1)},2,g{n},esx-0{n + 1},256,true,4800" for n, name in enumerate(names)]
    rng = np.random.default_rng(5)
    times = [f"2026-01-31T{row // 12:02d}:{row % 12 * 5:02d}:00Z" for row in range(30)]
    share = {"active": 0.2, "granted": 0.7, "cpu": 0.0005}
    texts = {"vms.csv": "\n".join(vms) + "\n"}
    if is_long:
        rows = ["time,vm,active_mib,granted_mib"]
        for time in times:
            rows += [f"{time},{name},{800 * (n + 1)},{3000 * (n + 1)}" for n, name in enumerate(names)]
        return {**texts, "series.csv": "\n".join(rows) + "\n"}
    for kind, part in share.items():
        rows = ["time," + ",".join(names)]
        for time in times:
            values = [4096 * (n + 1) * part * (0.9 + 0.2 * rng.random()) for n in range(3)]
            rows.append(f"{time}," + ",".join(f"{value:.3f}" for value in values))
        unit = "vcpus" if kind == "cpu" else "mib"
        texts[f"{kind}_{unit}.csv"] = "\n".join(rows) + "\n"
    return texts


def make_corpus(folder: Path) -> None:
    """Write what is copied for each case: a fleet directory, and the directories of a sweep and of a what-if."""
    source = folder / "tables"
    source.mkdir(parents=True)
    for name, text in table_texts(is_long=False).items():
        (source / name).write_text(text)
    config = folder / "small.yaml"
    config.write_text(SMALL)
    change = folder / "change.yaml"
    change.write_text("host_memory: +4 GiB\n")
    for argv in (
        ["import", "table", str(source), "--out", str(folder / "fleet")],
        ["sweep", str(config), "--executor", "local", "--out", str(folder / "run")],
        ["whatif", str(config), str(change), "--executor", "local", "--out", str(folder / "whatif")],
    ):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as err:
            code = main(argv)
        if code:
            raise RuntimeError(f"the corpus cannot be made: {' '.join(argv)} ended with {code}: {err.getvalue()}")
