"""The page as a document: structure, escaping, determinism, no network."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from planner.analysis.summarize import summarize_run
from planner.config.spec import WorkloadSpec
from planner.errors import InputError
from planner.report.page import render_page, render_report
from planner.report.sections_facts import assumptions_section
from planner.results.read import RunTables
from tests.synthetic_run import SCRIPT_NAME, SyntheticRun, make_config, make_manifest, make_run, write_run


class Document(HTMLParser):
    """Ids, headings, addresses and visible text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []
        self.scripts: list[dict[str, str | None]] = []
        self._hidden = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        self.addresses += [str(found[key]) for key in ("src", "href") if found.get(key)]
        if tag in ("script", "style"):
            self._hidden = tag
            self.scripts.append(found)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden:
            self._hidden = ""

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text.append(data)


def tables_of(run: SyntheticRun) -> RunTables:
    summary: dict[str, Any] = json.loads(json.dumps(summarize_run(run.hosts, run.vms, run.scenarios, run.config)))
    return RunTables(run.hosts, run.vms, make_manifest(run), run.config, summary, run.timelines)


def rendered(run: RunTables) -> str:
    return render_page(run, lambda scenario_id: run.vms[run.vms["scenario_id"] == scenario_id])


def parse(page: str) -> Document:
    document = Document()
    document.feed(page)
    return document


@pytest.fixture(scope="module")
def page() -> str:
    return rendered(tables_of(make_run()))


@pytest.fixture(scope="module")
def document(page: str) -> Document:
    return parse(page)


def text_of(document: Document) -> str:
    return re.sub(r"\s+", " ", " ".join(document.text)).replace("\N{NO-BREAK SPACE}", " ")


def test_every_section_is_there_once(document: Document) -> None:
    assert len(document.ids) == len(set(document.ids))
    wanted = {
        "answer", "frontier", "bytes", "placement", "time", "slowdown", "translation", "hosts-at-risk", "vms-at-risk",
        "compare", "assumptions", "provenance", "plot-frontier", "plot-bytes-guest", "plot-bytes-host", "plot-time-0",
        "plot-slowdown", "plot-translation", "theme",
    }  # fmt: skip
    assert wanted <= set(document.ids)
    assert {f"data-{name.removeprefix('plot-')}" for name in document.ids if name.startswith("plot-")} <= set(
        document.ids
    )


def test_nothing_is_fetched(document: Document) -> None:
    assert all(address.startswith(("#", "data:")) for address in document.addresses)
    assert not any("src" in script for script in document.scripts)


def test_first_screen_has_the_answer(document: Document) -> None:
    text = text_of(document)
    assert "3 hosts saved: 6 hosts instead of 9" in text
    assert "below 3.8 %" in text
    assert "At most 5 % of hosts may swap in more than 1 MiB/s for longer than 5 min" in text
    assert all(f"({tail})" in text for tail in ("low", "middle", "high"))
    assert "What binds next" in text


def test_unknown_values_never_show_as_code(document: Document) -> None:
    assert not re.search(r"\b(NaN|nan|None|inf|null|undefined|NaT)\b", text_of(document))


def test_names_are_text_not_markup(page: str, document: Document) -> None:
    assert SCRIPT_NAME not in page
    assert SCRIPT_NAME in "".join(document.text)


def test_plotly_is_embedded_once_and_figures_parse(page: str) -> None:
    assert page.count("plotly.js v") == 1
    figures = re.findall(r'<script type="application/json" id="data-[^"]+">(.*?)</script>', page, re.DOTALL)
    assert len(figures) == 7
    assert all(json.loads(figure)["data"] for figure in figures)


def test_page_is_the_same_every_time_and_knows_no_clock(page: str) -> None:
    run = make_run()
    assert rendered(tables_of(run)) == page
    assert "12.5" not in text_of(parse(page)).split("Fidelity and provenance")[-1]


def test_worst_fifty_vms_and_a_count_of_the_rest(document: Document) -> None:
    assert "400 more not shown" in text_of(document)


def test_no_ratio_that_meets_the_objective_is_said_first() -> None:
    config = make_config(sweep={"overcommit_ratio": [2.0], "placement": ["first-fit"], "replicates": 4})
    text = text_of(parse(rendered(tables_of(make_run(config, sensitivity=False)))))
    assert "No ratio swept meets the objective" in text
    assert "not run" in text
    assert "instead of" not in text.split("How dense")[0]


def test_a_run_in_which_every_host_failed_still_has_a_page() -> None:
    run = make_run(make_config(sweep={"overcommit_ratio": [1.2, 1.6], "replicates": 2}), sensitivity=False)
    hosts = run.hosts.assign(status="worker lost")
    hosts["slo_is_broken"] = None
    hosts["slowdown_histogram"] = None
    broken = SyntheticRun(hosts, run.vms.iloc[:0], run.scenarios, run.config, {})
    text = text_of(parse(rendered(tables_of(broken))))
    assert "not known" in text
    assert not re.search(r"\b(nan|None)\b", text)


def test_grow_tells_of_vms() -> None:
    run = make_run(make_config(question="grow"))
    assert "more VMs than at 1.0" in text_of(parse(rendered(tables_of(run))))


def test_a_summary_of_another_version_is_refused() -> None:
    tables = tables_of(make_run(make_config(sweep={"overcommit_ratio": [1.2], "replicates": 1}), sensitivity=False))
    tables.summary["summary_version"] = 1
    with pytest.raises(InputError, match="run the sweep again"):
        rendered(tables)


def test_every_assumption_has_a_name_and_a_basis() -> None:
    rows = assumptions_section(make_config(), {}).tables[0].rows
    assert len(rows) == len(WorkloadSpec.model_fields)
    assert all(cell.text for row in rows for cell in row)
    descriptions = {field.description for field in WorkloadSpec.model_fields.values()}
    assert not descriptions & {row[-1].text for row in rows}


def test_changed_assumptions_are_told_from_defaults() -> None:
    rows = assumptions_section(make_config(workload={"zero_fraction": "10 %"}), {}).tables[0].rows
    assert [row[2].text for row in rows if row[1].text == "10 %"] == ["config"]


def test_render_report_reads_a_directory_and_writes_the_same_page(tmp_path: Path) -> None:
    run = make_run(make_config(sweep={"overcommit_ratio": [1.2, 1.6], "replicates": 4}), sensitivity=False)
    write_run(run, summarize_run(run.hosts, run.vms, run.scenarios, run.config), tmp_path / "run")
    render_report(tmp_path / "run", tmp_path / "a.html")
    render_report(tmp_path / "run", tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    with pytest.raises(InputError, match="cannot write the report"):
        render_report(tmp_path / "run", tmp_path / "no" / "such" / "place.html")


def test_the_knobs_of_ksm_are_listed_one_by_one_where_ksm_scans():
    for preset, expected in (("kvm", "256"), ("esxi-8", None)):
        rows = {
            row[0].text: row[1].text for row in assumptions_section(make_config(hypervisor=preset), {}).tables[1].rows
        }
        assert rows.get("page_sharing.ksm.max_page_sharing") == expected
        assert not any(value.startswith("{") for value in rows.values())
