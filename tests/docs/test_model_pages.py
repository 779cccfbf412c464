"""Pages of docs/model: each shows its validation pictures or says why it has none, and says what it must say."""

import re
import struct
from pathlib import Path

import pytest

from tools import validation_plots
from tools.validation_tables import shipped_targets

MODEL = validation_plots.DOCS / "model"
PAGES = sorted(MODEL.glob("*.md"))
NOT_A_MECHANISM = {"ablation"}
MOST_BYTES = 60_000


def page_id(path: Path) -> str:
    return path.stem


def pictures(page: Path) -> list[tuple[str, Path]]:
    """List alternative text and file of each picture of a page."""
    found = re.findall(r"!\[(.*?)\]\((.*?)\)", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [(text, (page.parent / target).resolve()) for text, target in found]


def test_every_page_is_listed_once() -> None:
    assert sorted([*validation_plots.PLOTS, *validation_plots.WITHOUT]) == [page.stem for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_page_shows_the_plots_listed_for_it(page: Path) -> None:
    listed = [validation_plots.picture_path(plot).resolve() for plot in validation_plots.PLOTS.get(page.stem, ())]
    assert [path for _, path in pictures(page)] == listed
    if not listed and page.stem not in NOT_A_MECHANISM:
        assert "\nNo picture: " in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_pictures_have_their_words(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for alternative, path in pictures(page):
        assert len(alternative) > 40, f"{path.name}: say what the picture shows to those who cannot see it"
        after = text.split(f"{path.name})\n\n")[1]
        assert after[0].isalpha(), f"{path.name}: a sentence says whose values these are"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_page_is_complete(page: Path) -> None:
    if page.stem in NOT_A_MECHANISM:
        return
    text = page.read_text(encoding="utf-8")
    heads = " / ".join(re.findall(r"^###? (.*)$", text, flags=re.MULTILINE)).lower()
    assert re.search("not modelled|cannot see", heads)
    assert re.search("validation|does it hold", heads) or pictures(page)
    assert "sources" in heads
    assert "assum" in text.lower()


def test_pictures_are_those_of_targets_and_no_others() -> None:
    plots = validation_plots.plots()
    assert {validation_plots.target_of(plot) for plot in plots} <= {target.name for target in shipped_targets()}
    drawn = {path.name for path in validation_plots.PICTURES.glob("validation-*")}
    assert drawn == {validation_plots.picture_path(plot).name for plot in plots}


@pytest.mark.parametrize("plot", validation_plots.plots())
def test_pictures_are_small_and_of_one_width(plot: str) -> None:
    data = validation_plots.picture_path(plot).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">I", data[16:20])[0] == validation_plots.WIDTH_PX * validation_plots.SCALE
    assert len(data) <= MOST_BYTES
