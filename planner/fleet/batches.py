"""Which worker runs what next: a plain state machine without Ray, so that its rules can be tested alone.

A worker keeps to one replicate as long as that has hosts left, because it keeps what it has drawn of the replicate's
VMs. A worker that runs dry starts the next replicate, and helps with the one that has most left when all are
started. Batches are runs of hosts in the order given, cut as they are handed out: as many as take about a second, and
fewer towards the end, so that all workers finish at about the same time.

A batch whose worker died is split into single hosts, so that a host that kills its worker is found out. Its last
attempt is made while nothing else runs: what kills workers is mostly a lack of memory.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_ATTEMPTS = 4
MAX_BATCH_HOSTS = 256
BATCH_S = 1.0
SHARE_OF_REST = 0.25
"""Largest part of a worker's fair share of what is left that goes into one batch."""


@dataclass(frozen=True)
class Batch:
    """Hosts of one replicate, sent to a worker in one message; `attempt` counts from 1."""

    replicate: int
    positions: tuple[int, ...]
    attempt: int = 1


class BatchQueue:
    """What is still to be handed out.

    Parameters
    ----------
    groups : mapping
        Replicate -> positions of its problems.
    costs : sequence of float
        How long each problem takes, in any unit, by position.
    n_workers : int
        Number of workers that share the work.
    """

    def __init__(self, groups: Mapping[int, Sequence[int]], costs: Sequence[float], n_workers: int) -> None:
        self._waiting = {replicate: deque(positions) for replicate, positions in groups.items()}
        self._untouched = deque(self._waiting)
        self._again: deque[Batch] = deque()
        self._last_chance: deque[Batch] = deque()
        self._costs = costs
        self._n_left = sum(len(positions) for positions in groups.values())
        self._cost_left = float(sum(costs[position] for positions in groups.values() for position in positions))
        self.n_workers = n_workers
        self._seconds_per_cost: float | None = None

    def __len__(self) -> int:
        return self._n_left

    def n_startable(self, is_busy: bool) -> int:
        """Return how many hosts wait that may be run now; last attempts are not, while the pool is busy."""
        n_last = len(self._last_chance)
        n_others = self._n_left - n_last
        return n_others if n_others or is_busy else min(1, n_last)

    def cost(self, batch: Batch) -> float:
        """Return what a batch costs, in the unit of `costs`."""
        return sum(self._costs[position] for position in batch.positions)

    def note_time(self, batch: Batch, took_s: float) -> None:
        """Learn how long a batch took."""
        measured = took_s / max(self.cost(batch), 1e-9)
        known = self._seconds_per_cost
        self._seconds_per_cost = measured if known is None else (known + measured) / 2

    def expected_s(self, batch: Batch) -> float | None:
        """Return about how long a batch will take; None before the first one is back. [s]."""
        return None if self._seconds_per_cost is None else self.cost(batch) * self._seconds_per_cost

    def take(self, last_replicate: int | None, is_alone: bool) -> Batch | None:
        """Hand out the next batch for a worker that holds the demand of `last_replicate`.

        Parameters
        ----------
        is_alone : bool
            No other batch is running, so a last attempt may be made.

        Returns
        -------
        Batch or None
            None when nothing waits that may be run now.
        """
        replicate = self._next_replicate(last_replicate)
        if replicate is not None:
            batch = self._cut(replicate)
        elif self._again:
            batch = self._again.popleft()
        elif self._last_chance and is_alone:
            batch = self._last_chance.popleft()
        else:
            return None
        self._count(batch, -1)
        return batch

    def give_back(self, batch: Batch, is_blamed: bool) -> tuple[int, ...]:
        """Take back a batch whose worker died; return the positions that are given up.

        Parameters
        ----------
        is_blamed : bool
            Whether one of the batch's hosts may have killed the worker; not so when its machine was lost.
        """
        attempt = batch.attempt + is_blamed
        if attempt > MAX_ATTEMPTS:
            return batch.positions
        kept = self._last_chance if attempt == MAX_ATTEMPTS else self._again
        kept.extend(Batch(batch.replicate, (position,), attempt) for position in batch.positions)
        self._count(batch, 1)
        return ()

    def _next_replicate(self, last_replicate: int | None) -> int | None:
        if last_replicate is not None and self._waiting.get(last_replicate):
            return last_replicate
        while self._untouched:
            replicate = self._untouched.popleft()
            if self._waiting[replicate]:
                return replicate
        fullest = max(self._waiting, key=lambda replicate: len(self._waiting[replicate]), default=None)
        return fullest if fullest is not None and self._waiting[fullest] else None

    def _cut(self, replicate: int) -> Batch:
        """Cut a batch off the front of a replicate: one host until it is known how long hosts take."""
        waiting = self._waiting[replicate]
        positions = [waiting.popleft()]
        if self._seconds_per_cost is not None:
            fair = self._cost_left * SHARE_OF_REST / max(1, self.n_workers)
            most = min(BATCH_S / max(self._seconds_per_cost, 1e-12), fair)
            cost = self._costs[positions[0]]
            while waiting and len(positions) < MAX_BATCH_HOSTS and cost + self._costs[waiting[0]] <= most:
                cost += self._costs[waiting[0]]
                positions.append(waiting.popleft())
        return Batch(replicate, tuple(positions))

    def _count(self, batch: Batch, sign: int) -> None:
        self._n_left += sign * len(batch.positions)
        self._cost_left += sign * self.cost(batch)
