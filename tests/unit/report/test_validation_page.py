"""The page of a validation: misses on top, kinds told apart, a plot per target, nothing from outside."""

import json
import re

import pytest

from planner.errors import InputError
from planner.report.validation_figures import curves_figure, deviation_figure, is_reference
from planner.report.validation_page import render_validation, render_validation_page
from planner.validation.base import Computed, Expected, Target
from planner.validation.run import Outcome, Row, run_target

CURVES = {"measured": ((0.0, 1.0), (0.0, 5.0)), "planner": ((0.0, 1.0), (0.0, 4.0))}


def outcome(name, kind="published", curves=None, failing=False, **quantities):
    """Run a made-up target; a quantity is (expected, actual) or (expected, actual, is_calibrated)."""
    expected = {
        key: Expected(item[0], absolute=1.0, is_calibrated=len(item) > 2) for key, item in quantities.items()
    }  # fmt: skip

    def check(_config):
        if failing:
            raise ValueError("no <b>luck</b>")
        return Computed({key: item[1] for key, item in quantities.items()}, curves or {}, ("time [s]", "pages"))

    return run_target(Target(name, f"About {name}", kind, "somebody <i>else</i>", "check", {}, expected), check)


@pytest.fixture
def page():
    return render_validation_page(
        [
            outcome("good", kind="closed form", x=(4, 4)),
            outcome("bad", x=(4, 6), y=(4, 4.5, True)),
            outcome("drawn", kind="real kernel", curves=CURVES, x=(4, 4)),
            outcome("broken", kind="real kernel", failing=True, x=(4, 4)),
            outcome("hearsay", kind="memory only", x=(4, 9)),
        ]
    )


def text_of(part):
    return " ".join(re.sub(r"<[^>]*>", " ", part).replace("\N{NO-BREAK SPACE}", " ").split())


def section(page, name):
    return re.search(rf'<section id="{name}".*?</section>', page, flags=re.DOTALL).group()


def test_first_screen_counts_evidence_only(page):
    shown = text_of(section(page, "answer"))
    assert "Predicted values within their tolerance 2 of 4" in shown
    assert "Closed forms 1 of 1" in shown
    assert "A real kernel 1 of 2" in shown
    assert "Calibrated 1 of 1 constants were fitted to these: no evidence" in shown
    assert "Quoted from memory 0 of 1 shown, not counted" in shown


def test_misses_are_on_top_with_their_reason(page):
    missed = section(page, "missed")
    assert page.index('id="missed"') < page.index('<section id="closed-form"')
    assert "2 missed" in missed
    assert "the check failed: ValueError: no &lt;b&gt;luck&lt;/b&gt;" in missed
    assert "hearsay" not in missed


def test_each_target_has_a_plot_and_its_numbers(page):
    for name in ("good", "bad", "drawn", "broken", "hearsay"):
        data = re.search(rf'id="data-{name}">(.*?)</script>', page, flags=re.DOTALL).group(1)
        assert json.loads(data)["data"]
        assert f'id="table-{name}"' in page


def test_text_of_others_is_escaped_and_nothing_is_fetched(page):
    assert "<i>else</i>" not in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.split("</main>")[0])


def test_same_outcomes_same_bytes(page):
    assert page == render_validation_page(
        [
            outcome("good", kind="closed form", x=(4, 4)),
            outcome("bad", x=(4, 6), y=(4, 4.5, True)),
            outcome("drawn", kind="real kernel", curves=CURVES, x=(4, 4)),
            outcome("broken", kind="real kernel", failing=True, x=(4, 4)),
            outcome("hearsay", kind="memory only", x=(4, 9)),
        ]
    )


def test_nothing_missed_leaves_no_section_of_misses():
    page = render_validation_page([outcome("good", x=(4, 4))])
    assert 'id="missed"' not in page
    assert "1 of 1" in text_of(section(page, "answer"))


def test_curves_of_ours_alone_come_after_the_deviations():
    page = render_validation_page([outcome("alone", curves={"ours": ((0.0, 1.0), (5.0, 7.0))}, x=(4, 4))])
    assert page.index('id="data-alone"') < page.index('id="data-alone-course"')
    both = render_validation_page([outcome("both", curves=CURVES, x=(4, 4))])
    assert 'id="data-both-course"' not in both


def test_known_misses_and_unread_inputs_are_said():
    row = Expected(4.0, is_known_miss=True, note="as ever")
    target = Target("old", "title", "published", "source", "c", {}, {"x": row})
    missed = Outcome(target, (Row(target, "x", row, 9.0),))
    page = render_validation_page([missed], ["mine.csv: is empty"])
    assert "1 missed, of these all known misses" in page
    assert "misses known" in page
    assert "missed, known" in page
    assert "mine.csv: is empty" in text_of(section(page, "not-read"))


def test_measured_curves_take_the_colour_of_the_text():
    figure = curves_figure(Computed({}, CURVES, ("time [s]", "pages")))
    assert [trace.meta for trace in figure.data] == ["ink", None]
    assert is_reference("Measured sharing")
    assert not is_reference("planner")


def test_deviations_are_in_tolerances_and_end_at_the_scale():
    rows = outcome("t", a=(4, 4.5), b=(4, 40), c=(4, float("nan"))).rows
    figure = deviation_figure(rows)
    assert [trace.x[0] for trace in figure.data] == [0.5, 3.0, 3.0]
    assert [trace.marker.symbol for trace in figure.data] == ["circle", "circle", "x"]


def test_a_page_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot write the report"):
        render_validation([outcome("good", x=(4, 4))], tmp_path / "no" / "page.html")
