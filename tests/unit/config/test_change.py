"""Change files: what they take, what is refused with place and remedy, and the config that they lead to."""

from pathlib import Path

import pytest

from planner.config.change import ClassGrowth, Growth, change_amount
from planner.config.change_file import changed_config, load_change
from planner.config.check import KnownNames
from planner.errors import ConfigError, InputError
from planner.units import GIB
from tests.synthetic_run import make_config

KNOWN = KnownNames(placements=("first-fit", "worst-fit"))


def change(tmp_path: Path, text: str):
    path = tmp_path / "case.yaml"
    path.write_text(text)
    return load_change(path)


def changed(tmp_path: Path, text: str, **config):
    return changed_config(make_config(**config), change(tmp_path, text), tmp_path, KNOWN)


@pytest.mark.parametrize(
    ("amount", "gib"), [("+128 GiB", 640), ("-25 %", 384), ("768 GiB", 768), ("+50 %", 768), ("-128 GiB", 384)]
)
def test_amounts_by_hand(amount: str, gib: int) -> None:
    assert change_amount(512 * GIB, amount) == gib * GIB


def test_nothing_left_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves nothing"):
        change_amount(GIB, "-1 GiB")


def test_short_forms_stand_for_sections(tmp_path: Path) -> None:
    assert change(tmp_path, "lose_hosts: esx-03").lose_hosts.hosts == ("esx-03",)
    assert change(tmp_path, "lose_hosts: {any: 2, at: 7 days}").lose_hosts.any == 2
    assert change(tmp_path, "maintenance: [esx-01, esx-02]").maintenance.hosts == ("esx-01", "esx-02")
    assert change(tmp_path, "growth: 3 %").growth.per_month == 0.03
    assert change(tmp_path, "host_memory: +128 GiB").host_memory == {"*": "+128 GiB"}


def test_a_case_is_named_after_its_file_or_by_itself(tmp_path: Path) -> None:
    assert change(tmp_path, "growth: 3 %").name == "case"
    assert change(tmp_path, "name: More RAM\nhost_memory: +1 GiB").name == "More RAM"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("lose_hosts: {any: 1, restart_delay: 10 min}", "lose_hosts.restart_delay (line 1): says when VMs boot"),
        ("- lose_hosts", "not a mapping"),
        ("lose_host: esx-01", 'did you mean "lose_hosts"?'),
        ("lose_hosts: {any: 1, hosts: [esx-01]}", "names hosts and says any"),
        ("lose_hosts: {at: 1 days}", "says neither which hosts nor how many"),
        ("growth: 1 %\nlose_hosts: {any: 1}", "cannot be asked together with lose_hosts"),
        ("lose_hosts: {any: 1}\nplacement: worst-fit", "would move the VMs"),
        ("host_memory: 128", "needs a unit"),
        ("host_memory: -150 %", "leaves nothing"),
        ("page_sharing: maybe", "use off, salted or unsalted"),
        ("balloon_driver_missing: 120 %", "must be at most 100 %"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"case\.yaml") as caught:
        change(tmp_path, text)
    assert said in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_change(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lose_hosts: esx-99", 'unknown host "esx-99"'),
        ("lose_hosts: esx-3", 'did you mean "esx-03"?'),
        ("maintenance: [esx-01, esx-01]", "named twice"),
        ("host_memory: {esxi: +1 GiB}", 'unknown kind of host "esxi"; did you mean "esx"?'),
        ("swap: floppy", 'unknown swap "floppy"'),
        ("placement: third-fit", 'unknown placement "third-fit"'),
        ("hypervisor: esxi-9", 'did you mean "esxi-8"?'),
        ("set: {slo.swapin: 1 MiB/s}", 'there is no "swapin" in slo'),
        ("set: {seed: 3}", "cannot differ between the two sides"),
        ("set: {fleet.vms.count: 3}", "cannot differ between the two sides"),
        ("set: {slo.hosts_affected: 1 %}", "cannot differ between the two sides"),
        ("set: {fleet.turnover: {arrivals_per_day: 9}}", "cannot differ between the two sides"),
        ("set: {fleet: {}}", "would replace fleet.vms, too"),
        ("host_memory: -100 TiB", "host_memory: -100 TiB leaves nothing of the"),
        ("lose_hosts: {any: 1, at: 20 days}", "is not within the horizon"),
        ("set: {slo.for_more_than: 30 days}", "slo.for_more_than"),
    ],
)
def test_changes_that_do_not_fit_the_config_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        changed(tmp_path, text)
    assert said in str(caught.value)


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        changed(tmp_path, "swap: floppy\nplacement: third-fit\nset: {seed: 3}")
    assert len(caught.value.issues) == 3


def test_each_key_changes_its_value_and_nothing_else(tmp_path: Path) -> None:
    base = make_config()
    found = changed(tmp_path, "host_memory: +128 GiB\nswap: optane\npage_sharing: unsalted\nlarge_pages: false")
    group = found.fleet.hosts[0]
    assert (group.memory, group.swap) == (640 * GIB, "optane")
    assert (found.hypervisor.page_sharing.enabled, found.hypervisor.page_sharing.salting) == (True, False)
    assert not found.hypervisor.large_pages
    assert found.model_copy(update={"fleet": base.fleet, "hypervisor": base.hypervisor}) == base


def test_a_preset_comes_first_and_other_keys_change_it(tmp_path: Path) -> None:
    found = changed(tmp_path, "hypervisor: kvm\npage_sharing: off")
    assert (found.hypervisor.preset, found.hypervisor.page_sharing.enabled) == ("kvm", False)
    assert found.hypervisor.page_sharing.rules == "ksm"


def test_only_the_kind_of_host_that_is_named_changes(tmp_path: Path) -> None:
    fleet = {
        "hosts": [
            {"name": "old", "count": 2, "memory": "256 GiB", "cores": 32},
            {"name": "new", "count": 2, "memory": "512 GiB", "cores": 64},
        ],
        "vms": {"generate": "managed-hosting", "count": 10},
    }
    found = changed(tmp_path, "host_memory: {old: +100 %}", fleet=fleet)
    assert [group.memory for group in found.fleet.hosts] == [512 * GIB, 512 * GIB]


def test_the_first_class_that_matches_sets_the_growth() -> None:
    classes = (ClassGrowth(match="db-*", per_month=0.05), ClassGrowth(match="group: shop*", per_month=0.1))
    growth = Growth(per_month=0.01, classes=classes)
    assert growth.rate_of("db-7", "shop-1") == 0.05
    assert growth.rate_of("web-1", "shop-1") == 0.1
    assert growth.rate_of("web-1", None) == 0.01
