"""Rules of the batch queue, without Ray."""

from planner.fleet.batches import MAX_ATTEMPTS, Batch, BatchQueue


def drain(queue, replicate=None):
    taken = []
    while (batch := queue.take(replicate)) is not None:
        taken.append(batch)
        replicate = batch.replicate
    return taken


def test_every_position_is_handed_out_once():
    queue = BatchQueue({0: [0, 2, 4], 1: [1, 3, 5]}, n_workers=2)
    taken = drain(queue)
    assert sorted(position for batch in taken for position in batch.positions) == [0, 1, 2, 3, 4, 5]
    assert len(queue) == 0


def test_worker_keeps_its_replicate_and_starts_an_untouched_one_next():
    # 48 problems, 2 workers x 6 batches: 4 hosts a batch, so 4 batches for each of 3 replicates.
    queue = BatchQueue({r: list(range(r * 16, r * 16 + 16)) for r in range(3)}, n_workers=2)
    first, second = queue.take(None), queue.take(None)
    assert (first.replicate, second.replicate) == (0, 1)
    assert first.positions == (0, 1, 2, 3)
    assert [queue.take(0).replicate for _ in range(3)] == [0, 0, 0]
    assert queue.take(0).replicate == 2
    assert [queue.take(2).replicate for _ in range(3)] == [2, 2, 2]
    # Nothing is left to start: the worker helps with the fullest replicate.
    assert queue.take(2).replicate == 1


def test_batch_of_a_dead_worker_is_split_and_at_last_given_up():
    queue = BatchQueue({0: [7, 8]}, n_workers=1)
    drain(queue)
    assert queue.give_back(Batch(0, (7, 8))) == ()
    assert drain(queue, 0) == [Batch(0, (7,), 2), Batch(0, (8,), 2)]
    assert queue.give_back(Batch(0, (7,), MAX_ATTEMPTS)) == (7,)
    assert len(queue) == 0


def test_nothing_to_do():
    assert BatchQueue({}, n_workers=2).take(None) is None
