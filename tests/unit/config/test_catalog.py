"""Presets: complete, sourced, and what the sources say."""

from importlib.resources import files

import pytest
import yaml
from pydantic import ValidationError

from planner.config.catalog import (
    cpu_names,
    expand_hypervisor,
    hypervisor_preset_names,
    load_cpu,
    load_hypervisor_preset,
    load_swap_device,
    swap_device_names,
)
from planner.config.cpu import CpuSpec
from planner.config.fields import models_in
from planner.config.hypervisor import HypervisorSpec
from planner.config.page_sharing import KsmSpec
from planner.errors import ConfigError

FOLDER = files("planner.config")


def power_of_two(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


@pytest.mark.parametrize("name", cpu_names())
def test_cpu_sets_are_powers_of_two(name: str) -> None:
    tlb, walk = load_cpu(name).tlb, load_cpu(name).walk_caches
    shapes = (tlb.l1_4k, tlb.l1_2m, tlb.l1_1g, tlb.l2, tlb.l2_1g, walk.l2, walk.l3, walk.l4, walk.l5, walk.nested_tlb)
    assert all(power_of_two(entries // ways) for entries, ways in shapes if entries)


@pytest.mark.parametrize("name", cpu_names())
def test_data_caches_grow_and_slow_down_by_level(name: str) -> None:
    caches = load_cpu(name).data_caches
    assert caches.l1.size < caches.l2.size < caches.llc.size
    assert caches.l1.hit_cycles < caches.l2.hit_cycles < caches.llc.hit_cycles < caches.dram_cycles
    part_of_one_core = caches.llc.size // caches.llc.cores
    assert 512 * 1024 <= part_of_one_core <= 4 * 1024**2


def test_agile_paging_machine() -> None:
    tlb = load_cpu("sandy-bridge").tlb
    assert (tlb.l1_4k, tlb.l1_2m, tlb.l1_1g, tlb.l2, tlb.l2_holds_2m) == ((64, 4), (32, 4), (4, 4), (512, 4), False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tlb": {"l2": [1000, 12]}}, "1000 entries are no whole number of sets of 12 ways"),
        ({"data_caches": {"l1": {"size": "32 KiB", "ways": 7, "hit_cycles": 4}}}, "no whole number of sets of 7 ways"),
    ],
)
def test_impossible_caches_are_refused(change: dict[str, dict[str, object]], message: str) -> None:
    raw = yaml.safe_load(FOLDER.joinpath("cpus.yaml").read_text(encoding="utf-8"))["haswell"]
    for part, values in change.items():
        raw[part] |= values
    with pytest.raises(ValidationError, match=message):
        CpuSpec.model_validate({"name": "haswell", **raw})


def test_swap_devices_in_order_of_latency() -> None:
    order = ["zram", "optane", "nvme", "sata-ssd", "hdd-15k", "hdd"]
    latencies = [load_swap_device(name).latency for name in order]
    assert latencies == sorted(latencies)
    assert load_swap_device("nvme").latency == 8e-05


@pytest.mark.parametrize("name", swap_device_names())
def test_swap_device_serves_at_least_one_reader(name: str) -> None:
    device = load_swap_device(name)
    # one reader at queue depth 1 gets 1 / latency; a device cannot sustain much less than that (10 % for rounding)
    assert device.reads_per_s >= 0.9 / device.latency


@pytest.mark.parametrize("load", [load_cpu, load_swap_device, load_hypervisor_preset])
def test_unknown_name_lists_the_known_ones(load) -> None:
    with pytest.raises(ConfigError, match=r"unknown .* \"nosuch\"; .*use one of: "):
        load("nosuch")


@pytest.mark.parametrize("name", hypervisor_preset_names())
def test_preset_names_every_field(name: str) -> None:
    values = load_hypervisor_preset(name)
    assert set(values) == set(HypervisorSpec.model_fields)
    for key, field in HypervisorSpec.model_fields.items():
        for model in models_in(field.annotation):
            assert set(values[key]) == set(model.model_fields), key


def test_esxi_preset_is_the_model_default() -> None:
    assert HypervisorSpec(preset="esxi-8") == HypervisorSpec.model_validate(load_hypervisor_preset("esxi-8"))


def test_ksm_knobs_are_the_defaults_of_the_kernel() -> None:
    # Also the model's own defaults, so that a config may name only what it changes.
    sharing = HypervisorSpec.model_validate(load_hypervisor_preset("kvm")).page_sharing
    assert sharing.ksm == KsmSpec()
    assert (sharing.ksm.pages_to_scan, sharing.ksm.sleep_millisecs) == (100, 20)


@pytest.mark.parametrize(
    "file_name", ["cpus.yaml", "swap_devices.yaml", *(f"presets/{n}.yaml" for n in hypervisor_preset_names())]
)
def test_every_number_says_where_it_comes_from(file_name: str) -> None:
    for number, line in enumerate(FOLDER.joinpath(file_name).read_text(encoding="utf-8").splitlines(), start=1):
        key, _, rest = line.partition(":")
        is_value = rest.strip() and not line.lstrip().startswith("#") and key.strip() != "description"
        assert not is_value or "#" in rest, f"{file_name}:{number}: {line}"


def test_overrides_lie_over_the_preset() -> None:
    spec = HypervisorSpec.model_validate(expand_hypervisor({"preset": "kvm", "page_sharing": {"salting": True}}))
    assert spec.page_sharing.salting
    assert spec.page_sharing.rules == "ksm"
    assert spec.swap.victims == "lru"


def test_presets_are_not_changed_by_use() -> None:
    before = yaml.safe_load(FOLDER.joinpath("presets/kvm.yaml").read_text(encoding="utf-8"))
    expand_hypervisor({"preset": "kvm", "page_sharing": {"salting": True}})
    assert load_hypervisor_preset("kvm") == {"preset": "kvm", **before}
