"""The scanner fed with the page contents of real guests, to see whether it finds what counting finds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from planner.host.pages import ZERO_KEY
from planner.kernels import timeline
from planner.validation.base import Computed
from planner.validation.contents import ScanHost, play, start_scan
from planner.validation.runs.page_ids import PAGES_PER_LARGE_PAGE, read_page_ids

_PASSES = 3
"""Full scans that KSM is given: everything static is merged by the end of the second."""

_MOST_TICKS = 64
_TICK_S = 60.0
_NO_LIMIT = 2**30


def check_page_ids(config: Mapping[str, Any]) -> Computed:
    """Let KSM scan the guests of `file`: what it saves inside each, in all, salted or not, in 2 MiB blocks."""
    guests = read_page_ids(Path(config["file"]))
    contents = _numbered({name: frames for name, frames in guests.items() if frames.size})
    inside = {name: _saved([content], salting=False) for name, content in contents.items()}
    blocks = _numbered_blocks(guests)
    values = {f"duplicates_{name}": float(inside.get(name, 0)) for name in guests}
    values["duplicates_salted"] = float(_saved(list(contents.values()), salting=True))
    values["duplicates_unsalted"] = float(_saved(list(contents.values()), salting=False))
    values["duplicates_2mib_salted"] = float(_saved(blocks, salting=True))
    values["duplicates_2mib_unsalted"] = float(_saved(blocks, salting=False))
    return Computed(values)


def _numbered(guests: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Make content keys of page ids: 0 stays the zero page, all others become positive numbers."""
    ids = np.concatenate(list(guests.values()))
    keys = np.where(ids == 0, ZERO_KEY, np.unique(ids, return_inverse=True)[1].reshape(-1) + 1)
    ends = np.cumsum([frames.size for frames in guests.values()])
    return dict(zip(guests, np.split(keys, ends[:-1]), strict=True))


def _numbered_blocks(guests: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Give the 2 MiB blocks of all guests numbers by content; a page of the scan is then a whole block."""
    whole = [frames[: frames.size // PAGES_PER_LARGE_PAGE * PAGES_PER_LARGE_PAGE] for frames in guests.values()]
    rows = np.concatenate(whole).reshape(-1, PAGES_PER_LARGE_PAGE)
    keys = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1) + 1
    ends = np.cumsum([frames.size // PAGES_PER_LARGE_PAGE for frames in whole])
    return [part for part in np.split(keys, ends[:-1]) if part.size]


def _saved(contents: list[np.ndarray], salting: bool) -> int:
    """Return the pages that sharing has saved when all is merged; frames are shared without limit."""
    if not contents:
        return 0
    n_pages = sum(content.size for content in contents)
    ksm = {"pages_to_scan": n_pages, "sleep_millisecs": 10, "max_page_sharing": _NO_LIMIT, "smart_scan": False}
    run = start_scan(ScanHost(contents, {"salting": salting, "ksm": ksm}, _TICK_S, _MOST_TICKS))
    last = 0
    for tick in play(run, stop_scans=_PASSES):
        last = tick
    return int(run.out.timeline[last, timeline.SHARED_SAVED])


CHECKS = {"page-ids": check_page_ids}
