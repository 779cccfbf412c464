"""Figures show what is in their tables, with fixed names and colours."""

import pandas as pd
import pytest

from planner.analysis.summarize import summarize_run
from planner.analysis.tables import byte_classes, line_ids, scenario_frame, slowdown_by_ratio, translation_by_ratio
from planner.report.blocks import MOST_ROWS, Cell, cap_rows, figure_text, number_cell
from planner.report.figures import bytes_figure, frontier_figure, host_bytes_figure
from planner.report.figures_detail import slowdown_figure, timeline_figure, translation_figure
from planner.report.theme import ACCENT, BYTE_CLASSES, NEUTRAL, ratio_color
from tests.synthetic_run import TICK_S, SyntheticRun, make_run, make_timeline


@pytest.fixture(scope="module")
def run() -> SyntheticRun:
    return make_run()


@pytest.fixture(scope="module")
def frame(run: SyntheticRun) -> pd.DataFrame:
    return scenario_frame(summarize_run(run.hosts, run.vms, run.scenarios, run.config))


def points_of(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(line=frame["placement"] + ", " + frame["tail"])


def test_frontier_draws_a_bound_where_no_host_broke(frame: pd.DataFrame) -> None:
    points = points_of(frame)
    figure = frontier_figure(points, 0.05)
    line = points[points["is_line"]].sort_values("overcommit_ratio")
    markers = [trace for trace in figure.data if trace.mode == "markers" and trace.marker.color == ACCENT]
    assert len(markers) == 1
    symbols, drawn = list(markers[0].marker.symbol), list(markers[0].y)
    for symbol, y, (_, row) in zip(symbols, drawn, line.iterrows(), strict=True):
        assert (symbol == "triangle-down-open") == (row["swap_risk"] == 0)
        assert y == (row["swap_risk_high"] if row["swap_risk"] == 0 else row["swap_risk"])
    tops = [y + up for y, up in zip(drawn, markers[0].error_y.array, strict=True)]
    assert tops == pytest.approx(list(line["swap_risk_high"]))


def test_frontier_draws_the_objective_and_marks_one_point(frame: pd.DataFrame) -> None:
    figure = frontier_figure(points_of(frame), 0.05)
    assert [shape.y0 for shape in figure.layout.shapes] == [0.05]
    marked = [note.text for note in figure.layout.annotations if "recommended" in note.text]
    assert marked == ["<b>1.6</b> recommended"]


def test_names_in_figures_are_escaped(frame: pd.DataFrame) -> None:
    figure = frontier_figure(frame.assign(line="<a href='x'>"), 0.05)
    assert all("<a" not in str(trace.name) for trace in figure.data)
    assert "<" not in figure_text(figure)


def test_bytes_figures_stack_the_table_and_share_their_scale(run: SyntheticRun, frame: pd.DataFrame) -> None:
    table = byte_classes(run.hosts, frame, line_ids(frame))
    guest, host = bytes_figure(table), host_bytes_figure(table)
    bars = [trace for trace in guest.data if trace.type == "bar"]
    total = sum(pd.Series(trace.y) for trace in bars) * 1024**4
    assert total.to_numpy() == pytest.approx(table["configured"].to_numpy())
    assert {trace.name: trace.marker.color for trace in bars}["swapped"] == BYTE_CLASSES["swapped"].color
    assert "evicted by the guest" not in {trace.name for trace in bars}
    assert guest.layout.yaxis.range == host.layout.yaxis.range


def test_timeline_figure_stacks_to_granted() -> None:
    timeline = make_timeline(1)
    figure = timeline_figure(timeline, TICK_S)
    stacked = sum(pd.Series(trace.y, dtype=float) for trace in figure.data[:5])
    assert {trace.stackgroup for trace in figure.data[:5]} == {"guest"}
    assert stacked.to_numpy() == pytest.approx(timeline["granted_bytes"].to_numpy() / 1024**3, abs=0.01)
    assert figure.layout.xaxis3.title.text == "time (days)"


def test_slowdown_and_translation_figures_have_the_tables_ratios(run: SyntheticRun, frame: pd.DataFrame) -> None:
    ids = line_ids(frame)
    slowdown = slowdown_figure(slowdown_by_ratio(run.hosts, frame, ids), 1.6)
    assert [trace.name for trace in slowdown.data] == ["1.0", "1.2", "1.4", "1.6", "1.8", "2.0"]
    assert slowdown.data[3].line.color == ACCENT
    table = translation_by_ratio(run.hosts, frame, ids)
    figure = translation_figure(table)
    assert list(figure.data[0].y) == pytest.approx(list(100 * table["overhead"]))


def test_ratio_colours_tell_below_at_and_above() -> None:
    colors = [ratio_color(position, 2, 6) for position in range(6)]
    assert colors[:3] == [NEUTRAL, NEUTRAL, ACCENT]
    assert len(set(colors[3:])) == 3
    assert ratio_color(0, None, 3) not in (NEUTRAL, ACCENT)


def test_rows_are_capped_and_counted() -> None:
    rows, left_out = cap_rows(((Cell(str(idx)),) for idx in range(60)), 60)
    assert (len(rows), left_out) == (MOST_ROWS, 10)
    assert number_cell("not known", float("nan")).sort == "-1e308"
    assert number_cell("1", 1.0).sort == "1.0"
