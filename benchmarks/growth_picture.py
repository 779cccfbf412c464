"""Draw the figures of `benchmarks.growth` for docs/performance.md: time and memory against each size, both axes log.

python -m benchmarks.growth_picture reports/benchmarks.json
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import plotly.graph_objects as go
from playwright.sync_api import sync_playwright
from plotly.subplots import make_subplots

PICTURE = Path("docs/images/growth.png")
TITLES = {
    "hosts": "hosts",
    "vms_per_host": "VMs per host",
    "ticks": "ticks",
    "pages_per_vm": "sampled pages per VM",
    "ratios": "overcommit ratios",
}
TIME, MEMORY, LINEAR = "#2f6fb0", "#b0542f", "#9a9a9a"
WIDTH_PX, HEIGHT_PX = 900, 430


def build_figure(details):
    """Build the figure: a column per size; CPU time above the fixed cost on top, peak memory below."""
    names = list(TITLES)
    figure = make_subplots(rows=2, cols=len(names), vertical_spacing=0.16, horizontal_spacing=0.05)
    fixed_s = details["fixed"]["cpu_s"]
    for column, axis in enumerate(names, start=1):
        points = details["series"][axis]
        sizes = [point[axis] for point in points]
        seconds = [max(point["cpu_s"] - fixed_s, 1e-2) for point in points]
        straight = [seconds[-1] * size / sizes[-1] for size in sizes]
        figure.add_scatter(x=sizes, y=straight, row=1, col=column, mode="lines", line={"color": LINEAR, "dash": "dot"})
        figure.add_scatter(x=sizes, y=seconds, row=1, col=column, mode="lines+markers", line={"color": TIME})
        mib = [point["peak_mib"] for point in points]
        figure.add_scatter(x=sizes, y=mib, row=2, col=column, mode="lines+markers", line={"color": MEMORY})
        figure.update_xaxes(type="log", tickvals=sizes, row=1, col=column)
        figure.update_xaxes(type="log", tickvals=sizes, title=TITLES[axis], row=2, col=column)
        figure.update_yaxes(type="log", dtick=1, row=1, col=column)
        figure.update_yaxes(rangemode="tozero", row=2, col=column)
    figure.update_yaxes(title="CPU s above fixed", row=1, col=1)
    figure.update_yaxes(title="peak memory, MiB", row=2, col=1)
    font = {"family": "system-ui, sans-serif", "size": 11}
    figure.update_layout(
        go.Layout(template="plotly_white", width=WIDTH_PX, height=HEIGHT_PX, showlegend=False, font=font),
        margin={"l": 60, "r": 10, "t": 10, "b": 50},
    )
    return figure


def write_picture(figure, path):
    """Write a PNG through Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        page_path = Path(scratch) / "growth.html"
        figure.write_html(page_path, include_plotlyjs=True, config={"staticPlot": True})
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": WIDTH_PX, "height": HEIGHT_PX}, device_scale_factor=1.25)
        page.goto(page_path.as_uri())
        page.locator(".main-svg").first.wait_for()
        page.locator(".plot-container").screenshot(path=path, animations="disabled")
        browser.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="what `python -m benchmarks --out` wrote")
    given = parser.parse_args()
    details = json.loads(given.results.read_text(encoding="utf-8"))["benchmarks"]["growth"]["details"]
    write_picture(build_figure(details), PICTURE)
    sys.stdout.write(f"{PICTURE}\n")


if __name__ == "__main__":
    main()
