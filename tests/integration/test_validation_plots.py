"""Pictures are drawn from the page of a validation, the same bytes each time, and what a page lacks is said."""

from pathlib import Path

import pytest

from planner.report.validation_page import render_validation
from planner.validation.base import Computed, Expected, Target
from planner.validation.run import run_target
from tools import validation_plots

CHROMIUM = Path("/usr/bin/chromium")

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}: on Debian, apt-get install chromium"
)
pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make setup")


def test_pictures_of_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = Target("line", "A line", "closed form", "algebra", "none", {}, {"end": Expected(2.0)})
    computed = Computed({"end": 2.0}, {"planner": ((0.0, 1.0), (0.0, 2.0))}, ("x", "y"))
    render_validation([run_target(target, lambda config: computed)], tmp_path / "page.html")
    drawn = []
    for run in ("first", "second"):
        monkeypatch.setattr(validation_plots, "PICTURES", tmp_path / run)
        (tmp_path / run).mkdir()
        validation_plots.draw_pictures(tmp_path / "page.html", str(CHROMIUM), ["line", "line-course", "gone"])
        drawn.append({path.name: path.read_bytes() for path in (tmp_path / run).iterdir()})
    assert set(drawn[0]) == {"validation-line.png", "validation-line-course.png"}
    assert drawn[0] == drawn[1]
    assert drawn[0]["validation-line.png"] != drawn[0]["validation-line-course.png"]
    assert "gone: not drawn" in capsys.readouterr().err


def test_missing_page_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        validation_plots.main(["--page", str(tmp_path / "none.html")])
    assert "none.html" in capsys.readouterr().err
