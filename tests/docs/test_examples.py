"""Every example config is sound, and says what it is for in its first line."""

import textwrap
from pathlib import Path

import pytest
import yaml

from planner.cli.check import known_names
from planner.config.load import load_config
from planner.errors import ConfigError
from planner.sweep.expand import expand_scenarios

FOLDER = Path(__file__).parents[2] / "cluster_configs"
EXAMPLES = sorted(FOLDER.glob("*.yaml"))
IMPORTED_FLEET = FOLDER.parent / "data" / "bitbrains"


def test_there_are_examples() -> None:
    assert {path.stem for path in EXAMPLES} >= {"demo", "bitbrains", "kvm", "three-hosts", "ablation"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_sound(path: Path) -> None:
    known = known_names()
    if path.stem == "bitbrains" and not IMPORTED_FLEET.exists():
        with pytest.raises(ConfigError) as caught:
            load_config(path, (), known)
        assert [issue.path for issue in caught.value.issues] == ["fleet.vms.fleet"]
        return
    assert expand_scenarios(load_config(path, (), known))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_says_what_it_is_for(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_demo_is_what_the_readme_promises() -> None:
    config = load_config(FOLDER / "demo.yaml")
    assert config.fleet.vms.count == 450
    assert {group.memory for group in config.fleet.hosts} == {512 * 2**30}
    assert config.horizon / config.tick == 4032  # 14 days of 288 ticks


def test_ablation_switches_three_mechanisms() -> None:
    # 3 ratios x 1 placement x 2 x 2 x 2
    assert len(expand_scenarios(load_config(FOLDER / "ablation.yaml"))) == 24


def test_the_sweep_in_the_docs_has_as_many_scenarios_as_it_says() -> None:
    """docs/sweeps.md: for each of 2 x 2 values of axes and zip, one scenario and 3 x 2 more: 28."""
    text = (FOLDER.parent / "docs" / "sweeps.md").read_text(encoding="utf-8")
    block = text[text.index("    sweep:\n") :]
    block = textwrap.dedent(block[: block.index("\n\n")])
    config = load_config(FOLDER / "demo.yaml", [f"sweep={yaml.safe_dump(yaml.safe_load(block)['sweep'])}"])
    assert len(expand_scenarios(config)) == 28
    assert "28 in all" in text
