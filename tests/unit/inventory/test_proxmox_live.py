"""The live reader against a loopback server that answers as Proxmox VE does."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from planner.errors import InputError
from planner.inventory import proxmox_live
from planner.inventory.proxmox_live import read_proxmox_live
from planner.units import GIB

TOKEN, SECRET = "reader@pam!planner", "11111111-2222-3333-4444-555555555555"
RESOURCES = [
    {"type": "node", "node": "pve-1", "status": "online", "maxmem": 64 * GIB, "mem": 20 * GIB, "maxcpu": 32},
    {"type": "node", "node": "pve-2", "status": "offline", "maxmem": 64 * GIB, "maxcpu": 32},
    {"type": "qemu", "vmid": 100, "name": "web", "node": "pve-1", "status": "running", "maxmem": 8 * GIB, "mem": GIB},
    {"type": "qemu", "vmid": 101, "name": "off", "node": "pve-1", "status": "stopped", "maxmem": 8 * GIB},
    {"type": "qemu", "vmid": 900, "name": "gold", "node": "pve-1", "status": "stopped", "maxmem": GIB, "template": 1},
]
STATUS = {"vmid": 100, "status": "running", "maxmem": 8 * GIB, "balloon": 6 * GIB, "balloon_min": 4 * GIB}
ANSWERS = {
    "/cluster/resources": RESOURCES,
    "/cluster/status": [{"type": "cluster", "name": "east", "quorate": 1}],
    "/nodes/pve-1/status": {"memory": {"total": 64 * GIB, "used": 21 * GIB}, "cpuinfo": {"cores": 16}},
    "/nodes/pve-1/qemu/100/config": {"digest": "a", "memory": "8192", "balloon": 4096},
    "/nodes/pve-1/qemu/100/status/current": STATUS,
}


@contextmanager
def serving(answers):
    """Answer GET with JSON in the envelope, bytes as they are, and numbers as a status; keep what was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.removeprefix("/api2/json")
            asked.append((self.command, path))
            answer = answers.get(path, 501)
            if self.headers.get("Authorization") != f"PVEAPIToken={TOKEN}={SECRET}":
                answer = 401
            body = answer if isinstance(answer, bytes) else json.dumps({"data": answer}).encode()
            self.send_response(answer if isinstance(answer, int) else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_cluster_reads_with_get_alone():
    steps = []
    with serving(ANSWERS) as (url, asked):
        found = read_proxmox_live(url, TOKEN, SECRET, progress=lambda done, total: steps.append((done, total)))
    assert {method for method, _ in asked} == {"GET"}
    paths = [path for _, path in asked]
    assert "/nodes/pve-2/status" not in paths  # it is down
    assert "/nodes/pve-1/qemu/101/config" in paths
    assert not any("/900/" in path or "/101/status" in path for path in paths)
    web, off = found.vms
    assert (web.name, web.configured_bytes, web.ballooned_bytes) == ("web", 8 * GIB, 2 * GIB)
    assert (web.reservation_bytes, web.has_balloon_driver, web.host) == (4 * GIB, True, "pve-1")
    assert off.configured_bytes == 8 * GIB
    host = found.hosts[0]
    assert (host.memory_bytes, host.used_bytes, host.cores, host.cluster) == (64 * GIB, 21 * GIB, 16, "east")
    # 501 of HA paths is no matter; that of the config of 101 is said.
    texts = {note.place: note.text for note in found.skipped}
    assert texts["/nodes/pve-1/qemu/101/config"] == "could not be read: the server answers 501"
    assert "/cluster/ha/rules" not in texts
    assert steps[-1][0] == steps[-1][1] == len(asked) - 1
    assert SECRET not in repr(found)


def test_what_a_token_may_not_see_is_said():
    answers = {**ANSWERS, "/nodes/pve-1/status": 403, "/cluster/status": 403}
    with serving(answers) as (url, _):
        notes = read_proxmox_live(url, TOKEN, SECRET).skipped
    assert [note.place for note in notes if "PVEAuditor" in note.text] == ["/cluster/status", "/nodes/pve-1/status"]
    with (
        serving({"/cluster/resources": RESOURCES[:1]}) as (url, _),
        pytest.raises(InputError, match="shows no VM") as caught,
    ):
        read_proxmox_live(url, TOKEN, SECRET)
    assert "PVEAuditor" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (403, "no permission"),
        (500, "answers 500"),
        (302, "answers 302"),
        (b"<html>login</html>", "not that of Proxmox"),
        (b"[1]", "not that of Proxmox"),
        (b'{"data": ' + b"[" * 100_000, "not that of Proxmox"),
    ],
)
def test_answers_that_are_none(answer, message):
    with serving({"/cluster/resources": answer}) as (url, _), pytest.raises(InputError, match=message):
        read_proxmox_live(url, TOKEN, SECRET)


def test_a_refused_token_is_not_in_the_message():
    with serving(ANSWERS) as (url, _), pytest.raises(InputError, match="refused") as caught:
        read_proxmox_live(url, TOKEN, "wrong-secret")
    assert "wrong-secret" not in repr(caught.value)
    assert "wrong-secret" not in str(caught.value)


def test_a_server_that_dies_half_way_ends_the_import(monkeypatch):
    monkeypatch.setattr(proxmox_live, "MAX_FAILURES", 2)
    with (
        serving({"/cluster/resources": RESOURCES}) as (url, _),
        pytest.raises(InputError, match="3 requests in a row failed"),
    ):
        read_proxmox_live(url, TOKEN, SECRET)


def test_an_answer_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(proxmox_live, "MAX_ANSWER_BYTES", 100)
    with serving(ANSWERS) as (url, _), pytest.raises(InputError, match="larger than 100 B"):
        read_proxmox_live(url, TOKEN, SECRET)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://pve.example.org:8006", "unencrypted"),
        ("https://root:geheim@pve.example.org", "has a user or password"),
        ("ftp://pve.example.org", "no web address"),
        ("pve.example.org:8006", "no web address"),
        ("https://pve:port", "cannot be read"),
    ],
)
def test_addresses_that_get_no_token(url, message):
    with pytest.raises(InputError, match=message) as caught:
        read_proxmox_live(url, TOKEN, SECRET)
    assert "geheim" not in str(caught.value)


def test_no_server_and_a_token_with_a_line_end():
    with serving(ANSWERS) as (url, _):
        pass
    with pytest.raises(InputError, match="no answer"):
        read_proxmox_live(url, TOKEN, SECRET)
    with pytest.raises(InputError, match="characters that none has"):
        read_proxmox_live(url, TOKEN, f"{SECRET}\n")
