"""Overhead memory of VMs by size and vCPUs, as the preset's law gives it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from planner.config.load import load_hypervisor
from planner.units import MIB
from planner.validation.base import Computed
from planner.workload.fleet import VmTable, plain_vms
from planner.workload.overhead import vm_overhead_bytes


def check_vm_overhead(config: Mapping[str, Any]) -> Computed:
    """Compute `overhead_MIB_VCPUS`, in MiB, for VMs of all `memory_mib` and `vcpus` under `preset`."""
    hypervisor = load_hypervisor(config["preset"])
    values: dict[str, float] = {}
    curves: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {}
    for vcpus in config["vcpus"]:
        line = vm_overhead_bytes(_vms(config["memory_mib"], vcpus), hypervisor) / MIB
        for memory_mib, overhead_mib in zip(config["memory_mib"], line, strict=True):
            values[f"overhead_{memory_mib}_{vcpus}"] = float(overhead_mib)
        curves[f"planner, {vcpus} vCPUs"] = (tuple(map(float, config["memory_mib"])), tuple(map(float, line)))
    return Computed(values, curves, ("configured memory [MiB]", "overhead memory [MiB]"))


def _vms(memory_mib: list[int], vcpus: int) -> VmTable:
    configured = np.array(memory_mib, dtype=np.int64) * MIB
    return replace(plain_vms(configured), vcpus=np.full(configured.size, vcpus))


CHECKS = {"vm-overhead": check_vm_overhead}
