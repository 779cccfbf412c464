"""Values that are kept for the next time they are asked for, up to a budget in bytes.

What is kept never changes a result: every value can be made again. The one not asked for the longest goes first.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Values by key within a budget. Pickles empty: a copy in another process starts anew.

    Parameters
    ----------
    budget_bytes : int
        Most bytes that are kept. A value larger than that is not kept at all.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self.held_bytes = 0

    def __reduce__(self) -> tuple[type["Kept[Value]"], tuple[int]]:
        """Pickle the budget alone."""
        return type(self), (self._budget_bytes,)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> Value | None:
        """Return the value of a key, or None where it is not kept."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: Hashable, value: Value, n_bytes: int) -> None:
        """Keep a value of `n_bytes`, and drop as many old ones as it takes. The key must not be kept already."""
        if n_bytes > self._budget_bytes:
            return
        self._values[key] = (value, n_bytes)
        self.held_bytes += n_bytes
        while self.held_bytes > self._budget_bytes:
            _, (_, dropped_bytes) = self._values.popitem(last=False)
            self.held_bytes -= dropped_bytes
