"""What the pages promise exists: links, make targets, configs, commands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = {"sweep", "host", "whatif", "report", "import", "export", "check", "schema", "validate", "calibrate"}


def page_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page_id(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    asked = re.findall(r"(?:`|^    )make ([a-z-]+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(asked) <= targets


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_and_configs_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"(?:`|^    )planner ([a-z]+)", text, flags=re.MULTILINE)) <= COMMANDS
    for name in re.findall(r"cluster_configs/([\w-]+\.yaml)", text):
        assert name == "mine.yaml" or (ROOT / "cluster_configs" / name).exists(), name


def test_readme_asks_its_question_and_gives_two_commands_on_the_first_screen() -> None:
    first_screen = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:15]
    assert "How far can this fleet overcommit" in " ".join(first_screen)
    assert [line.split("#")[0].strip() for line in first_screen if line.startswith("    make ")] == [
        "make demo",
        "make test",
    ]


@pytest.mark.parametrize(("name", "n_at_least"), [("runtime.lock", 30), ("dev.lock", 30), ("bench.lock", 0)])
def test_locks_are_hashed_and_name_no_index(name: str, n_at_least: int) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "index" not in text.replace("importlib", "")
    pinned = re.findall(r"^[a-z0-9.-]+==.*?(?=^[a-z0-9.-]+==|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert len(pinned) > n_at_least
    assert all("--hash=sha256:" in entry for entry in pinned)
