"""Tell by /proc/cpuinfo which CPU preset of the config a core is."""

from collections.abc import Mapping

_AMD_FAMILIES: dict[int, tuple[tuple[range, str], ...]] = {
    23: ((range(0x30), "zen"), (range(0x30, 0x100), "zen2")),
    25: (
        (range(0x10), "zen3"),
        (range(0x10, 0x20), "zen4"),
        (range(0x20, 0x60), "zen3"),
        (range(0x60, 0x80), "zen4"),
        (range(0xA0, 0xB0), "zen4"),
    ),
    26: ((range(0x100), "zen5"),),
}
_INTEL_MODELS = {
    0x2A: "sandy-bridge",
    0x2D: "sandy-bridge",
    0x3F: "haswell",
    0x55: "skylake-sp",
    0x6A: "ice-lake-sp",
    0x6C: "ice-lake-sp",
    0x8F: "sapphire-rapids",
}
_INTEL_FAMILY = 6


def read_cpuinfo(text: str) -> dict[str, str]:
    """Read the entry of the first core."""
    first = text.split("\n\n", maxsplit=1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def cpu_preset(info: Mapping[str, str]) -> str | None:
    """Name the preset of a core, None for one that has none. A VM may show another core than it runs on."""
    try:
        family, model = int(info["cpu family"]), int(info["model"])
    except (KeyError, ValueError):
        return None
    if info.get("vendor_id") == "AuthenticAMD":
        return next((name for models, name in _AMD_FAMILIES.get(family, ()) if model in models), None)
    is_intel = info.get("vendor_id") == "GenuineIntel" and family == _INTEL_FAMILY
    return _INTEL_MODELS.get(model) if is_intel else None
