"""Memory that a run can take: what Linux says, what limits it, and what is there where nothing is said."""

import os

import pytest

from planner.cli.machine import available_memory_bytes


@pytest.mark.parametrize(
    ("limits", "expected"),
    [((), 2048 * 1024), (("max",), 2048 * 1024), (("1000",), 1000), (("max", "3000000", "500"), 500)],
)
def test_the_least_of_what_is_available_and_allowed_counts(tmp_path, limits, expected):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9999 kB\nMemFree: 10 kB\nMemAvailable:    2048 kB\n")
    paths = []
    for number, limit in enumerate(limits):
        paths.append(tmp_path / f"limit-{number}")
        paths[-1].write_text(f"{limit}\n")
    assert available_memory_bytes(meminfo, (*paths, tmp_path / "absent")) == expected


def test_without_an_account_it_is_what_is_installed(tmp_path):
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert available_memory_bytes(tmp_path / "absent", ()) == installed
