"""Write the generated pages of docs/: config keys and presets from the models, result columns from `planner.schema`.

Run as `make docs`; a test fails when a committed page differs from what is generated.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from planner.config.catalog import (
    cpu_names,
    hypervisor_preset_names,
    load_cpu,
    load_hypervisor_preset,
    load_swap_device,
    swap_device_names,
)
from planner.config.change import ChangeSpec
from planner.config.cpu import TlbSpec
from planner.config.json_schema import config_json_schema
from planner.config.spec import PlannerConfig
from planner.schema import HOST_COLUMNS, TIMELINE_COLUMNS, VM_COLUMNS, Column
from planner.units import format_seconds

FOLDER = Path(__file__).parents[1] / "docs"
_NOTE = "<!-- Written by `make docs`. Change the declarations, not this page. -->\n"
_PLAIN_KINDS = {
    "array": "list", "boolean": "true or false", "integer": "whole number", "number": "number", "string": "text",
}  # fmt: skip


def config_page() -> str:
    """Write the reference of config keys and presets."""
    schema = config_json_schema()
    parts = [
        _NOTE,
        "# Config reference\n",
        "One YAML file describes one sweep. Unknown keys are errors. Quantities carry their unit (`512 GiB`, `5 min`, "
        "`1 MiB/s`); fractions are percentages (`5 %`) or plain numbers (0.05). Any value can be set on the command "
        "line: `--set slo.confidence='90 %'`, `--set fleet.hosts[0].memory='1 TiB'`. `planner check CONFIG` reports "
        "every problem at once; `planner schema` prints the JSON Schema for editors.\n",
    ]
    parts += _key_tables(PlannerConfig, schema)
    parts.append(_preset_part())
    return "\n".join(parts)


def changes_page() -> str:
    """Write the reference of change files."""
    parts = [
        _NOTE,
        "# Change files\n",
        "What `planner whatif CONFIG CHANGE.yaml ...` changes against the base; what it means is in "
        "[what-if](whatif.md). One file is one case: everything in it is changed together. "
        "`planner schema --changes` prints the JSON Schema for editors.\n",
        *_key_tables(ChangeSpec, config_json_schema(ChangeSpec)),
    ]
    return "\n".join(parts)


def _key_tables(root: type[BaseModel], schema: Mapping[str, Any]) -> Iterator[str]:
    for path, model in _sections(root, ""):
        definition = schema if model is root else schema["$defs"][model.__name__]
        first_key = next(iter(model.model_fields))
        title = f"`{path}`: {first_key} ..." if path == "fleet.vms" else f"`{path}`" if path else "Top level"
        yield f"## {title}\n\n{model.__doc__}\n"
        yield _table(("key", "value", "default", "meaning"), _key_rows(definition))


def columns_page() -> str:
    """Write the reference of result columns."""
    parts = [
        _NOTE,
        "# Result columns\n",
        "A run directory holds these tables as Parquet. Unit and meaning of a column are stored in its field metadata, "
        "too. A meaning that starts with ... goes on from the column above it.\n",
    ]
    tables = (
        ("hosts.parquet", "A row per scenario, replicate and host.", HOST_COLUMNS),
        ("vms.parquet", "A row per scenario, replicate and VM.", VM_COLUMNS),
        ("timeline/", "A row per tick, for hosts whose time line was kept.", TIMELINE_COLUMNS),
    )
    for name, meaning, columns in tables:
        parts.append(f"## `{name}`\n\n{meaning}\n")
        parts.append(_table(("column", "type", "unit", "meaning"), map(_column_row, columns)))
    return "\n".join(parts)


PAGES = {"config.md": config_page, "columns.md": columns_page, "changes.md": changes_page}


def main() -> None:
    """Write all generated pages."""
    for name, write in PAGES.items():
        (FOLDER / name).write_text(write(), encoding="utf-8")


def _sections(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, model
    for name, field in model.model_fields.items():
        here = f"{path}.{name}" if path else name
        for inner, is_list in _models_below(field.annotation, False):
            yield from _sections(inner, f"{here}[]" if is_list else here)


def _models_below(annotation: Any, in_list: bool) -> Iterator[tuple[type[BaseModel], bool]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, in_list
    for inner in get_args(annotation):
        yield from _models_below(inner, in_list or get_origin(annotation) is tuple)


def _key_rows(definition: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, field in definition["properties"].items():
        if name in definition.get("required", ()):
            default = "**required**"
        elif "$ref" in field or isinstance(field.get("default"), dict) or field.get("default") == []:
            default = ""
        else:
            default = _written(field.get("default"))
        yield f"`{name}`", _kind(field), default, field["description"]


def _kind(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return "one of " + ", ".join(f"`{choice}`" for choice in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "examples" in field:
        return f"e.g. `{field['examples'][0]}`"
    options = [option for option in field.get("anyOf", field.get("oneOf", ())) if option.get("type") != "null"]
    if options:
        return " or ".join(dict.fromkeys(_kind(option) for option in options))
    return _PLAIN_KINDS.get(field.get("type", ""), "section")


def _written(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _first_level(tlb: TlbSpec) -> str:
    if tlb.l1_is_unified:
        return f"{tlb.l1_4k[0]} of any size"
    return " / ".join(str(entries) for entries, _ in (tlb.l1_4k, tlb.l1_2m, tlb.l1_1g))


def _preset_part() -> str:
    cpus = [load_cpu(name) for name in cpu_names()]
    cpu_rows = (
        (f"`{cpu.name}`", cpu.description, _first_level(cpu.tlb),
         f"{cpu.tlb.l2[0]}{'' if cpu.tlb.l2_holds_2m else ' (4 KiB only)'}", f"{cpu.clock_hz / 1e9:g} GHz",
         str(cpu.page_table_levels))
        for cpu in cpus
    )  # fmt: skip
    devices = [load_swap_device(name) for name in swap_device_names()]
    device_rows = (
        (f"`{device.name}`", device.description, format_seconds(device.latency), f"{device.reads_per_s:,.0f}")
        for device in devices
    )
    names = hypervisor_preset_names()
    presets = [dict(_flat(load_hypervisor_preset(name))) for name in names]
    preset_rows = (
        (f"`{key}`", *(_written(preset[key]) for preset in presets)) for key in presets[0] if key != "preset"
    )
    return "\n".join(
        (
            "## Hypervisor presets\n\nSources and assumptions are in `planner/config/presets/`.\n",
            _table(("key", *(f"`{name}`" for name in names)), preset_rows),
            "## CPU presets\n\nSources and assumptions are in `planner/config/cpus.yaml`.\n",
            _table(
                (
                    "name",
                    "core",
                    "first-level entries 4 KiB / 2 MiB / 1 GiB",
                    "second-level entries",
                    "clock",
                    "most levels",
                ),
                cpu_rows,
            ),
            "## Swap device presets\n\nSources and assumptions are in `planner/config/swap_devices.yaml`.\n",
            _table(("name", "device", "latency", "4 KiB reads per second"), device_rows),
        )
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _column_row(column: Column) -> tuple[str, ...]:
    return f"`{column.name}`", column.dtype, column.unit, column.meaning


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    main()
