"""The swap device as a queue, and what compression saves: limits and closed forms, by the stack's own kernels."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from planner.config.catalog import load_swap_device
from planner.config.load import load_hypervisor
from planner.config.slo import SloSpec
from planner.config.spec import VmSpec, WorkloadSpec
from planner.host.problem import HostHardware, HostProblem, SwapDevice
from planner.host.simulator import HostSim
from planner.kernels.device import response_s
from planner.units import GIB
from planner.validation.base import Computed
from planner.workload.listed import ListedSource

_MICROSECOND = 1e-6


def check_swap_queue(config: Mapping[str, Any]) -> Computed:
    """Ask the queue of a `device` for the response time with `customers` vCPUs at `loads`, in microseconds.

    A load is the requests of a tick without any stall ÷ the most that the device serves. Also `idle_us` and
    `saturated_us`, with next to no and with endless demand.
    """
    device, customers = load_swap_device(str(config["device"])), int(config["customers"])
    latency, most = device.latency, device.reads_per_s
    loads = [float(load) for load in config["loads"]]
    times = [response_s(customers, customers / (load * most), latency, most) / _MICROSECOND for load in loads]
    values = {f"response_{load:g}_us": time for load, time in zip(loads, times, strict=True)}
    values["idle_us"] = response_s(customers, 1e6, latency, most) / _MICROSECOND
    values["saturated_us"] = response_s(customers, 1e-9, latency, most) / _MICROSECOND
    return Computed(values, {"planner": (tuple(loads), tuple(times))}, ("load without stalls", "response time [µs]"))


def check_swap_cliff(config: Mapping[str, Any]) -> Computed:
    """Squeeze one VM of `memory` on a rotating disk by `squeeze`, by host swap and by its balloon: slowdown of each."""
    values = {}
    for name, is_ballooning in (("host_swap", False), ("balloon", True)):
        result = HostSim(_one_vm(config)).run(_squeezed(config, is_ballooning))
        values[f"slowdown_{name}"] = float(np.nanmean(result.vm_rows["slowdown_mean"]))
    return Computed(values)


def _one_vm(config: Mapping[str, Any]) -> ListedSource:
    vm = VmSpec(name="vm", memory=str(config["memory"]), vcpus=4, granted=0.9, active=0.3)
    return ListedSource((vm,), 86_400.0, 300.0, 1)


def _squeezed(config: Mapping[str, Any], is_ballooning: bool) -> HostProblem:
    hypervisor = load_hypervisor("esxi-8")
    off = {"enabled": False}
    ballooning = hypervisor.ballooning.model_copy(update={"enabled": is_ballooning})
    changes = {
        "ballooning": ballooning,
        "page_sharing": hypervisor.page_sharing.model_copy(update=off),
        "compression": hypervisor.compression.model_copy(update=off),
    }
    disk = load_swap_device("hdd")
    return HostProblem(
        host=HostHardware(
            "host", int(float(config["host_gib"]) * GIB), 0, 8, "skylake-sp",
            SwapDevice(disk.name, disk.latency, disk.reads_per_s),
        ),
        hypervisor=hypervisor.model_copy(update=changes),
        workload=WorkloadSpec(),
        slo=SloSpec(),
        seed=1,
        replicate=0,
        vm_idx=(0,),
        page_scale=512,
    )  # fmt: skip


CHECKS = {"swap-queue": check_swap_queue, "swap-cliff": check_swap_cliff}
