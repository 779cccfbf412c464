"""Lines of progress: what is left is judged by the pace since the first steps, not by the start."""

import pytest

from planner.cli import progress
from planner.cli.progress import show_progress


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_time_left_leaves_out_what_came_before_the_first_steps(clock, capsys):
    with show_progress("sweep", 100) as advance:
        clock[0] = 60.0
        advance(10)
        # 10 more in 20 s: 2 s each, 80 are left.
        clock[0] = 80.0
        advance(10)
        clock[0] = 81.0
        advance(30)
        clock[0] = 240.0
        advance(50)
    assert capsys.readouterr().err.splitlines() == [
        "sweep: 10 of 100 hosts",
        "sweep: 20 of 100 hosts, about 3 min left",
        "sweep: 100 of 100 hosts",
    ]
