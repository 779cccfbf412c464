"""Which VMs of an inventory are likely to move together: those named alike, web-01 and web-02.

Inventories do not tell whose demand is correlated, and a third of the VMs of a real fleet sit in groups that peak
together. Names are what there is: VMs of a cluster whose names differ in their numbers alone are one group. More than
`MOST_ALIKE` of them are a scheme of naming (vm-0001 to vm-4000), not a group.
"""

import re
from collections import Counter
from collections.abc import Sequence

from planner.inventory.found import FoundVm

MOST_ALIKE = 64
"""An assumption: the largest group of the fleet that the generator is fitted to has 31 VMs."""
_NUMBER = re.compile(r"\d+")


def groups_by_name(vms: Sequence[FoundVm]) -> list[str | None]:
    """Return the group of each VM; None: it has none."""
    keys = [(vm.cluster, _NUMBER.sub("#", vm.name)) for vm in vms]
    counts = Counter(keys)
    return [
        (f"{cluster}/{stem}" if cluster else stem) if "#" in stem and 2 <= counts[cluster, stem] <= MOST_ALIKE else None
        for cluster, stem in keys
    ]
