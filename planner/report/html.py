"""From a template to one offline HTML file: style, script and plotly inside, nothing is fetched."""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from planner.errors import InputError
from planner.results.files import write_file

_UNIT_SPACE = re.compile(r"(?<=\d) (?=(?:%|[KMGTP]iB|B|VMs?|hosts?|replicates?|days|min|h)\b|%)")


def render_template(name: str, **values: object) -> str:
    """Render a template that extends `base.html`.

    Parameters
    ----------
    name : str
        File in `templates/`.
    **values
        What the template names; text is escaped.
    """
    assets = {"style": Markup(_asset("style.css")), "script": Markup(_asset("page.js")), "plotly": _plotly()}
    return _environment().get_template(name).render(**assets, **values)


def write_page(page: str, out: Path) -> None:
    """Write a page as a whole or not at all.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    try:
        write_file(out, page.encode())
    except OSError as error:
        raise InputError(str(out), f"cannot write the report: {error.strerror}", "name a writable file") from error


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("planner.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_keep_units,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _plotly() -> Markup:
    return Markup(get_plotlyjs())


def _keep_units(value: object) -> object:
    """Keep a number and its unit on one line."""
    return _UNIT_SPACE.sub("\N{NO-BREAK SPACE}", value) if type(value) is str else value


def _asset(name: str) -> str:
    return files("planner.report").joinpath("templates", name).read_text(encoding="utf-8")
