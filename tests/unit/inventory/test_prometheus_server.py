"""Against a real Prometheus server and node_exporter on loopback, where they are installed; and a server that errs.

On Debian and Ubuntu: apt-get install --no-install-recommends prometheus prometheus-node-exporter.
"""

import json
import shutil
import socket
import subprocess
import threading
import time
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import requests

from planner.errors import InputError
from planner.inventory.prometheus import read_prometheus, read_prometheus_live
from planner.inventory.prometheus_http import MOST_POINTS, PrometheusOptions, PrometheusServer
from planner.units import GIB, MIB

SERVER = shutil.which("prometheus")
NODE_EXPORTER = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")
ROUNDS = 8
UNSURE = 2
"""A scrape comes up to this long after the second it is asked about. [s]"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Served(ThreadingHTTPServer):
    """A server on loopback that `answer` serves; keeps what it was asked."""

    daemon_threads = True

    def __init__(self, answer):
        self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.server.asked.append((self.path, self.headers.get("Authorization")))
                status, body, headers = answer(self.path, self.headers)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Exporter:
    """What a libvirt exporter says of two VMs; `history` keeps resident memory by the time it changed."""

    def __init__(self):
        self.history = []
        self.set_rss(100 * MIB)
        self.serves_db = True

    def set_rss(self, rss_bytes):
        self.history.append((time.time(), rss_bytes))

    def __call__(self, path, headers):
        rss = self.history[-1][1]
        lines = [
            f'libvirt_domain_info_maximum_memory_bytes{{domain="web",uuid="u1"}} {8 * GIB}',
            f'libvirt_domain_memory_stats_rss_bytes{{domain="web",uuid="u1"}} {rss}',
            f'libvirt_domain_info_cpu_time_seconds_total{{domain="web",uuid="u1"}} {2 * time.time()}',
            'libvirt_domain_info_virtual_cpus{domain="web",uuid="u1"} 4',
        ]
        if self.serves_db:
            lines += [
                f'libvirt_domain_info_maximum_memory_bytes{{domain="db",uuid="u2"}} {2 * GIB}',
                f'libvirt_domain_memory_stats_rss_bytes{{domain="db",uuid="u2"}} {GIB}',
            ]
        return 200, ("\n".join(lines) + "\n").encode(), {"Content-Type": "text/plain"}


def wait_for(url, is_fine, longest_s=20.0):
    ends_s = time.monotonic() + longest_s
    while time.monotonic() < ends_s:
        try:
            answer = requests.get(url, timeout=2)
            if is_fine(answer):
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    pytest.fail(f"{url} does not come up")


@pytest.fixture
def scraped(tmp_path):
    """A Prometheus server that has scraped both exporters every second, and the exporter of VMs."""
    if SERVER is None or NODE_EXPORTER is None:
        pytest.skip("prometheus or node_exporter is not installed")
    port, node_port = free_port(), free_port()
    exporter = Exporter()
    with Served(exporter) as vms:
        (tmp_path / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
            f"- {{job_name: libvirt, static_configs: [{{targets: ['127.0.0.1:{vms.server_port}']}}]}}\n"
            f"- {{job_name: node, static_configs: [{{targets: ['127.0.0.1:{node_port}']}}]}}\n"
        )
        commands = (
            [NODE_EXPORTER, f"--web.listen-address=127.0.0.1:{node_port}"],
            [SERVER, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
             f"--web.listen-address=127.0.0.1:{port}"],
        )  # fmt: skip
        started = [subprocess.Popen(cmd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for cmd in commands]
        try:
            ask = f"http://127.0.0.1:{port}/api/v1/query?query="
            wait_for(f"{ask}node_memory_MemTotal_bytes", lambda got: got.json()["data"]["result"])
            wait_for(f"{ask}libvirt_domain_info_virtual_cpus", lambda got: got.json()["data"]["result"])
            yield f"http://127.0.0.1:{port}", exporter
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(10)


def host_memory_bytes() -> int:
    return int(Path("/proc/meminfo").read_text().split()[1]) * 1024


def test_what_a_real_server_scraped_comes_out(scraped, tmp_path):
    url, exporter = scraped
    start_s = int(time.time())
    for number in range(1, ROUNDS + 1):
        time.sleep(1)
        exporter.set_rss((100 + number) * MIB)
        exporter.serves_db = number < ROUNDS // 2
    time.sleep(1)
    end_s = int(time.time())
    options = PrometheusOptions(tick_s=1, start_s=start_s, end_s=end_s)
    found = read_prometheus_live(url, options)
    by_name = {vm.name: vm for vm in found.vms}
    web, db = by_name["web"], by_name["db"]
    assert (web.uuid, web.configured_bytes, web.vcpus, web.host) == ("u1", 8 * GIB, 4, db.host)
    assert (db.uuid, db.configured_bytes) == ("u2", 2 * GIB)
    # The host of the VMs and the host of node_exporter are one.
    [host] = found.hosts
    assert (host.name, host.memory_bytes) == (web.host, host_memory_bytes())
    assert host.name == socket.gethostname()
    assert host.cores >= 1
    series = found.series
    # Of the first second there may be no scrape yet.
    assert (series.tick_s, series.first_time_s - start_s in (0, 1)) == (1, True)
    assert np.isnan(series.active_bytes).all()
    row = [vm.name for vm in found.vms].index("web")
    granted = series.granted_bytes[row]
    for tick, value in enumerate(granted):
        second = series.first_time_s + tick
        # The last scrape before this second: what was served within the UNSURE seconds before it.
        older = [rss for at, rss in exporter.history if at <= second - UNSURE][-1:]
        served = [rss for at, rss in exporter.history if second - UNSURE < at <= second]
        assert value in [np.float32(rss) for rss in (*older, *served)]
    assert len(np.unique(granted)) >= ROUNDS - 2
    busy = series.cpu_busy_vcpus[row]
    assert np.nanmedian(busy) == pytest.approx(2.0, rel=0.3)
    # The exporter stopped telling of db: stale at once, not only after five minutes.
    gone = series.granted_bytes[1 - row]
    assert np.isnan(gone[-2:]).all()
    assert set(gone[~np.isnan(gone)]) == {np.float32(GIB)}
    check_saved_answers(url, tmp_path, options, found)


def check_saved_answers(url, folder, options, live):
    """The same answers, saved as files, give the same."""
    saved = folder / "saved"
    saved.mkdir()
    for name in live.read:
        span = {"start": options.start_s, "end": options.end_s, "step": 1}
        got = requests.get(f"{url}/api/v1/query_range", params={"query": name, **span}, timeout=5)
        (saved / f"{name}.json").write_bytes(got.content)
    found = read_prometheus([saved], PrometheusOptions(tick_s=1))
    assert [(vm.name, vm.consumed_bytes, vm.host) for vm in found.vms] == [
        (vm.name, vm.consumed_bytes, vm.host) for vm in live.vms
    ]
    np.testing.assert_array_equal(found.series.granted_bytes, live.series.granted_bytes)
    assert found.hosts[0].memory_bytes == live.hosts[0].memory_bytes


def test_a_real_server_takes_a_long_time_in_pieces(scraped):
    url, _ = scraped
    time.sleep(2)
    now_s = int(time.time())
    options = PrometheusOptions(tick_s=1, start_s=now_s - 3 * MOST_POINTS, end_s=now_s)
    found = read_prometheus_live(url, options)
    assert {vm.name for vm in found.vms} == {"web", "db"}
    with pytest.raises(InputError, match="parse error"):
        read_prometheus_live(url, PrometheusOptions(tick_s=1, start_s=now_s - 5, end_s=now_s, matchers="=="))


def fake(results=(), names=("libvirt_domain_info_maximum_memory_bytes",), limit=None):
    """Answer as Prometheus does; refuse spans of more than `limit` steps."""

    def answer(path, headers):
        asked = parse_qs(urlsplit(path).query)
        if "label" in path:
            return 200, json.dumps({"status": "success", "data": list(names)}).encode(), {}
        steps = (int(asked["end"][0]) - int(asked["start"][0])) // int(asked["step"][0]) + 1
        if limit is not None and steps > limit:
            error = {
                "status": "error",
                "errorType": "execution",
                "error": "query processing would load too many samples",
            }
            return 422, json.dumps(error).encode(), {}
        data = {"resultType": "matrix", "result": list(results)}
        return 200, json.dumps({"status": "success", "data": data}).encode(), {}

    return answer


def spans(asked) -> list[tuple[int, int]]:
    given = [parse_qs(urlsplit(path).query) for path, _ in asked if "query_range" in path]
    return [(int(one["start"][0]), int(one["end"][0])) for one in given]


def test_no_request_exceeds_the_points_that_prometheus_gives():
    with Served(fake()) as server:
        options = PrometheusOptions()
        PrometheusServer(server.url, options).samples("m", 0, 2 * MOST_POINTS * 60, 60)
        most_s = (MOST_POINTS - 1) * 60
        # Times 0 to 2 x 11,000 steps, both included: two full requests and one of a single time.
        assert spans(server.asked) == [
            (0, most_s), (most_s + 60, 2 * most_s + 60), (2 * most_s + 120, 2 * most_s + 120)
        ]  # fmt: skip


def test_a_server_that_refuses_so_much_is_asked_for_less():
    with Served(fake(limit=2)) as server:
        PrometheusServer(server.url, PrometheusOptions()).samples("m", 0, 40, 10)
        accepted = [(a, b) for a, b in spans(server.asked) if b - a <= 10]
        assert sorted(time for a, b in accepted for time in range(a, b + 1, 10)) == [0, 10, 20, 30, 40]
    with (
        Served(fake(limit=0)) as server,
        pytest.raises(InputError, match=r"too many samples; narrow it down"),
    ):
        PrometheusServer(server.url, PrometheusOptions()).samples("m", 0, 40, 10)


SECRET = "pa:ss wörd"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (PrometheusOptions(username="joe", password=SECRET), "Basic " + b64encode(f"joe:{SECRET}".encode()).decode()),
        (PrometheusOptions(token="t0ken"), "Bearer t0ken"),
        (PrometheusOptions(), None),
    ],
)
def test_credentials_go_to_the_server_and_nowhere_else(options, expected):
    with Served(lambda path, headers: (401, b"", {})) as server:
        with pytest.raises(InputError, match=r"refuses access \(401\)") as caught:
            read_prometheus_live(server.url, options)
        assert [authorization for _, authorization in server.asked] == [expected]
    for text in (str(caught.value), repr(options)):
        assert SECRET not in text
        assert "t0ken" not in text


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ((302, b"", {"Location": "http://127.0.0.1:1/"}), "points to another address"),
        ((200, b"<html>", {}), "answers no list of names"),
        ((503, b"", {}), "HTTP status 503"),
        ((400, b'{"status":"error","error":"bad start"}', {}), "bad start"),
    ],
)
def test_answers_that_are_none(reply, told):
    with Served(lambda path, headers: reply) as server:
        with pytest.raises(InputError, match=told):
            read_prometheus_live(server.url, PrometheusOptions())
        assert len(server.asked) == 1


def test_addresses_that_are_none():
    for url in ("ftp://x", "prometheus:9090", "http://"):
        with pytest.raises(InputError, match="no address of a Prometheus server"):
            read_prometheus_live(url, PrometheusOptions())
    with pytest.raises(InputError) as caught:
        read_prometheus_live("http://joe:hush@x:9090", PrometheusOptions())
    assert "hush" not in str(caught.value)
    with pytest.raises(InputError, match="cannot be reached"):
        read_prometheus_live(f"http://127.0.0.1:{free_port()}", PrometheusOptions())
