"""Files of measurements: taken in by the loader, used by hosts, refused where they do not fit."""

import pytest

from planner.calibrate import Calibration, write_preset
from planner.calibrate.result import summarize_samples
from planner.config.catalog import load_cpu, load_swap_device
from planner.config.load import load_config
from planner.errors import ConfigError
from planner.sweep.hosts import expand_hosts

CONFIG = """
schema_version: 1
seed: 1
fleet:
  hosts: [{name: kvm, count: 2, memory: 64 GiB, cores: 16, cpu: zen3, swap: SWAP, measured: here.yaml}]
  vms: {generate: managed-hosting, count: 10}
hypervisor: {preset: PRESET, measured: here.yaml}
horizon: 1 days
tick: 5 min
"""
MEDIANS = {
    "swap_latency_q1": 56_000.0, "swap_reads_q1": 17_000.0, "swap_reads_q32": 50_000.0, "load_2m": 120.0,
    "ksm_first_pass": 900.0, "ksm_search": 9000.0, "ksm_merge": 6000.0,
}  # fmt: skip


def write(folder, medians=MEDIANS, swap="measured", preset="kvm"):
    figures = tuple(summarize_samples(name, "ns", [value] * 3, "how") for name, value in medians.items())
    write_preset(folder / "here.yaml", Calibration({}, figures, (), "zen3", "Measured on vdb"))
    (folder / "config.yaml").write_text(CONFIG.replace("SWAP", swap).replace("PRESET", preset))
    return folder / "config.yaml"


def test_what_calibrate_writes_is_what_hosts_have(tmp_path):
    config = load_config(write(tmp_path))
    first, second = expand_hosts(config.fleet.hosts)
    assert first == second
    assert (first.swap.name, first.swap.latency_s, first.swap.reads_per_s) == ("measured", 56e-6, 50_000)
    # 120 ns at the preset's 2.45 GHz are 294 cycles.
    assert first.cpu.data_caches.dram_cycles == 294
    assert first.cpu.tlb == load_cpu("zen3").tlb
    cost = config.hypervisor.page_sharing.cost
    assert (cost.checksum, cost.search, cost.merge, cost.merged) == pytest.approx((900e-9, 9e-6, 6e-6, 1e-6))
    # What was not measured is the preset's.
    assert cost.passed_over == pytest.approx(100e-9)


def test_a_resolved_config_needs_no_file(tmp_path):
    config = load_config(write(tmp_path))
    (tmp_path / "here.yaml").unlink()
    again = type(config).model_validate(config.model_dump(mode="json"))
    assert again == config


def test_a_host_may_name_a_preset_all_the_same(tmp_path):
    [first, _] = expand_hosts(load_config(write(tmp_path, swap="nvme")).fleet.hosts)
    assert first.swap.latency_s == load_swap_device("nvme").latency


def test_what_the_config_says_goes_before_the_file(tmp_path):
    path = write(tmp_path)
    text = path.read_text()
    cost = "measured: here.yaml, page_sharing: {cost: {merge: 7 us}}}\nhorizon"
    path.write_text(text.replace("measured: here.yaml}\nhorizon", cost))
    found = load_config(path).hypervisor.page_sharing.cost
    assert (found.merge, found.search) == pytest.approx((7e-6, 9e-6))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"preset": "esxi-8"}, "was measured on Linux, and this hypervisor shares pages by other rules"),
        ({"medians": {"load_2m": 120.0}}, "fleet.hosts[0].swap (line 5): nothing was measured of its swap device"),
        ({"medians": {"swap_latency_q1": 1.0}}, "holds no measurement of the hardware (no section host)"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, change, told):
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, **change))
    assert told in str(caught.value)


def test_a_file_that_is_not_there_or_none_is_refused(tmp_path):
    path = write(tmp_path)
    (tmp_path / "here.yaml").unlink()
    with pytest.raises(ConfigError, match="no such file"):
        load_config(path)
    (tmp_path / "here.yaml").write_text("host: [1]")
    with pytest.raises(ConfigError, match="no section host"):
        load_config(path)


def test_measured_swap_without_a_measurement_is_refused(tmp_path):
    path = write(tmp_path)
    path.write_text(path.read_text().replace(", measured: here.yaml", ""))
    with pytest.raises(ConfigError, match="nothing was measured of its swap device"):
        load_config(path)
