"""The command line around a what-if: what it prints, writes and returns. Hosts are simulated by a stand-in."""

import json

import pytest
import yaml
from fake_sim import FailingSim, FakeSim, stand_in, written_config

from planner.cli import whatif as whatif_module
from planner.cli.main import main
from planner.errors import InvariantError

SWEEP = {"overcommit_ratio": [1.2, 1.8], "placement": ["first-fit"], "replicates": 4}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    stand_in(monkeypatch, whatif_module, tmp_path)
    written_config(tmp_path, SWEEP)
    return tmp_path


def whatif(folder, *changes, options=()):
    paths = []
    for number, text in enumerate(changes):
        path = folder / f"case-{number}.yaml"
        path.write_text(text)
        paths.append(str(path))
    given = ["--executor", "local", "--out", str(folder / "out"), *options]
    return main(["whatif", str(folder / "fleet.yaml"), *paths, *given])


def read_summary(folder):
    return json.loads((folder / "out" / "summary.json").read_text())


def test_cases_are_compared_printed_and_written(folder, capsys):
    code = whatif(folder, "lose_hosts: {any: 1}", "name: More RAM\nhost_memory: +64 GiB", "growth: 10 %")
    assert code == 0
    printed = capsys.readouterr()
    summary = read_summary(folder)
    assert [case["name"] for case in summary["cases"]] == ["case-0", "More RAM", "case-2"]
    for case in summary["cases"]:
        assert case["sentence"] in printed.out
    assert f"Report: {folder}/out/report.html" in printed.out
    assert (folder / "out" / "report.html").read_text().count("case-0") > 3
    written = yaml.safe_load((folder / "out" / "changes.yaml").read_text())
    assert written["More RAM"]["host_memory"] == {"*": "+64 GiB"}


def test_the_worst_host_is_the_one_that_losing_each_by_name_finds(folder):
    assert whatif(folder, "lose_hosts: {any: 1}") == 0
    case = read_summary(folder)["cases"][0]
    hosts = [item["label"] for item in case["variants"]]
    assert len(hosts) == read_summary(folder)["base"]["hosts_used"]
    worst = {}
    for host in hosts:
        assert whatif(folder, f"lose_hosts: {host}") == 0
        alone = read_summary(folder)["cases"][0]
        means = {row["metric"]: row["changed"] for row in alone["differences"]}
        worst[host] = (means["broken_hosts"], means["swap_in_bytes_per_s_p99"], means["pressed_s"])
    assert worst[case["label"]] == max(worst.values())


def test_report_renders_the_page_again(folder, capsys):
    whatif(folder, "host_memory: +64 GiB")
    first = (folder / "out" / "report.html").read_bytes()
    (folder / "out" / "report.html").unlink()
    assert main(["report", str(folder / "out")]) == 0
    assert (folder / "out" / "report.html").read_bytes() == first


def test_the_same_config_and_changes_give_the_same_bytes(folder):
    kept = []
    for _ in range(2):
        whatif(folder, "lose_hosts: {any: 1}", "balloon_driver_missing: 50 %")
        kept.append([(folder / "out" / name).read_bytes() for name in ("hosts.parquet", "summary.json", "report.html")])
    assert kept[0] == kept[1]


def test_json_prints_the_summary_alone(folder, capsys):
    whatif(folder, "page_sharing: off", options=["--json"])
    assert json.loads(capsys.readouterr().out) == read_summary(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("page_sharing: salted", "changes nothing, the base is like that already"),
        ("placement: first-fit", "changes nothing"),
        ("balloon_driver_missing: 0 %", "changes nothing"),
        ("lose_hosts: esx-06", 'no VM is placed on "esx-06"'),
        ("lose_hosts: {any: 8}", "hosts are in use, and none would be left"),
        ("lose_host: esx-1", "did you mean"),
        ("name: only a name", "only a name: change: nothing"),
        ("growth: {per_month: 0 %}", "case-0: growth: no growth: changes nothing"),
        ("set: {placement_rules.ha_reserve.hosts: 1}", "while VMs stay where they are; add place_again: true"),
        ("set: {admission.policy: max}", "while VMs stay where they are; add place_again: true"),
        ("lose_hosts: esx-01\nset: {placement_rules: {anti_affinity: [{vms: [nix]}]}}", 'there is no VM "nix"'),
        ("set: {'fleet.hosts[0].count': 1}", "takes away hosts that hold VMs (esx-01, esx-02"),
        ("set: {'fleet.hosts[0].name': other}", "use lose_hosts, or add place_again: true"),
    ],
)
def test_changes_that_say_nothing_or_nonsense_are_refused(folder, capsys, text, said):
    assert whatif(folder, text) == 2
    assert said in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_problems_of_all_change_files_are_said_at_once(folder, capsys):
    assert whatif(folder, "swap: floppy", "page_sharing: maybe", "hypervisor: none") == 2
    printed = capsys.readouterr().err
    assert "case-1.yaml" in printed
    assert "use off, salted or unsalted" in printed


def test_two_cases_of_one_name_are_refused(folder, capsys):
    assert whatif(folder, "name: x\nswap: hdd", "name: x\nswap: optane") == 2
    assert "is the name of two cases" in capsys.readouterr().err


def test_a_base_that_holds_not_all_its_vms_is_refused(folder, capsys):
    assert whatif(folder, "swap: hdd", options=["--ratio", "0.2"]) == 2
    printed = capsys.readouterr().err
    assert "the base does not hold its VMs" in printed
    assert "larger --ratio" in printed
    assert "fleet.yaml: 1 problem" in printed


def test_grown_fleets_are_refused_with_the_remedy(folder, capsys):
    assert whatif(folder, "swap: hdd", options=["--set", "question=grow"]) == 2
    assert "--set question=consolidate" in capsys.readouterr().err


def test_a_failed_host_is_named_and_the_exit_code_says_so(folder, capsys, monkeypatch):
    monkeypatch.setattr(whatif_module, "HostSim", FailingSim)
    assert whatif(folder, "swap: hdd") == 3
    assert "host runs failed" in capsys.readouterr().err
    missing = read_summary(folder)["missing"]
    assert missing.startswith("2 host runs of ")  # one host in one replicate, of the base and of the case
    page = (folder / "out" / "report.html").read_text()
    assert missing.split("; ")[0] in page.replace("\N{NO-BREAK SPACE}", " ")


def test_a_host_that_fails_only_in_some_replicates_is_left_out_of_recovery(folder, monkeypatch):
    class FailsSecond(FakeSim):
        def run(self, problem, keep_timeline=False, ticked=None):
            if keep_timeline and problem.replicate == 1:
                raise InvariantError("frames do not add up")
            return super().run(problem, keep_timeline, ticked)

    monkeypatch.setattr(whatif_module, "HostSim", FailsSecond)
    assert whatif(folder, "lose_hosts: {any: 1, at: 10 min}") == 0
    (case,) = read_summary(folder)["cases"]
    rows = dict(case["recovery"])
    takers = int(rows["hosts that took VMs in"])
    assert takers > 0
    assert rows["host runs that failed, left out here"] == str(takers)
