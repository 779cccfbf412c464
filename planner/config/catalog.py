"""Named hardware: CPU and swap device presets, and the names of the hypervisor presets.

The numbers are in `cpus.yaml`, `swap_devices.yaml` and `presets/*.yaml` beside this module, each with its source or
marked as an assumption.
"""

from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from planner.config.cpu import CpuSpec
from planner.config.quantities import Seconds
from planner.config.shipped import load_shipped
from planner.config.suggest import name_problem
from planner.errors import ConfigError, Issue


class SwapDeviceSpec(BaseModel):
    """A swap device: how long one read takes, and how many it serves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Name of the preset")
    description: str = Field(description="Kind of device")
    latency: Seconds = Field(gt=0, description="Time to read 4 KiB at queue depth 1")
    reads_per_s: float = Field(gt=0, description="Sustained 4 KiB random reads [1/s]")
    writes_per_s: float | None = Field(default=None, gt=0, description="... writes; omitted: as many as reads [1/s]")
    is_ram: bool = Field(default=False, description="Compressed RAM of the host itself")


def load_cpu(name: str | CpuSpec) -> CpuSpec:
    """Load a CPU preset; one that is at hand already is returned as it is.

    Raises
    ------
    ConfigError
        No preset of that name.
    """
    return _load_cpu(name) if isinstance(name, str) else name


@cache
def _load_cpu(name: str) -> CpuSpec:
    return CpuSpec(name=name, **_entry("cpus.yaml", "CPU", name))


def load_swap_device(name: str) -> SwapDeviceSpec:
    """Load a swap device preset.

    Raises
    ------
    ConfigError
        No preset of that name.
    """
    return SwapDeviceSpec(name=name, **_entry("swap_devices.yaml", "swap device", name))


def cpu_names() -> tuple[str, ...]:
    """Name all CPU presets, sorted."""
    return tuple(sorted(_table("cpus.yaml")))


def swap_device_names() -> tuple[str, ...]:
    """Name all swap device presets, sorted."""
    return tuple(sorted(_table("swap_devices.yaml")))


def hypervisor_preset_names() -> tuple[str, ...]:
    """Name all hypervisor presets, sorted."""
    folder = files("planner.config").joinpath("presets")
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_hypervisor_preset(name: str) -> dict[str, Any]:
    """Load the raw values of a hypervisor preset: as written in its file, over the preset that it names as `base`.

    Raises
    ------
    ConfigError
        No preset of that name.
    """
    if name not in hypervisor_preset_names():
        raise ConfigError((_unknown("hypervisor preset", name, hypervisor_preset_names()),))
    values: dict[str, Any] = load_shipped("planner.config", f"presets/{name}.yaml")
    base = values.pop("base", None)
    inherited = load_hypervisor_preset(base) if base is not None else {}
    return _deep_merge(inherited, {**values, "preset": name})


def expand_hypervisor(value: object) -> object:
    """Lay the values of `hypervisor: NAME` or `{preset: NAME, ...}` over those of the preset.

    Raises
    ------
    ValueError
        No preset is named, or an unknown one.
    """
    written = {"preset": value} if isinstance(value, str) else value
    if not isinstance(written, dict):
        return value
    names = hypervisor_preset_names()
    preset = written.get("preset")
    if preset is None:
        raise ValueError(f"names no preset; add preset: {names[0]} (known: {', '.join(names)})")
    if preset not in names:
        raise ValueError("; ".join(name_problem("preset", str(preset), names)))
    return _deep_merge(load_hypervisor_preset(preset), written)


def _deep_merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _deep_merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


@cache
def _table(file_name: str) -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = load_shipped("planner.config", file_name)
    return table


def _entry(file_name: str, kind: str, name: str) -> dict[str, Any]:
    table = _table(file_name)
    if name not in table:
        raise ConfigError((_unknown(kind, name, tuple(sorted(table))),))
    return table[name]


def _unknown(kind: str, name: str, known: tuple[str, ...]) -> Issue:
    message, hint = name_problem(kind, name, known)
    return Issue(kind, message, hint)
