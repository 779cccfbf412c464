"""Figures that were measured on the hardware itself, instead of those of a preset; files of `planner calibrate`.

Wherever a config has `measured: FILE`, of a host group or of the hypervisor, the file's part for it is taken in when
the config is read, so that a resolved config stands by itself.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from planner.config.catalog import SwapDeviceSpec, hypervisor_preset_names, load_hypervisor_preset
from planner.config.quantities import Seconds
from planner.config.yaml_source import parse_yaml, read_text
from planner.errors import ConfigError, InputError, Issue

MEASURED = "measured"
"""Name of the swap device that is described in `measured.swap`, and key under which files are named."""


class MeasuredSpec(BaseModel):
    """What was measured on hosts of this kind: the values themselves, or a file of `planner calibrate`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    swap: SwapDeviceSpec | None = Field(default=None, description="Swap device, for hosts with `swap: measured`")
    dram_latency: Seconds | None = Field(
        default=None, gt=0, le=1e-5, description="Time of a load from memory, instead of the CPU preset's"
    )


def allow_file(schema: dict[str, Any]) -> None:
    """Say in the JSON Schema of a section that it may be the name of a file. Changes it in place."""
    schema["anyOf"].insert(0, {"type": "string"})


def include_measured(values: Any, folder: Path) -> list[Issue]:
    """Take in the files that a config names as `measured`. Changes `values` in place; returns what is wrong with them.

    Parameters
    ----------
    values : object
        The config as written, of any shape.
    folder : Path
        Of the config: paths are relative to it.
    """
    issues: list[Issue] = []
    for path, holder in _holders(values):
        if not isinstance(holder.get(MEASURED), str):
            continue
        part = "hypervisor" if path == "hypervisor" else "host"
        found = _read_part(folder / holder[MEASURED], part, f"{path}.{MEASURED}", issues)
        if part == "host":
            holder[MEASURED] = found
        elif not _is_linux(holder.get("preset")):
            message = "was measured on Linux, and this hypervisor shares pages by other rules"
            issues.append(Issue(f"{path}.{MEASURED}", message, "leave it out, or use a preset of Linux, e.g. kvm"))
            del holder[MEASURED]
        else:
            del holder[MEASURED]
            _lay_under(holder, found)
    return issues


def _holders(values: Any) -> list[tuple[str, dict[str, Any]]]:
    """List the sections that may name a file."""
    if not isinstance(values, dict):
        return []
    fleet = values.get("fleet")
    hosts = fleet.get("hosts") if isinstance(fleet, dict) else None
    groups = enumerate(hosts) if isinstance(hosts, list) else ()
    named = [("hypervisor", values.get("hypervisor")), *((f"fleet.hosts[{number}]", group) for number, group in groups)]
    return [(path, holder) for path, holder in named if isinstance(holder, dict)]


def _read_part(file: Path, part: str, path: str, issues: list[Issue]) -> dict[str, Any]:
    """Read one part of a file; what is wrong with it is added to `issues`."""
    hint = "make it with: planner calibrate --out FILE.yaml"
    try:
        raw = parse_yaml(read_text(file, "file of measurements"), str(file))
    except (InputError, ConfigError) as error:
        issues.append(Issue(path, str(error).replace("\n", " "), hint))
        return {}
    found = raw.values.get(part) if isinstance(raw.values, dict) else None
    if not isinstance(found, dict) or raw.issues:
        what = "page sharing" if part == "hypervisor" else "the hardware"
        issues.append(Issue(path, f"{file} holds no measurement of {what} (no section {part})", hint))
        return {}
    return found


def _is_linux(preset: object) -> bool:
    """Whether a preset's page sharing is KSM; of one that there is none of, something else is said."""
    if preset not in hypervisor_preset_names():
        return True
    return bool(load_hypervisor_preset(str(preset)).get("page_sharing", {}).get("rules") == "ksm")


def _lay_under(over: dict[str, Any], base: dict[str, Any]) -> None:
    """Add what `base` has and `over` has not, section by section."""
    for key, value in base.items():
        if isinstance(over.get(key), dict) and isinstance(value, dict):
            _lay_under(over[key], value)
        else:
            over.setdefault(key, value)
