"""Records of Nova and placement by kind, as files hold them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Record = tuple[str, Mapping[str, Any]]
Placed = tuple[str, str, Mapping[str, Any]]


@dataclass
class OpenstackDump:
    """Records by kind, each with its place; those of placement with the path of the file before it.

    Attributes
    ----------
    inventories, usages : list
        Values by resource class.
    allocations : list
        Resources by provider.
    providers : dict
        Names of resource providers by ID.
    """

    hypervisors: list[Record] = field(default_factory=list)
    servers: list[Record] = field(default_factory=list)
    flavors: list[Record] = field(default_factory=list)
    aggregates: list[Record] = field(default_factory=list)
    groups: list[Record] = field(default_factory=list)
    inventories: list[Placed] = field(default_factory=list)
    usages: list[Placed] = field(default_factory=list)
    allocations: list[Placed] = field(default_factory=list)
    providers: dict[str, str] = field(default_factory=dict)
