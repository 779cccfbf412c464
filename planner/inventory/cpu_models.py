"""From what an inventory calls a CPU to the planner's CPU presets.

Generations by model number: Intel's naming of Xeon processors (ark.intel.com) and AMD's of EPYC (amd.com). Generations
without a preset of their own take their nearest kin: Ivy Bridge as Sandy Bridge, Broadwell as Haswell, Cascade Lake and
Cooper Lake as Skylake, Emerald Rapids and later as Sapphire Rapids.
"""

import re

DEFAULT_CPU = "sapphire-rapids"
"""The preset where a CPU is unknown: the default of a config."""

_MODELS = (
    (re.compile(r"E[57]-\d{4,5}L?\s*v[34]"), "haswell"),
    (re.compile(r"E[57]-\d{4,5}L?(\s*v2)?(?!\s*v)"), "sandy-bridge"),
    (re.compile(r"(Platinum|Gold|Silver|Bronze)\s+\d[12]\d\d"), "skylake-sp"),
    (re.compile(r"(Platinum|Gold)\s+\d3\d\dHL?\b"), "skylake-sp"),
    (re.compile(r"(Platinum|Gold|Silver)\s+\d3\d\d"), "ice-lake-sp"),
    (re.compile(r"(Platinum|Gold|Silver|Bronze)\s+\d[45]\d\d|Xeon\S*\s+6\d{3}|Xeon\S*\s+CPU\s+Max"), "sapphire-rapids"),
    (re.compile(r"EPYC\s+[37]\w?\d1"), "zen"),
    (re.compile(r"EPYC\s+7\w\w2"), "zen2"),
    (re.compile(r"EPYC\s+7\w\w3"), "zen3"),
    (re.compile(r"EPYC\s+[489]\w\w4"), "zen4"),
    (re.compile(r"EPYC\s+[489]\w\w5"), "zen5"),
    (re.compile(r"Neoverse.?N1|Ampere.?Altra|Graviton2", re.IGNORECASE), "neoverse-n1"),
)


def cpu_preset(model: str | None) -> str | None:
    """Find the preset of a CPU by its model's name; None where it is unknown."""
    if model is None:
        return None
    plain = model.replace("(R)", "").replace("(TM)", "").replace("(r)", "").replace("(tm)", "")
    return next((name for pattern, name in _MODELS if pattern.search(plain)), None)
