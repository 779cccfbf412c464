"""Levels of the page tables of guests and hosts, and which of them a processor can walk."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

WALKABLE_LEVELS = (4, 5)
"""Levels of a page table that processors walk in 64-bit mode."""

_Levels = Annotated[int, WithJsonSchema({"type": "integer", "enum": list(WALKABLE_LEVELS)})]


class PageTableSpec(BaseModel):
    """Levels of the page tables on a host: 4, or 5 where the CPU walks so many."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    guest_levels: _Levels = Field(default=4, description="Levels of the guests' tables; 5 for guests with LA57")
    host_levels: _Levels = Field(default=4, description="Levels of the host's tables (EPT or NPT)")


FOUR_LEVELS = PageTableSpec()
"""Guests and hosts of less than 64 TiB."""


def find_level_problem(levels: int, cpu: str, most_levels: int) -> tuple[str, str] | None:
    """Say why a processor cannot walk tables of so many levels, and what would be right; None: it can.

    Parameters
    ----------
    levels : int
        As asked for.
    cpu : str
        Name of the CPU preset.
    most_levels : int
        Most levels that this CPU walks.
    """
    remedy = "write 4" if most_levels == WALKABLE_LEVELS[0] else "write 4 or 5"
    if levels < WALKABLE_LEVELS[0]:
        mapped_gib = 1 << (12 + 9 * levels - 30) if levels >= 2 else 0
        reach = f"maps {mapped_gib} GiB" if mapped_gib else "maps less than 1 GiB"
        return f"a {levels}-level walk {reach} and no processor has it in 64-bit mode", remedy
    if levels > WALKABLE_LEVELS[-1]:
        return f"{levels} levels are more than any processor walks", remedy
    if levels > most_levels:
        return f"{cpu} walks {most_levels} levels at most", f"{remedy}, or name a CPU with 5-level paging (zen4)"
    return None
