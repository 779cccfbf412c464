"""The tables of docs/model/translation.md are what the validation targets come to."""

import pytest

from tools.translation_tables import PAGE, render_tables, replace_tables


@pytest.mark.slow
def test_committed_tables_are_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == replace_tables(page, render_tables()), "run `python -m tools.translation_tables` and commit the page"
