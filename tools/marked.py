"""Replace the generated part of a page that is otherwise written by hand."""

from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def marks(name: str) -> tuple[str, str]:
    """Return the lines that stand before and after the generated part `name`."""
    return f"<!-- {name}: written by `make docs-measured`, do not edit -->", f"<!-- end of {name} -->"


def read_marked(path: Path, name: str) -> str:
    """Return the generated part of a page.

    Raises
    ------
    ValueError
        The page has no such part.
    """
    begin, end = marks(name)
    text = path.read_text(encoding="utf-8")
    return text[text.index(begin) + len(begin) : text.index(end)].strip("\n")


def write_marked(path: Path, name: str, part: str) -> None:
    """Put a new generated part into a page.

    Raises
    ------
    ValueError
        The page has no such part.
    """
    begin, end = marks(name)
    text = path.read_text(encoding="utf-8")
    before, after = text[: text.index(begin) + len(begin)], text[text.index(end) :]
    path.write_text(f"{before}\n\n{part.strip()}\n\n{after}", encoding="utf-8")


def markdown_table(head: tuple[str, ...], rows: list[tuple[str, ...]], n_text: int = 1) -> str:
    """Write a table; the first `n_text` columns are text, the others numbers."""
    align = tuple("---" if column < n_text else "---:" for column in range(len(head)))
    lines = [head, align, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
