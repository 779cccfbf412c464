"""ESXi's sliding free-memory target and its memory states, as the stack's thresholds have them."""

from collections.abc import Mapping
from typing import Any

from planner.config.catalog import load_hypervisor_preset
from planner.config.hypervisor import HypervisorSpec
from planner.units import MIB
from planner.validation.base import Computed
from planner.workload.overhead import min_free_bytes


def check_min_free(config: Mapping[str, Any]) -> Computed:
    """Compute minFree and the soft, hard and low thresholds of hosts of `memory_gib` GiB, in MiB."""
    spec = HypervisorSpec.model_validate(load_hypervisor_preset("esxi-8"))
    values: dict[str, float] = {}
    for memory_gib in config["memory_gib"]:
        min_free_mib = min_free_bytes(int(memory_gib) * 1024 * MIB, spec) / MIB
        values[f"minfree_{memory_gib}"] = min_free_mib
        for name, threshold in zip(("clear", "soft", "hard", "low"), spec.state_thresholds, strict=True):
            values[f"{name}_{memory_gib}"] = min_free_mib * threshold
    sizes = tuple(float(size) for size in config["memory_gib"])
    curve = (sizes, tuple(values[f"minfree_{size}"] for size in config["memory_gib"]))
    return Computed(values, {"planner": curve}, ("host memory [GiB]", "minFree [MiB]"))


CHECKS = {"min-free": check_min_free}
