"""A dozen kills in each run of the tests; `make chaos` does two hundred."""

from tests.chaos.kills import Chaos


def test_a_dozen_kills_change_nothing(short_folder):
    lines = []
    chaos = Chaos(short_folder, seed=7, say=lines.append)
    chaos.round(12, {"worker": 9, "raylet": 1, "driver": 1, "planner": 1})
    assert len(chaos.kills) >= 8, lines
