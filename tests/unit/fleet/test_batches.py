"""The batch queue: which worker runs what next, by plain rules."""

from planner.fleet.batches import BATCH_S, MAX_ATTEMPTS, Batch, BatchQueue


def queue_of(groups, n_workers=2, cost=1.0):
    n_problems = 1 + max((position for positions in groups.values() for position in positions), default=-1)
    return BatchQueue(groups, [cost] * n_problems, n_workers)


def take_all(queue, replicate=None):
    taken = []
    while (batch := queue.take(replicate, is_alone=True)) is not None:
        taken.append(batch)
        replicate = batch.replicate
    return taken


def test_every_host_is_handed_out_once_and_a_batch_has_one_replicate():
    queue = queue_of({0: [0, 2, 4], 1: [1, 3, 5]})
    assert len(queue) == 6
    taken = take_all(queue)
    assert sorted(position for batch in taken for position in batch.positions) == [0, 1, 2, 3, 4, 5]
    assert all({position % 2 for position in batch.positions} == {batch.replicate} for batch in taken)
    assert len(queue) == 0


def test_workers_keep_to_their_replicate_and_then_help_with_the_fullest():
    queue = queue_of({r: list(range(r * 16, r * 16 + 16)) for r in range(3)})
    first, second = queue.take(None, False), queue.take(None, False)
    assert (first.replicate, second.replicate) == (0, 1)
    for _ in range(15):
        assert queue.take(0, False).replicate == 0
    assert queue.take(0, False).replicate == 2  # the one that nobody has begun
    assert queue.take(None, False).replicate in (1, 2)  # both have 15 left
    assert queue.take(1, False).replicate == 1


def test_hosts_go_out_one_by_one_until_it_is_known_how_long_they_take():
    queue = queue_of({0: list(range(1000))}, n_workers=2)
    first = queue.take(None, False)
    assert first.positions == (0,)
    assert queue.expected_s(first) is None
    queue.note_time(first, BATCH_S / 10)
    # 0.1 s a host: ten of them take a second, which is less than a quarter of a worker's share of the 999 left.
    assert queue.take(0, False).positions == tuple(range(1, 11))
    assert queue.expected_s(Batch(0, (11, 12))) == BATCH_S / 5


def test_batches_become_smaller_towards_the_end():
    queue = queue_of({0: list(range(100))}, n_workers=2)
    queue.note_time(Batch(0, (0,)), 1e-6)
    sizes = [len(batch.positions) for batch in take_all(queue)]
    # A quarter of a half of what is left: 100 -> 12, 88 -> 11, 77 -> 9, ...
    assert sizes[:3] == [12, 11, 9]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1


def test_large_hosts_make_small_batches():
    queue = BatchQueue({0: list(range(100))}, [10.0] * 50 + [1.0] * 50, n_workers=1)
    queue.note_time(Batch(0, (99,)), BATCH_S / 20)
    assert len(queue.take(None, False).positions) == 2
    while queue.take(0, False).positions[-1] < 49:
        pass
    assert len(queue.take(0, False).positions) > 2


def test_a_batch_that_killed_its_worker_is_split_and_given_up_in_the_end():
    queue = queue_of({0: [0, 1]}, n_workers=1)
    queue.take(None, False), queue.take(0, False)
    assert queue.give_back(Batch(0, (0, 1)), is_blamed=True) == ()
    assert len(queue) == 2
    assert take_all(queue) == [Batch(0, (0,), 2), Batch(0, (1,), 2)]
    assert queue.give_back(Batch(0, (0,), MAX_ATTEMPTS), is_blamed=True) == (0,)
    assert len(queue) == 0


def test_a_batch_whose_machine_was_lost_has_not_used_up_an_attempt():
    queue = queue_of({0: [0, 1]}, n_workers=1)
    queue.take(None, False), queue.take(0, False)
    for _ in range(10 * MAX_ATTEMPTS):
        assert queue.give_back(Batch(0, (0,)), is_blamed=False) == ()
        assert queue.take(0, True) == Batch(0, (0,))


def test_the_last_attempt_is_made_alone():
    queue = queue_of({0: [0, 1, 2]}, n_workers=2)
    queue.take(None, False)
    assert queue.give_back(Batch(0, (0,), MAX_ATTEMPTS - 1), is_blamed=True) == ()
    assert queue.n_startable(is_busy=True) == 2
    assert [queue.take(0, False).positions for _ in range(2)] == [(1,), (2,)]
    assert queue.n_startable(is_busy=True) == 0
    assert queue.take(0, False) is None
    assert queue.n_startable(is_busy=False) == 1
    assert queue.take(0, True) == Batch(0, (0,), MAX_ATTEMPTS)


def test_nothing_to_do():
    assert queue_of({}).take(None, True) is None
