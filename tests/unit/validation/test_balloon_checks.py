"""Replays of balloon runs: guests of any size, held to what arithmetic says of uniform references."""

import pytest

from planner.validation.checks.balloon import check_balloon_run, page_scale


@pytest.mark.parametrize(("working_set_mib", "scale"), [(1, 1), (8, 1), (16, 2), (512, 64), (600, 64), (8192, 1024)])
def test_the_load_has_about_2048_pages_whatever_its_size(working_set_mib, scale):
    assert page_scale(working_set_mib) == scale


@pytest.mark.parametrize("size", [1, 64])
def test_a_guest_of_any_size_misses_what_does_not_fit(tmp_path, size):
    # Working set W = 64 of 256, kernel 60, reserve 20: fits down to 144; at 112 half of it does not.
    rows = [(256, 132, 112, 0), (150, 26, 6, 0), (128, 20, 0, 0.25), (112, 20, 0, 0.5)]
    text = "".join(f"g,{64 * size},{a * size},{b * size},{c * size},{d}\n" for a, b, c, d in rows)
    (tmp_path / "summary.csv").write_text("run,W,level,guest_free,guest_avail,guest_miss\n" + text, encoding="utf-8")
    values = check_balloon_run({"directory": str(tmp_path), "run": "g"}).values
    assert values[f"miss_{128 * size:g}"] == pytest.approx(0.25, abs=0.02)
    assert values[f"miss_{112 * size:g}"] == pytest.approx(0.5, abs=0.02)
    assert values["knee_mib"] == pytest.approx(144 * size, rel=0.02)
