"""Rules of the placement section that need no VMs."""

from pathlib import Path

import pytest
import yaml

from planner.config.load import load_config
from planner.errors import ConfigError

BASE = {
    "schema_version": 1, "seed": 1, "hypervisor": "esxi-8", "horizon": "1 day",
    "fleet": {
        "hosts": [{"name": "esx", "count": 3, "memory": "64 GiB", "cores": 8}],
        "vms": [{"name": "db", "count": 2, "memory": "4 GiB"}],
    },
}  # fmt: skip


def load(tmp_path: Path, **changes):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**BASE, **changes}), encoding="utf-8")
    return load_config(path)


@pytest.mark.parametrize(
    ("rules", "path", "message"),
    [
        ({"affinity": [{"vms": ["db-*"], "group": "x"}]}, "affinity[0]", "names VMs and a group"),
        ({"anti_affinity": [{}]}, "anti_affinity[0]", "names neither VMs nor a group"),
        ({"must_run_on": [{"hosts": ["esx-01"]}]}, "must_run_on[0]", "names neither VMs nor a group"),
        ({"ha_reserve": {"hosts": 1, "fraction": "10 %"}}, "ha_reserve", "gives 1 hosts and 10 %"),
        ({"ha_reserve": {"hosts": 3}}, "ha_reserve.hosts", "3 of 3 hosts kept free leave none to run on"),
    ],
)
def test_what_is_wrong_without_looking_at_vms(tmp_path, rules, path, message):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, placement_rules=rules)
    (issue,) = caught.value.issues
    assert issue.path == f"placement_rules.{path}"
    assert message in issue.message


def test_reserves_and_policies_are_axes(tmp_path):
    axes = {"admission.policy": ["ratio", "n-sigma"], "placement_rules.ha_reserve.hosts": [0, 1]}
    assert load(tmp_path, sweep={"axes": axes}).sweep.axes["admission.policy"] == ("ratio", "n-sigma")
    with pytest.raises(ConfigError, match=r"3 of 3 hosts"):
        load(tmp_path, sweep={"axes": {"placement_rules.ha_reserve.hosts": [1, 3]}})


def test_reserved_fraction_adds_to_reserved(tmp_path):
    # 64 GiB: 10 % is 6.4 GiB (rounded up to a byte), beside 512 MiB.
    hosts = [{"name": "esx", "count": 3, "memory": "64 GiB", "cores": 8, "reserved_fraction": "10 %"}]
    config = load(tmp_path, fleet={**BASE["fleet"], "hosts": hosts})
    assert config.fleet.hosts[0].reserved_bytes == 512 * 2**20 + -(-64 * 2**30 // 10)
    hosts[0]["reserved_fraction"] = "99.9 %"
    with pytest.raises(ConfigError, match="leaves nothing of the 64 GiB of RAM"):
        load(tmp_path, fleet={**BASE["fleet"], "hosts": hosts})
