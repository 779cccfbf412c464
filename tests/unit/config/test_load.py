"""Reading configs: YAML as people mean it, lines, presets, overrides."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.config.load import load_config, load_hypervisor, load_raw
from planner.config.override import override_config
from planner.config.paths import format_path, parse_path
from planner.config.quantities import Fraction, Seconds
from planner.config.spec import PlannerConfig
from planner.config.yaml_source import parse_yaml
from planner.errors import ConfigError, PlannerError

SMALL = """\
schema_version: 1
seed: 3
fleet:
  hosts: [{name: a, count: 2, memory: 32 GiB, cores: 8}]
  vms: {generate: managed-hosting, count: 5}
hypervisor: {preset: kvm, ballooning: {enabled: off}}
horizon: 1 day
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def test_load_small(small: Path) -> None:
    config = load_config(small)
    assert config.fleet.hosts[0].memory == 32 * 2**30
    assert config.horizon == 86_400.0
    assert not config.hypervisor.ballooning.enabled
    assert config.hypervisor.swap.victims == "lru"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x: off", "off"),
        ("x: 1e9", 1e9),
        ("x: 1:30", "1:30"),
        ("x: 1_000", 1000),
        ("x: .5", 0.5),
        ("x: 5.", 5.0),
        ("x: -3", -3),
        ("x: '010'", "010"),
        ("x: 2024-01-01", "2024-01-01"),
        ("x: True", True),
        ("x: ~", None),
        ("x:", None),
        ("x: 512 GiB", "512 GiB"),
        ("x: 0x10", "0x10"),
        ("x: &a [1, 2]", [1, 2]),
    ],
)
def test_scalars(text: str, expected: object) -> None:
    raw = parse_yaml(text, "test")
    assert raw.values == {"x": expected}
    assert type(raw.values["x"]) is type(expected)
    assert raw.issues == ()


def test_lines_are_kept() -> None:
    raw = parse_yaml("a: 1\nb:\n  - c: 2\n    d: 3\n", "test")
    assert {format_path(loc): line for loc, line in raw.lines.items() if loc} == {
        "a": 1, "b": 2, "b[0]": 3, "b[0].c": 3, "b[0].d": 4,
    }  # fmt: skip


def test_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    with pytest.raises(ConfigError, match=r"a\d.*write the values out without aliases"):
        parse_yaml("\n".join(lines), "test")


def test_self_reference_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"a.*refers to itself"):
        parse_yaml("a: &a [*a]", "test")


@given(st.text(max_size=60))
def test_any_text_gives_a_value_or_a_planner_error(text: str) -> None:
    with suppress(PlannerError):
        parse_yaml(text, "test")


@given(st.text(alphabet="abc.[]01\"'=: ", max_size=20))
def test_paths_survive_writing(text: str) -> None:
    try:
        loc = parse_path(text)
    except ValueError:
        return
    assert parse_path(format_path(loc)) == loc


def test_both_index_spellings() -> None:
    assert parse_path("fleet.hosts[0].memory") == parse_path("fleet.hosts.0.memory") == ("fleet", "hosts", 0, "memory")


def test_overrides_win_in_order(small: Path) -> None:
    overrides = [
        "seed=9",
        "seed=10",
        "fleet.hosts.0.memory=64 GiB",
        "slo.confidence=90 %",
        "hypervisor.page_sharing.salting=true",
        "sweep.overcommit_ratio=[1, 1.25]",
    ]
    config = load_config(small, overrides)
    assert config.seed == 10
    assert config.fleet.hosts[0].memory == 64 * 2**30
    assert config.slo.confidence == 0.9
    assert config.hypervisor.page_sharing.salting
    assert config.hypervisor.preset == "kvm"
    assert config.sweep.overcommit_ratio == (1.0, 1.25)


def test_override_into_a_preset_name(tmp_path: Path) -> None:
    path = tmp_path / "name.yaml"
    path.write_text(SMALL.replace("{preset: kvm, ballooning: {enabled: off}}", "kvm"))
    spec = load_config(path, ["hypervisor.swap.enabled=false"]).hypervisor
    assert (spec.preset, spec.swap.enabled, spec.swap.victims) == ("kvm", False, "lru")


def test_later_preset_keeps_what_the_file_overrides(small: Path) -> None:
    spec = load_config(small, ["hypervisor.preset=esxi-8"]).hypervisor
    assert (spec.preset, spec.ballooning.enabled, spec.swap.victims) == ("esxi-8", False, "random")


def test_load_raw_keeps_what_was_written(small: Path) -> None:
    raw = load_raw(small)
    assert raw.values["hypervisor"] == {"preset": "kvm", "ballooning": {"enabled": "off"}}
    assert raw.lines["horizon",] == 7


def test_override_config_changes_one_value(small: Path) -> None:
    base = load_config(small)
    changed = override_config(base, {"hypervisor.ballooning.enabled": True, "fleet.hosts[0].cores": 16.0})
    assert changed.hypervisor.ballooning.enabled
    assert changed.fleet.hosts[0].cores == 16
    assert override_config(changed, {"hypervisor.ballooning.enabled": False, "fleet.hosts[0].cores": 8}) == base


def test_override_config_takes_a_whole_policy(small: Path) -> None:
    changed = override_config(load_config(small), {"hypervisor": "esxi-8"})
    assert changed.hypervisor == load_hypervisor("esxi-8")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("hypervisor.preset", "esxi-8", 'use the path "hypervisor"'),
        ("hypervisor.ballooning.enable", True, 'did you mean "enabled"'),
        ("fleet.hosts[0].memory", 64, "has no unit"),
        ("fleet.hosts[2].memory", "1 GiB", "there is no fleet.hosts"),
        ("hypervisor..x", 1, "is not a path"),
    ],
)
def test_override_config_refuses(small: Path, path: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override_config(load_config(small), {path: value})


def test_resolved_config_reads_back_the_same(small: Path) -> None:
    config = load_config(
        small,
        [
            "workload.zero_fraction=0.1234567890123456",
            "tick=300.000001 s",
            "horizon=600.000002 s",
            "warm_up=0 s",
            "slo.for_more_than=0 s",
        ],
    )
    assert PlannerConfig.model_validate(config.model_dump(mode="json")) == config


class _Quantities(PlannerConfig.__base__):  # type: ignore[misc]
    share: Fraction
    time: Seconds


@given(st.floats(min_value=0, max_value=1), st.floats(min_value=0, max_value=1e15))
def test_quantities_survive_writing_to_the_last_bit(share: float, time: float) -> None:
    spec = _Quantities.model_construct(share=share, time=time)
    assert _Quantities.model_validate(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize("key", ["9" * 5000, "\N{SUPERSCRIPT TWO}"])
def test_keys_of_odd_digits_are_unknown_keys(tmp_path: Path, key: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"schema_version: 1\nfleet:\n  hosts:\n    '{key}': 1\n    x: 2\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        load_config(path)
