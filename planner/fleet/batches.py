"""Which worker runs what next: a plain state machine without Ray, so that its rules can be tested alone.

A worker keeps to one replicate as long as that has batches left, because it draws a replicate's demand once and then
reuses it. A worker that runs dry starts the next replicate, and helps with the fullest one when none is left to start.
A batch whose worker died is split into single hosts, so that a host that kills its worker is found out; a host that
did so `MAX_ATTEMPTS` times is given up.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

MAX_ATTEMPTS = 3
MAX_BATCH_HOSTS = 64
BATCHES_PER_WORKER = 6


@dataclass(frozen=True)
class Batch:
    """Hosts of one replicate, sent to a worker in one message; `attempt` counts from 1."""

    replicate: int
    positions: tuple[int, ...]
    attempt: int = 1


class BatchQueue:
    """The batches that are still to be handed out.

    Parameters
    ----------
    groups : mapping
        Replicate -> positions of its problems.
    n_workers : int
        Number of workers; batches are made small enough for all to finish at about the same time.
    """

    def __init__(self, groups: Mapping[int, list[int]], n_workers: int) -> None:
        n_problems = sum(len(positions) for positions in groups.values())
        fair_share = math.ceil(n_problems / (n_workers * BATCHES_PER_WORKER))
        n_hosts = max(1, min(MAX_BATCH_HOSTS, fair_share))
        self._waiting: dict[int, deque[Batch]] = {
            replicate: deque(
                Batch(replicate, tuple(positions[at : at + n_hosts])) for at in range(0, len(positions), n_hosts)
            )
            for replicate, positions in groups.items()
        }
        self._untouched = deque(self._waiting)

    def __len__(self) -> int:
        return sum(len(batches) for batches in self._waiting.values())

    def take(self, last_replicate: int | None) -> Batch | None:
        """Hand out the next batch for a worker that holds the demand of `last_replicate`; None when nothing waits."""
        if last_replicate is not None and self._waiting[last_replicate]:
            return self._waiting[last_replicate].popleft()
        while self._untouched:
            replicate = self._untouched.popleft()
            if self._waiting[replicate]:
                return self._waiting[replicate].popleft()
        fullest = max(self._waiting.values(), key=len, default=None)
        return fullest.popleft() if fullest else None

    def give_back(self, batch: Batch) -> tuple[int, ...]:
        """Take back a batch whose worker died; return the positions that are given up."""
        if batch.attempt >= MAX_ATTEMPTS:
            return batch.positions
        again = [Batch(batch.replicate, (position,), batch.attempt + 1) for position in batch.positions]
        self._waiting[batch.replicate].extend(again)
        return ()
