"""Draw the validation pictures of docs/model: plots of the page that `planner validate --out` writes, one file each.

python -m tools.validation_plots                # run what is drawn, then draw: a part of `make docs-measured`
python -m tools.validation_plots --page FILE    # draw from a page that `planner validate --out FILE` wrote

Which page shows which plot is said here and nowhere else. The bytes of a picture depend on the results, on Chromium
and on its fonts.
"""

import argparse
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from planner.cli.environment import prepare_environment

prepare_environment(will_join_cluster=False)

from planner.report.validation_page import render_validation  # noqa: E402 (the environment is read at import)
from planner.validation.checks import load_checks  # noqa: E402
from planner.validation.run import run_target  # noqa: E402
from tools.marked import DOCS  # noqa: E402
from tools.validation_tables import shipped_targets  # noqa: E402

PICTURES = DOCS / "images"
COURSE = "-course"
PLOTS: dict[str, tuple[str, ...]] = {
    "ballooning": ("balloon-squeeze", "balloon-configured", "boot-storm"),
    "entitlement": ("idle-tax-run", "idle-tax-run-course", "active-sampling"),
    "host-stack": ("aggregate-normal",),
    "page-sharing": ("ksm-clean-1", "ksm-two-advisor", "identical-vms"),
    "risk": ("binomial-bounds", "exceedance"),
    "sampling": ("sampled-esxi",),
    "slowdown": ("swap-queue",),
    "states": ("min-free",),
    "swap": ("swap-under-a-limit", "lru-and-random", "host-swap-squeeze"),
    "translation": ("walks-canneal", "walks-memcached", "walk-share-gups"),
}
"""Page of docs/model -> plots that it shows. A plot is named after its target; `-course` is the plot of a target's
curves for which nothing was measured."""
WITHOUT = ("ablation", "compression", "popularity", "workload")
"""Pages without a picture; each says why."""

WIDTH_PX = 720
SCALE = 1.25
_CHROMIUM_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
)
_STYLE = f"""
body {{ background: #ffffff; }}
#picture {{ box-sizing: border-box; width: {WIDTH_PX}px; padding: 10px 12px 4px; background: #ffffff; }}
#picture h3 {{ margin: 0 0 8px; font-size: 16px; }}
"""
_DRAW = """
(name) => {
  const source = document.getElementById("data-" + name);
  if (!source) return false;
  const title = document.querySelector("#fig-" + name + " .fig-title").textContent;
  const figure = JSON.parse(source.textContent);
  let picture = document.getElementById("picture");
  if (!picture) {
    picture = document.body.insertBefore(document.createElement("div"), document.body.firstChild);
    picture.id = "picture";
  }
  const heading = document.createElement("h3"), plot = document.createElement("div");
  heading.textContent = title;
  plot.className = "plot";
  plot.style.minHeight = "0";
  picture.replaceChildren(heading, plot);
  return Plotly.newPlot(plot, figure.data, figure.layout, { staticPlot: true }).then(() => true);
}
"""


def main(arguments: list[str]) -> None:
    """Draw all pictures, from a page or from targets that are run now."""
    parser = argparse.ArgumentParser(prog="python -m tools.validation_plots")
    parser.add_argument("--page", type=Path, help="page written by `planner validate --out`; left out: run the targets")
    page = parser.parse_args(arguments).page
    if page is not None and not page.is_file():
        parser.error(f"there is no page at {page}")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        parser.error("Chromium is not installed: on Debian, apt-get install chromium")
    with TemporaryDirectory(prefix="planner-plots-") as scratch:
        if page is None:
            page = Path(scratch) / "validation.html"
            _write_page(page)
        draw_pictures(page, chromium, plots())


def plots() -> list[str]:
    """List all plots, without repetition."""
    return sorted({plot for shown in PLOTS.values() for plot in shown})


def target_of(plot: str) -> str:
    """Return the target whose plot it is."""
    return plot.removesuffix(COURSE)


def picture_path(plot: str) -> Path:
    """Return where the picture of a plot lies."""
    return PICTURES / f"validation-{plot}.png"


def _write_page(out: Path) -> None:
    """Run the targets that are drawn, and write their page."""
    wanted = {target_of(plot) for plot in plots()}
    outcomes = []
    for target in shipped_targets():
        if target.name in wanted:
            _say(f"{target.name} ...")
            outcomes.append(run_target(target, load_checks()[target.check]))
    render_validation(outcomes, out)


def draw_pictures(page: Path, chromium: str, names: Iterable[str]) -> None:
    """Write a picture per plot that the page has; say which it has not."""
    with _opened(page, chromium) as browser_page:
        for name in names:
            if browser_page.evaluate(_DRAW, name):
                browser_page.locator("#picture").screenshot(path=picture_path(name), animations="disabled")
                _say(f"{picture_path(name).name}: {picture_path(name).stat().st_size / 1000:.0f} kB")
            else:
                _say(f"{name}: not drawn, the page does not have it; its picture stays as it is")


@contextmanager
def _opened(page: Path, chromium: str) -> Iterator[Any]:
    """Open a page in Chromium, in the light theme, with all its plots drawn."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_CHROMIUM_ARGUMENTS))
        context = browser.new_context(
            viewport={"width": WIDTH_PX, "height": 900}, device_scale_factor=SCALE, color_scheme="light"
        )
        opened = context.new_page()
        opened.goto(page.resolve().as_uri())
        opened.wait_for_function("document.documentElement.dataset.drawn === 'true'")
        opened.add_style_tag(content=_STYLE)
        yield opened
        browser.close()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
