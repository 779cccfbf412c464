"""Wrong configs: each must be refused with its place and a remedy, before anything is simulated or written."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from planner.cli.check import check_command
from planner.errors import EXIT_USAGE, ConfigError, InputError

BASE = """\
schema_version: 1
seed: 1
fleet:
  hosts:
    - {name: esx, count: 2, memory: 64 GiB, cores: 16}
  vms:
    - {name: web, count: 3, memory: 8 GiB}
    - {name: db, memory: 16 GiB, granted: 80 %, active: 10 %}
hypervisor: esxi-8
horizon: 1 day
tick: 5 min
sweep: {overcommit_ratio: [1.0, 1.5], placement: [first-fit], replicates: 2}
"""


VMS = BASE[BASE.index("vms:") : BASE.index("\nhypervisor:")]


class Wrong(NamedTuple):
    """A change of BASE (old text -> new text) or overrides, and words that the message must hold."""

    name: str
    old: str
    new: str
    words: tuple[str, ...]
    overrides: tuple[str, ...] = ()


def wrong_override(name: str, override: str, *words: str) -> Wrong:
    return Wrong(name, "", "", words, (override,))


WRONG = (
    Wrong("axis that names no host", "", "", ("must_run_on[0].hosts[0]", 'there is no host "nix"'),
          ("placement_rules.must_run_on=[{vms: [db], hosts: [esx-01]}]",
           'sweep.axes={"placement_rules.must_run_on[0].hosts[0]": [esx-01, nix]}')),
    Wrong("typo in a key", "horizon:", "horizonn:", ("horizonn (line 10)", "unknown key", 'mean "horizon"')),
    Wrong("typo in a nested key", "cores: 16", "core: 16",
          ("fleet.hosts[0].core (line 5)", "unknown key", 'mean "cores"', "fleet.hosts[0].cores (line 5): is missing")),
    Wrong("bare memory", "memory: 64 GiB", "memory: 64", ("fleet.hosts[0].memory (line 5)", "no unit", '"64 GiB"')),
    Wrong("negative RAM", "memory: 64 GiB", "memory: -64 GiB",
          ('fleet.hosts[0].memory (line 5): "-64 GiB" must be more than 0', "installed RAM", "512 GiB")),
    Wrong("bad unit", "memory: 64 GiB", "memory: 64 Gigs", ("memory (line 5)", 'unit "Gigs"', "KiB, MiB, GiB")),
    Wrong("not whole bytes", "memory: 64 GiB", "memory: 0.3 B",
          ("memory (line 5)", "not a whole number", "smaller unit")),
    Wrong("bare duration", "tick: 5 min", "tick: 5", ("tick (line 11)", "no unit", '"5 min"')),
    Wrong("rate without /s", "tick: 5 min", "tick: 5 min\nslo: {swap_in: 1 MiB}",
          ("slo.swap_in (line 12)", "not a rate", '"1 MiB/s"')),
    Wrong("no hosts", "    - {name: esx, count: 2, memory: 64 GiB, cores: 16}", "    []",
          ("fleet.hosts (line 4): is empty", "at least 1")),
    Wrong("no VMs", VMS, "vms:\n    []", ("fleet.vms (line 6): is empty", "at least 1")),
    Wrong("vms of no kind", VMS,
          "vms: {number: 5}", ("fleet.vms (line 6)", "{number: 5} does not say where",
           "write one of {generate: managed-hosting, count: 450}")),
    Wrong("generator without count",
          VMS,
          "vms: {generate: managed-hosting}", ("fleet.vms.count (line 6): is missing", "how many VMs to draw")),
    Wrong("unknown generator", VMS, "vms: {generate: managed, count: 5}",
          ('fleet.vms.generate (line 6): unknown generator "managed"', "managed-hosting")),
    Wrong("ratio 0", "[1.0, 1.5]", "[0, 1.5]",
          ("sweep.overcommit_ratio[0] (line 12): 0 is not positive", "1.0 is no overcommit")),
    Wrong("ratio in percent", "[1.0, 1.5]", "[100, 150]", ("overcommit_ratio[1] (line 12)", "write 1.5?")),
    Wrong("ratio twice", "[1.0, 1.5]", "[1.5, 1.5]", ("sweep.overcommit_ratio (line 12)", "2 times", "list it once")),
    Wrong("one ratio, no list", "[1.0, 1.5]", "1.5", ("sweep.overcommit_ratio (line 12)", "not a list", "[1.5]")),
    Wrong("VM larger than any host", "memory: 16 GiB, gr", "memory: 65 GiB, gr",
          ("fleet.vms[1].memory (line 8): 65 GiB is more than any host can hold", "63.5 GiB usable", "larger host")),
    Wrong("VM names twice", "{name: db", "{name: web-2",
          ('fleet.vms[1].name (line 8): "web-2": another VM has this name', "rename one")),
    Wrong("host names twice", "    - {name: esx, count: 2",
          "    - {name: esx-01, memory: 64 GiB, cores: 4, count: 1}\n    - {name: esx, count: 2",
          ('fleet.hosts[1].name (line 6): "esx-01": another host has this name', "name of its own")),
    Wrong("reservation above memory", "granted: 80 %", "reservation: 17 GiB",
          ("fleet.vms[1].reservation (line 8): 17 GiB is more than the VM's memory (16 GiB)", "at most")),
    Wrong("limit below reservation", "granted: 80 %", "reservation: 8 GiB, limit: 4 GiB",
          ("fleet.vms[1].limit (line 8): 4 GiB is less than the reservation (8 GiB)", "raise the limit")),
    Wrong("reservations beyond RAM", "memory: 8 GiB", "memory: 60 GiB, reservation: 60 GiB",
          ("fleet.vms (line 6)", "reservations add up to 180 GiB", "127 GiB usable", "lower reservations")),
    Wrong("granted below active", "granted: 80 %, active: 10 %", "granted: 10 %, active: 20 %",
          ("fleet.vms[1].granted (line 8): 10 % is less than active (20 %)", "raise granted")),
    Wrong("hypervisor leaves no RAM", "cores: 16", "cores: 16, reserved: 64 GiB",
          ("fleet.hosts[0].reserved (line 5)", "leaves nothing of the 64 GiB", "reserve less")),
    Wrong("all shares zero", "{name: web,", "{name: web, shares: 0,",
          ("fleet.vms", "every VM has 0 shares", "at least one VM"),
          ("fleet.vms[1].shares=0",)),
    Wrong("unknown placement", "first-fit", "first-fitt",
          ('sweep.placement[0] (line 12): unknown placement "first-fitt"', 'mean "first-fit"', "worst-fit")),
    Wrong("as-is without hosts", "first-fit", "as-is",
          ("fleet.vms[0].host (line 7): is missing", "name the host web runs on")),
    Wrong("VM on a host that does not exist", "{name: db,", "{name: db, host: esx-1,",
          ('fleet.vms[1].host (line 8): there is no host "esx-1"', 'mean "esx-01"')),
    Wrong("unknown CPU", "cores: 16", "cores: 16, cpu: sapphire",
          ('fleet.hosts[0].cpu (line 5): unknown CPU "sapphire"', "sapphire-rapids")),
    Wrong("3-level walk", "cores: 16", "cores: 16, page_tables: {guest_levels: 3}",
          ("fleet.hosts[0].page_tables.guest_levels (line 5)", "a 3-level walk maps 512 GiB",
           "no processor has it in 64-bit mode", "write 4 or 5")),
    Wrong("6-level walk", "cores: 16", "cores: 16, page_tables: {host_levels: 6}",
          ("fleet.hosts[0].page_tables.host_levels (line 5): 6 levels are more than any processor walks",
           "write 4 or 5")),
    Wrong("5-level walk of an older CPU", "cores: 16", "cores: 16, cpu: zen3, page_tables: {host_levels: 5}",
          ("fleet.hosts[0].page_tables.host_levels (line 5): zen3 walks 4 levels at most", "write 4, or name a CPU")),
    Wrong("levels as a number", "cores: 16", "cores: 16, page_tables: 3",
          ("fleet.hosts[0].page_tables (line 5): 3 is not a section", "guest_levels")),
    Wrong("axis of a 3-level walk", "replicates: 2}",
          "replicates: 2, axes: {'fleet.hosts[0].page_tables.host_levels': [4, 3]}}",
          ('sweep.axes["fleet.hosts[0].page_tables.host_levels"][1] (line 12): a 3-level walk', "write 4 or 5")),
    Wrong("unknown swap device", "cores: 16", "cores: 16, swap: nvmee",
          ('fleet.hosts[0].swap (line 5): unknown swap device "nvmee"', 'mean "nvme"')),
    Wrong("unknown hypervisor preset", "esxi-8", "esx-8",
          ('hypervisor (line 9): unknown preset "esx-8"', 'mean "esxi-8"', "esxi-8, hyper-v, kvm")),
    Wrong("hypervisor without preset", "hypervisor: esxi-8", "hypervisor: {large_pages: false}",
          ("hypervisor (line 9): names no preset", "preset: esxi-8")),
    Wrong("mechanism as a switch", "hypervisor: esxi-8", "hypervisor: {preset: esxi-8, ballooning: off}",
          ('hypervisor.ballooning (line 9): "off" is not a section', "ballooning: {enabled: false}")),
    Wrong("thresholds ascend", "hypervisor: esxi-8", "hypervisor: {preset: kvm, state_thresholds: [0.1, 0.2, 0.3, 1]}",
          ("hypervisor.state_thresholds (line 9)", "does not descend", "clear, soft, hard, low")),
    Wrong("fractions above 1", "tick: 5 min", "tick: 5 min\nworkload: {guest_free_fraction: 80 %}",
          ("workload.guest_free_fraction (line 12)", "116 % of the granted pages", "100 % or less")),
    Wrong("fraction above 100 %", "granted: 80 %", "granted: 180 %",
          ('fleet.vms[1].granted (line 8): "180 %" must be at most 100 %', "share of the configured memory")),
    Wrong("horizon not in ticks", "horizon: 1 day", "horizon: 7 min",
          ("horizon (line 10): 7 min is not a whole number of ticks of 5 min", "e.g. 5 min")),
    Wrong("horizon under a tick", "horizon: 1 day", "horizon: 1 min", ("horizon (line 10)", "shorter than one tick")),
    Wrong("too many ticks", "tick: 5 min", "tick: 1 ms", ("tick (line 11)", "86,400,000 ticks", "longer tick")),
    Wrong("objective beyond the horizon", "tick: 5 min", "tick: 5 min\nslo: {for_more_than: 2 days}",
          ("slo.for_more_than (line 12)", "no host can ever break it", "less than 1 day")),
    Wrong("bad choice", "tick: 5 min", "tick: 5 min\nquestion: shrink",
          ('question (line 12): "shrink" is not known', "consolidate or grow")),
    Wrong("wrong version", "schema_version: 1", "schema_version: 2",
          ("schema_version (line 1): 2 is not known", "use 1")),
    Wrong("no seed", "seed: 1\n", "", ("seed", "is missing", "root of all random draws")),
    Wrong("empty value", "seed: 1", "seed:", ("seed (line 2): has no value", "root of all random draws")),
    Wrong("fraction of a replicate", "replicates: 2", "replicates: 2.5",
          ("sweep.replicates (line 12): 2.5 is not a whole number", "e.g. 8")),
    Wrong("axis that does not exist", "replicates: 2}", "replicates: 2, axes: {hypervisor.balooning.enabled: [true]}}",
          ('sweep.axes["hypervisor.balooning.enabled"] (line 12)', 'no "balooning"', 'mean "ballooning"')),
    Wrong("axis value that is not valid", "replicates: 2}",
          "replicates: 2, axes: {hypervisor.swap.victims: [lru, oldest]}}",
          ('sweep.axes["hypervisor.swap.victims"][1] (line 12)', '"oldest" is not known', "random or lru")),
    Wrong("axis value that is a section", "replicates: 2}", "replicates: 2, axes: {hypervisor: [{preset: kvm}]}}",
          ("sweep.axes.hypervisor[0] (line 12): {preset: kvm} is not a plain value", "axes take true, false")),
    Wrong("axis with its own key", "replicates: 2}", "replicates: 2, axes: {sweep.placement: [best-fit]}}",
          ('sweep.axes["sweep.placement"] (line 12)', "cannot be swept", "of the sweep itself")),
    Wrong("axis value that is no preset", "replicates: 2}",
          "replicates: 2, axes: {'fleet.hosts[0].swap': [nvme, floppy]}}",
          ('sweep.axes["fleet.hosts[0].swap"][1] (line 12): unknown swap device "floppy"', "use one of: cxl")),
    Wrong("axis value against another field", "replicates: 2}",
          "replicates: 2, axes: {'fleet.hosts[0].reserved': [64 GiB]}}",
          ('sweep.axes["fleet.hosts[0].reserved"][0] (line 12): 64 GiB leaves nothing of the 64 GiB', "reserve less")),
    Wrong("axis of the objective's judgement", "replicates: 2}", "replicates: 2, axes: {slo.confidence: [90 %]}}",
          ('sweep.axes["slo.confidence"] (line 12): cannot be swept', "second sweep: it judges finished runs")),
    Wrong("axis inside an axis", "replicates: 2}",
          "replicates: 2, axes: {hypervisor: [kvm], hypervisor.large_pages: [true, false]}}",
          ('sweep.axes["hypervisor.large_pages"] (line 12)', 'a part of the axis "hypervisor"', "keep one")),
    Wrong("axes of a block of different length", "replicates: 2}",
          "replicates: 2, zip: [{'fleet.hosts[0].memory': [1 TiB, 2 TiB], 'fleet.hosts[0].swap': [nvme]}]}",
          ("sweep.zip[0] (line 12): the axes have different numbers of values", "memory has 2", "as many values as")),
    Wrong("value of a block that is a section", "replicates: 2}",
          "replicates: 2, zip: [{hypervisor: [{preset: kvm}]}]}",
          ("sweep.zip[0].hypervisor[0] (line 12): {preset: kvm} is not a plain value", "axes take true, false")),
    Wrong("listed scenario with an unknown path", "replicates: 2}",
          "replicates: 2, scenarios: [{overcommit_ratio: 1.2, fleet.host: 1}]}",
          ('sweep.scenarios[0]["fleet.host"] (line 12): there is no "host" in fleet', 'mean "hosts"')),
    Wrong("scenario listed twice", "replicates: 2}",
          "replicates: 2, scenarios: [{overcommit_ratio: 1.2}, {'fleet.hosts[0].swap': nvme, overcommit_ratio: 1.2}]}",
          ("sweep.scenarios[1] (line 12): is the same as sweep.scenarios[0]", "leave one out")),
    Wrong("listed scenario that is no section", "replicates: 2}", "replicates: 2, scenarios: [{hypervisor: [kvm]}]}",
          ("sweep.scenarios[0].hypervisor (line 12): [kvm] is not a plain value", "axes take true, false")),
    Wrong("missing fleet directory",
          VMS,
          "vms: {fleet: nowhere}", ("fleet.vms.fleet (line 6): there is no directory", "nowhere",
          "planner import gwa")),
    Wrong("duplicate key", "seed: 1", "seed: 1\nseed: 2",
          ("seed (line 3): is written twice (first on line 2)", "keep one")),
    Wrong("syntax error", "esxi-8", "[esxi-8", ("YAML (line", "syntax error", "brackets")),
    Wrong("tab", "  hosts:", "\thosts:", ("YAML (line 4)", "a tab is used", "indent with spaces")),
    Wrong("two documents", "seed: 1", "---\nseed: 1", ("YAML (line 2)", "more than one document", 'without "---"')),
    Wrong("leading zero", "count: 2", "count: 010",
          ("fleet.hosts[0].count (line 5)", "starts with a zero", "write 10")),
    Wrong("tag", "seed: 1", "seed: !!python/name:os.system 1", ("seed (line 2): has the tag", "leave tags out")),
    Wrong("merge key", "seed: 1", "seed: 1\n<<: {tick: 5 min}",
          ("(line 3): merge keys are not supported", "write the values")),
    Wrong("not a mapping", BASE, "- a\n- b\n", ("config (line 1): is a list, not a mapping", "schema_version: 1")),
    Wrong("empty file", BASE, "# nothing\n", ("config: the file is empty", "cluster_configs/demo.yaml")),
    wrong_override("--set unknown path", "slo.confidense=90 %", "slo.confidense (from --set): unknown key",
                   'mean "confidence"'),
    wrong_override("--set index out of range", "fleet.hosts[3].cores=8", "there is no fleet.hosts[3]",
                   "fleet.hosts[0] only"),
    wrong_override("--set into a value", "horizon.days=3", "horizon is a single value", "set horizon itself"),
    wrong_override("--set key of a list", "fleet.hosts.cores=3", "there is no fleet.hosts.cores",
                   "fleet.hosts is a list"),
    wrong_override("--set without =", "slo.confidence", "--set slo.confidence: has no =", "--set path=value"),
    wrong_override("--set without value", "slo.confidence=", "has no value after =", "--set path=value"),
    wrong_override("--set no path", "slo..confidence=1", '"slo..confidence" is not a path', "fleet.hosts[0].memory"),
    wrong_override("--set bad value", "fleet.hosts.0.memory=64", "fleet.hosts[0].memory (from --set)", "no unit"),
    wrong_override("--set bad value in a list", "sweep.overcommit_ratio=[-1]",
                   "sweep.overcommit_ratio[0] (from --set)", "is not positive"),
    wrong_override("--set not YAML", "slo.confidence=[90", "is not YAML", "--set path=value"),
)  # fmt: skip


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_config(wrong: Wrong, folder: Path) -> Path:
    assert wrong.old in BASE, "the change would change nothing"
    path = folder / "wrong.yaml"
    path.write_text(BASE.replace(wrong.old, wrong.new, 1) if wrong.old else BASE)
    return path


def test_the_base_is_right(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = workplace / "right.yaml"
    path.write_text(BASE)
    check_command(path, [])
    # 2 ratios x 1 placement; 3 web + 1 db; 86,400 s / 300 s = 288
    expected = "2 scenarios × 2 replicates for 4 VMs on up to 2 hosts, 288 ticks of 5 min, hypervisor esxi-8."
    assert capsys.readouterr().out == f"{path}: no problems. {expected}\n"


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_message_has_place_and_remedy(wrong: Wrong, workplace: Path) -> None:
    path = write_config(wrong, workplace)
    with pytest.raises(ConfigError) as caught:
        check_command(path, list(wrong.overrides))
    text = str(caught.value)
    for words in wrong.words:
        assert words in text
    assert text.startswith(f"{path}: ")
    assert caught.value.exit_code == EXIT_USAGE
    assert sorted(entry.name for entry in workplace.iterdir()) == ["wrong.yaml"]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_every_problem_names_what_would_be_right(wrong: Wrong, workplace: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_command(write_config(wrong, workplace), list(wrong.overrides))
    for issue in caught.value.issues:
        assert issue.hint, issue


def test_all_problems_come_at_once_sorted_by_path(workplace: Path) -> None:
    path = workplace / "wrong.yaml"
    text = (
        BASE.replace("tick: 5 min", "tik: 5 min")
        .replace("[1.0, 1.5]", "[0]")
        .replace("memory: 8 GiB", "memory: 80 GiB")
    )
    path.write_text(text.replace("seed: 1", "seed: 1\nseed: 2"))
    with pytest.raises(ConfigError) as caught:
        check_command(path, ["nonsense"])
    places = [issue.path for issue in caught.value.issues]
    assert places == ["--set nonsense", "fleet.vms[0].memory", "seed", "sweep.overcommit_ratio[0]", "tik"]


def test_a_list_whose_only_entry_is_wrong_is_not_called_empty(workplace: Path) -> None:
    path = workplace / "wrong.yaml"
    path.write_text(BASE.replace("[1.0, 1.5]", "[zero]").replace("memory: 64 GiB", "memory: 64"))
    with pytest.raises(ConfigError) as caught:
        check_command(path, [])
    places = [issue.path for issue in caught.value.issues]
    assert places == ["fleet.hosts[0].memory", "sweep.overcommit_ratio[0]"]


def test_a_listed_vm_beyond_nine_sorts_by_number(workplace: Path) -> None:
    path = workplace / "wrong.yaml"
    extra = "".join(f"    - {{name: x{number}, memory: 99 GiB}}\n" for number in range(11))
    path.write_text(BASE.replace("hypervisor:", extra + "hypervisor:"))
    with pytest.raises(ConfigError) as caught:
        check_command(path, [])
    assert [issue.path for issue in caught.value.issues] == [f"fleet.vms[{idx}].memory" for idx in range(2, 13)]


def test_missing_file_names_the_configs_beside_it(workplace: Path) -> None:
    (workplace / "demo.yaml").write_text(BASE)
    with pytest.raises(InputError, match=r"demmo\.yaml: no such file; config files there: demo\.yaml"):
        check_command(workplace / "demmo.yaml", [])


def test_missing_directory(workplace: Path) -> None:
    with pytest.raises(InputError, match=r"no such file; there is no directory .*nowhere, either"):
        check_command(workplace / "nowhere" / "demo.yaml", [])


def test_directory_instead_of_a_file(workplace: Path) -> None:
    (workplace / "demo.yaml").write_text(BASE)
    with pytest.raises(InputError, match=r"is a directory, not a config file; name a file in it, e.g. .*demo.yaml"):
        check_command(workplace, [])


def test_binary_file(workplace: Path) -> None:
    path = workplace / "demo.yaml"
    path.write_bytes(b"seed: \xff\xfe")
    with pytest.raises(InputError, match=r"is not UTF-8 text .byte 6.; save it as UTF-8"):
        check_command(path, [])


def test_fleet_directory_that_is_none(workplace: Path) -> None:
    path = workplace / "config.yaml"
    path.write_text(BASE.replace(VMS, "vms: {fleet: fleet}"))
    (workplace / "fleet").mkdir()
    with pytest.raises(ConfigError, match=r"fleet\.vms\.fleet \(line 6\): .* has no vms\.parquet; make it with"):
        check_command(path, [])


def test_broken_fleet_file(workplace: Path) -> None:
    path = workplace / "config.yaml"
    path.write_text(BASE.replace(VMS, "vms: {fleet: fleet}"))
    (workplace / "fleet").mkdir()
    (workplace / "fleet" / "vms.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"fleet.*: .*; "):
        check_command(path, [])


def test_vm_that_fits_only_without_its_overhead(workplace: Path) -> None:
    path = workplace / "config.yaml"
    path.write_text(BASE.replace("memory: 16 GiB, gr", "memory: 63.5 GiB, gr"))
    with pytest.raises(ConfigError, match=r"config\.yaml: 1 problem\n  fleet\.vms: db .*larger than any host"):
        check_command(path, [])


COMMAND_LINE = ("syntax error", "--set unknown path", "axis value that is no preset")


@pytest.mark.parametrize(
    "wrong", [wrong for wrong in WRONG if wrong.name in COMMAND_LINE], ids=lambda wrong: wrong.name
)
@pytest.mark.parametrize("command", ["check", "sweep"])
def test_command_line_exits_with_2_and_writes_nothing(wrong: Wrong, command: str, workplace: Path) -> None:
    path = write_config(wrong, workplace)
    overrides = [word for override in wrong.overrides for word in ("--set", override)]
    out = ["--out", str(workplace / "run")] if command == "sweep" else []
    entry_point = "import sys; from planner.cli.main import main; sys.exit(main(sys.argv[1:]))"
    argv = [sys.executable, "-c", entry_point, command, str(path), *overrides, *out]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=workplace)
    assert done.returncode == EXIT_USAGE
    assert "Traceback" not in done.stderr
    for words in wrong.words:
        assert words in done.stderr
    assert done.stdout == ""
    assert sorted(entry.name for entry in workplace.iterdir()) == ["wrong.yaml"]


def test_a_search_is_not_described_as_a_sweep(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = workplace / "right.yaml"
    path.write_text(BASE)
    check_command(path, ["sweep.adaptive={min: 1, max: 1.2, resolution: 0.1, replicates_max: 6}"])
    # 1.0, 1.1, 1.2
    assert "A search among 3 scenarios with up to 6 replicates for 4 VMs" in capsys.readouterr().out
