"""What a sweep opens to others: nothing beyond the loopback interface, no folder that others can read."""

import ipaddress
import stat
from pathlib import Path

import pytest
from fake_sim import FakeSim, fake_plan, outcomes_of

from planner.errors import InputError
from planner.fleet.join import is_loopback, join_environment
from planner.fleet.ray_pool import RayExecutor
from tests.integration.processes import descendants

LISTENING = "0A"  # of TCP; sockets of UDP receive as soon as they are bound


def open_sockets(pid):
    """List the numbers of the sockets that a process has open."""
    links = []
    for path in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            links.append(str(path.readlink()))
        except OSError:
            continue
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def addresses(table, numbers, states=None):
    """List the local addresses of those sockets in one of Linux's tables."""
    found = []
    for line in Path("/proc/net", table).read_text().splitlines()[1:]:
        words = line.split()
        if words[9] in numbers and (states is None or words[3] in states):
            found.append(parse_address(words[1].partition(":")[0]))
    return found


def parse_address(text):
    """Parse an address as in /proc/net: words of 32 bits, each in the byte order of the machine."""
    raw = b"".join(bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    address = ipaddress.ip_address(raw)
    return getattr(address, "ipv4_mapped", None) or address


def test_addresses_are_read_as_linux_writes_them():
    assert str(parse_address("0100007F")) == "127.0.0.1"
    assert str(parse_address("0000000000000000FFFF00000100007F")) == "127.0.0.1"
    assert str(parse_address("00000000")) == "0.0.0.0"
    assert parse_address("00000000000000000000000001000000").is_loopback


def test_ray_listens_on_the_loopback_interface_only_and_its_folder_is_ours_alone(short_folder, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setenv("TMPDIR", str(short_folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    plan, looked = fake_plan(), []

    with RayExecutor(2) as executor:

        def look(count):
            if looked:
                return
            family = [executor.driver_pid(), *descendants(executor.driver_pid())]
            numbers = set().union(*(open_sockets(pid) for pid in family))
            looked.extend(addresses("tcp", numbers, LISTENING) + addresses("tcp6", numbers, LISTENING))
            looked.extend(addresses("udp", numbers) + addresses("udp6", numbers))
            folders.extend(path.stat() for path in short_folder.iterdir())

        folders = []
        outcomes_of(executor, plan, FakeSim, look)
    assert len(looked) >= 5  # the head, the raylet and two workers listen somewhere
    assert all(address.is_loopback for address in looked)
    assert [stat.S_IMODE(found.st_mode) for found in folders] == [0o700]
    assert not list(short_folder.iterdir())


@pytest.mark.parametrize(
    ("address", "is_here"),
    [
        ("127.0.0.1:6379", True),
        ("localhost:6379", True),
        ("[::1]:6379", True),
        ("10.0.0.1:6379", False),
        ("head.example:6379", False),
        ("auto", False),
    ],
)
def test_what_is_beyond_this_machine(address, is_here):
    assert is_loopback(address) is is_here


def test_a_cluster_beyond_this_machine_needs_a_token(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError, match="is beyond this machine, and there is no token for it; start every machine"):
        join_environment("10.0.0.1:6379", {})
    assert "RAY_AUTH_MODE" not in join_environment("127.0.0.1:6379", {})
    assert "RAY_AUTH_MODE" not in join_environment("10.0.0.1:6379", {"RAY_AUTH_MODE": "disabled"})
    assert join_environment("10.0.0.1:6379", {"RAY_AUTH_TOKEN": "t"})["RAY_AUTH_MODE"] == "token"
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("t")
    assert join_environment("10.0.0.1:6379", {})["RAY_AUTH_MODE"] == "token"
