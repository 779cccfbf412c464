"""The generated pages are what the declarations say; nothing in them is empty."""

import pytest

from planner.schema import HOST_COLUMNS, TIMELINE_COLUMNS, VM_COLUMNS
from tools.reference_pages import FOLDER, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_committed_page_is_up_to_date(name: str) -> None:
    committed = (FOLDER / name).read_text(encoding="utf-8")
    assert committed == PAGES[name](), f"docs/{name} is out of date: run `make docs` and commit it"


def test_every_config_section_has_its_heading() -> None:
    headings = [line for line in PAGES["config.md"]().splitlines() if line.startswith("## ")]
    assert headings[:12] == [
        "## Top level",
        "## `fleet`",
        "## `fleet.hosts[]`",
        "## `fleet.hosts[].page_tables`",
        "## `fleet.hosts[].measured`",
        "## `fleet.hosts[].measured.swap`",
        "## `fleet.vms`: generate ...",
        "## `fleet.vms`: fleet ...",
        "## `fleet.vms[]`",
        "## `fleet.turnover`",
        "## `fleet.turnover.lifetime`",
        "## `hypervisor`",
    ]


@pytest.mark.parametrize("column", [*HOST_COLUMNS, *VM_COLUMNS, *TIMELINE_COLUMNS], ids=lambda column: column.name)
def test_every_column_has_a_meaning(column) -> None:
    assert column.meaning
    assert column.unit or not column.name.endswith(("_bytes", "_s", "_per_s"))
