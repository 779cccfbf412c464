"""The page in a browser: no error, no request, nothing wider than the screen, both themes, sortable by keyboard.

Set REPORT_SCREENSHOTS to a directory to keep what the browser showed.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.analysis.summarize import summarize_run
from planner.report.page import render_report
from tests.synthetic_run import make_run, write_run

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")
sync_api = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make_run()
    folder = tmp_path_factory.mktemp("report")
    write_run(run, summarize_run(run.hosts, run.vms, run.scenarios, run.config), folder / "run")
    render_report(folder / "run", folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield opened
        opened.close()


def open_page(
    browser: "sync_api.Browser", report: Path, width: int, scheme: str, problems: list[str]
) -> "sync_api.Page":
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(f"dialog {dialog.message}"))
    page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
    page.goto(report.as_uri())
    page.wait_for_function("document.documentElement.dataset.drawn === 'true'")
    return page


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_draws_without_a_complaint(browser: "sync_api.Browser", report: Path, width: int, scheme: str) -> None:
    problems: list[str] = []
    page = open_page(browser, report, width, scheme, problems)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".plot .main-svg").count() >= page.locator(".plot").count() > 0
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")
    if os.environ.get("REPORT_SCREENSHOTS"):
        folder = Path(os.environ["REPORT_SCREENSHOTS"])
        page.screenshot(path=str(folder / f"report-{width}-{scheme}.png"), full_page=True)
    page.context.close()
    assert problems == []


def test_theme_can_be_switched_and_figures_follow(browser: "sync_api.Browser", report: Path) -> None:
    problems: list[str] = []
    page = open_page(browser, report, 1440, "light", problems)
    ink = "getComputedStyle(document.querySelector('#plot-frontier .xtick text')).fill"
    before = page.evaluate(ink)
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 22, 29)"
    assert page.evaluate(ink) != before
    page.context.close()
    assert problems == []


def test_tables_sort_by_keyboard(browser: "sync_api.Browser", report: Path) -> None:
    problems: list[str] = []
    page = open_page(browser, report, 1440, "light", problems)
    table = page.locator("#hosts-1-8 table")
    header = table.locator("thead th").nth(3)
    for order in ("descending", "ascending"):
        header.locator("button").focus()
        page.keyboard.press("Enter")
        assert header.get_attribute("aria-sort") == order
        cells = table.locator("tbody tr td:nth-child(4)").evaluate_all("all => all.map(cell => +cell.dataset.sort)")
        assert cells == sorted(cells, reverse=order == "descending")
        assert len(set(cells)) > 1
    page.context.close()
    assert problems == []


def test_text_stands_out_in_both_themes(browser: "sync_api.Browser", report: Path) -> None:
    """Contrast of text against its page of at least 4.5 to 1 (WCAG 2.1, 1.4.3)."""
    script = """() => {
      const style = getComputedStyle(document.documentElement);
      const luminance = (hex) => {
        const part = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
          .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
      };
      const of = (name) => luminance(style.getPropertyValue(name).trim());
      const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const pairs = [["--ink", "--paper"], ["--soft", "--paper"], ["--accent", "--paper"], ["--warn", "--paper"],
        ["--ink", "--meets"], ["--ink", "--unsure"], ["--ink", "--fails"], ["--ink", "--infeasible"]];
      return pairs.map(([a, b]) => [a, b, contrast(of(a), of(b))]);
    }"""
    for scheme in ("light", "dark"):
        page = open_page(browser, report, 1440, scheme, [])
        assert [entry for entry in page.evaluate(script) if entry[2] < 4.5] == []
        page.context.close()
