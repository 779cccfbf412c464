"""Configs that would fill a machine are refused by a message, at once, before anything is expanded."""

import time

import pytest

from planner.cli.check import check_command
from planner.errors import ConfigError
from planner.sweep.sampling import MOST_PAGES_OF_HOST

BASE = """\
schema_version: 1
seed: 1
fleet:
  hosts: [{name: esx, count: 2, memory: 64 GiB, cores: 16}]
  vms: [{name: web, count: 3, memory: 8 GiB}]
hypervisor: esxi-8
horizon: 1 day
sweep: {overcommit_ratio: [1.0, 1.5], placement: [first-fit], replicates: 4}
fidelity: {pages_per_vm: 128}
"""
# (what is written instead, what is said of it)
TOO_LARGE = {
    "a trillion VMs": ("count: 3", "count: 1000000000000", "must be at most 1000000"),
    "lists of a million VMs": (
        "[{name: web, count: 3, memory: 8 GiB}]",
        "[{name: a, count: 1000000, memory: 1 GiB}, {name: b, count: 1000000, memory: 1 GiB}]",
        "fleet.vms (line 5): makes 2,000,000 VMs, more than 1,000,000; split the fleet",
    ),
    "hosts in all": (
        "[{name: esx, count: 2, memory: 64 GiB, cores: 16}]",
        f"[{', '.join(f'{{name: h{n}, count: 100000, memory: 64 GiB, cores: 16}}' for n in range(11))}]",
        "fleet.hosts (line 4): makes 1,100,000 hosts, more than 1,000,000",
    ),
    "a million years": ("horizon: 1 day", "horizon: 52000000 weeks", "ticks, more than 1,000,000"),
    # 1,000,000 VMs x 20,160 ticks of 5 min in ten weeks
    "VM-ticks": ("count: 3, memory: 8 GiB}]\nhypervisor: esxi-8\nhorizon: 1 day",
                 "count: 1000000, memory: 8 GiB}]\nhypervisor: esxi-8\nhorizon: 10 weeks",
                 "makes 20,160,000,000 VM-ticks, more than 10,000,000,000; use a longer tick"),
    "memory without end": ("memory: 64 GiB", "memory: 9999999999999999 TiB", "is more than any machine has"),
    "memory in all": ("count: 2, memory: 64 GiB", "count: 100000, memory: 4 TiB", "has 391 PiB of memory in all"),
    "cores": ("cores: 16", "cores: 1000000000000000000000", "must be at most 65536"),
    "scenarios": ("replicates: 4", f"replicates: 4, axes: {{workload.growth: {[1 + n / 1000 for n in range(200)]}, "
                  f"workload.zero_fraction: {[n / 1000 for n in range(200)]}}}",
                  "sweep (line 8): makes 80,000 scenarios, more than 10,000; list fewer values"),
    "host runs": ("count: 2, memory: 64 GiB, cores: 16}]\n  vms: [{name: web, count: 3",
                  "count: 2000, memory: 64 GiB, cores: 16}]\n  vms: [{name: web, count: 2000",
                  None),
    "pages": ("count: 2, memory: 64 GiB, cores: 16}]\n  vms: [{name: web, count: 3, memory: 8 GiB}]",
              "count: 9, memory: 64 TiB, cores: 16}]\n  vms: [{name: web, count: 2000, memory: 8 GiB}]",
              None),
}  # fmt: skip


def refused(tmp_path, text):
    path = tmp_path / "large.yaml"
    path.write_text(text)
    started_s = time.process_time()
    with pytest.raises(ConfigError) as caught:
        check_command(path, [])
    assert time.process_time() - started_s < 5.0
    assert all(issue.hint for issue in caught.value.issues)
    return str(caught.value)


@pytest.mark.parametrize("name", [name for name, case in TOO_LARGE.items() if case[2]])
def test_what_is_too_large_is_refused_at_once(tmp_path, name):
    old, new, words = TOO_LARGE[name]
    assert old in BASE
    assert words in refused(tmp_path, BASE.replace(old, new))


def test_host_runs_are_counted(tmp_path):
    old, new, _ = TOO_LARGE["host runs"]
    text = BASE.replace(old, new).replace("replicates: 4", "replicates: 10000")
    # 2 ratios x 10,000 replicates x 2,000 hosts
    assert "sweep (line 8): makes 40,000,000 host runs, more than 20,000,000" in refused(tmp_path, text)


def test_pages_of_a_host_are_counted(tmp_path):
    old, new, _ = TOO_LARGE["pages"]
    text = BASE.replace(old, new).replace("pages_per_vm: 128", "pages_per_vm: 1000000")
    # 8 GiB are 2^21 pages; a million of them sampled is every second one: 2,000 VMs x 2^20 = 2,097,152,000 < 2^31
    path = tmp_path / "fits.yaml"
    path.write_text(text)
    check_command(path, [])
    # 3,000 VMs x 2^20 = 3,145,728,000; half of what would fit: 1,000,000 x 2^31 / 3,145,728,000 / 2 = 341,333
    assert MOST_PAGES_OF_HOST < 3000 << 20
    found = refused(tmp_path, text.replace("count: 2000", "count: 3000"))
    assert "1000000 pages for a VM of mean size make 3,145,728,000 on one host; use 341333 or less" in found


@pytest.mark.parametrize("share", ["0 %", "1e-300", "0.0000000001 %"])
def test_a_share_that_no_sweep_can_show(tmp_path, share):
    text = BASE + f"slo: {{swap_in: 1 MiB/s, hosts_affected: {share}}}\n"
    assert "cannot be shown: after n host runs" in refused(tmp_path, text)
