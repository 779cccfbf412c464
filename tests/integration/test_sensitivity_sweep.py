"""`planner sweep --sensitivity` with a stand-in for the host simulation, which only the tail moves."""

import pytest
from fake_sim import stand_in, written_config

from planner.cli import sweep as sweep_module
from planner.cli.main import main
from planner.report.sections_sensitivity import sensitivity_section
from planner.results import read_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run the sweep with and without a search; return both runs and the folder."""
    folder = tmp_path_factory.mktemp("sensitivity")
    slo = {"for_more_than": "5 min", "hosts_affected": "10 %"}
    ratios = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]
    sweep = {"overcommit_ratio": ratios, "placement": ["first-fit"], "replicates": 12}
    path = written_config(folder, sweep, slo=slo)
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch, sweep_module, folder)
        found = []
        for name, options in (("plain", []), ("search", ["--adaptive"])):
            words = ["sweep", str(path), "--executor", "local", "--sensitivity", "--out", str(folder / name)]
            assert main([*words, *options]) == 0
            found.append(read_run(folder / name))
    return folder, *found


def test_only_the_tail_matters_to_the_stand_in(runs):
    _, plain, search = runs
    for run in (plain, search):
        found = run.summary["sensitivity"]
        top, *others = found["ranking"]
        assert top["assumption"] == "tail of the popularity law"
        assert all(row["swing"] == 0 for row in others)
        assert "tail of the popularity law" in found["sentence"]
        # At 22 ends, both of each of the eleven assumptions; one that moves alone has no partner.
        assert len(found["ends"]) == 22
        assert found["pairs"] == []
        assert all(end["source"] for end in found["ends"])


def test_ends_are_in_the_tables_and_nowhere_else(runs):
    _, plain, search = runs
    for run in (plain, search):
        scenarios = run.manifest["scenarios"]
        assert [item["id"] for item in scenarios] == list(range(len(scenarios)))
        varied = {item["id"] for item in scenarios if item["role"] == "assumption"}
        assert varied
        assert varied <= set(run.hosts["scenario_id"])
        assert run.summary["recommendation"]["scenario_id"] not in varied
    without = {key: value for key, value in plain.summary.items() if key not in ("sensitivity", "scenarios")}
    assert "adaptive" not in without
    assert set(search.summary) - set(plain.summary) == {"adaptive"}


def test_the_risk_beside_the_answer_is_compared_on_the_same_replicates(runs):
    _, plain, _ = runs
    found = plain.summary["sensitivity"]
    by_side = {end["side"]: end for end in found["ends"] if end["assumption"] == "tail of the popularity law"}
    # The stand-in swaps half as much with the low tail, twice as much with the high one.
    assert by_side["low"]["swap_risk_at_next"] <= found["base"]["swap_risk_at_next"]
    assert by_side["high"]["swap_risk_at_next"] >= found["base"]["swap_risk_at_next"]
    same = [end for end in found["ends"] if end["assumption"] == "zero pages"]
    assert {end["swap_risk_at_next"] for end in same} == {found["base"]["swap_risk_at_next"]}


def test_the_report_has_the_chart_and_the_sentence(runs):
    folder, plain, _ = runs
    page = (folder / "plain" / "report.html").read_text(encoding="utf-8")
    assert "Which assumption matters" in page
    assert "tornado" in page
    assert plain.summary["sensitivity"]["sentence"] in page


def test_where_nothing_moves_there_is_no_empty_chart(runs):
    found = runs[1].summary["sensitivity"]
    assert sensitivity_section(found).figures
    still = {**found, "ranking": [{**row, "swing": 0.0} for row in found["ranking"]]}
    section = sensitivity_section(still)
    assert not section.figures
    assert len(section.tables[0].rows) == 1 + len(found["ends"])


def test_at_the_end_of_the_sweep_the_share_of_broken_hosts_is_one_column(runs):
    found = runs[1].summary["sensitivity"]
    apart = sensitivity_section(found | {"ratio": 1.4, "next_ratio": 1.5})
    same = sensitivity_section(found | {"ratio": 1.6, "next_ratio": 1.6})
    for shown, names in ((apart, ["broken at 1.4", "broken at 1.5"]), (same, ["broken at 1.6"])):
        for table in shown.tables:
            assert [name for name in table.columns if name.startswith("broken")] == names
            assert all(len(row) == len(table.columns) for row in table.rows)
