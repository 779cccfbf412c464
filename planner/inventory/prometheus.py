"""Read VMs, hosts and their memory over time from Prometheus: saved query results, or a server, read-only."""

import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from planner.errors import InputError
from planner.inventory.found import Found, FoundCluster, FoundHost, FoundVm, Note
from planner.inventory.progress import Progress, no_progress
from planner.inventory.prometheus_exporters import CORES_METRIC, NODE, Exporter, find_exporter, metric_names
from planner.inventory.prometheus_http import PrometheusOptions, PrometheusServer
from planner.inventory.prometheus_json import Parsed, read_answers
from planner.inventory.prometheus_tracks import Sorted, Track, sort_series
from planner.inventory.prometheus_vms import build_host, build_series, build_vm, join_vms, usual_tick_s

_WEEK_S = 7 * 86400
_TICK_S = 300
_POINT_IN_TIME = (
    "samples are values at an instant, one per tick, not means over the tick: peaks between samples are not seen"
)


def read_prometheus(sources: Sequence[Path], options: PrometheusOptions, progress: Progress = no_progress) -> Found:
    """Read saved answers of Prometheus' HTTP API.

    Parameters
    ----------
    sources : sequence of Path
        JSON files, or directories of them: answers to range or instant queries of plain metrics.
    options : PrometheusOptions
        `exporter` and `tick_s` are used.

    Returns
    -------
    Found
        With `series` where VMs were sampled more than once.

    Raises
    ------
    InputError
        A file is missing or broken, is the answer to a failed query, or no metric of a known exporter is there.
    """
    files = [file for source in sources for file in _files(source)]
    parsed = Parsed()
    read: dict[str, int] = {}
    for done, file in enumerate(files, start=1):
        answers = read_answers(file)
        read[str(file)] = len(answers.series)
        parsed.take(answers)
        progress(done, len(files))
    name = sources[0].name if len(sources) == 1 else f"{len(sources)} sources"
    exporter = find_exporter({one.metric for one in parsed.series}, options.exporter, str(sources[0]))
    return _build(parsed, read, exporter, options.tick_s, f"prometheus: {name}")


def read_prometheus_live(url: str, options: PrometheusOptions, progress: Progress = no_progress) -> Found:
    """Ask a Prometheus server for the metrics of one exporter and of node_exporter. Nothing is changed on it.

    Parameters
    ----------
    url : str
        Such as "http://prometheus.example:9090", with the path in front of "/api/v1" if it has one.
    options : PrometheusOptions

    Returns
    -------
    Found

    Raises
    ------
    InputError
        The server cannot be reached, refuses, or has no metric of a known exporter.
    """
    tick_s = options.tick_s or _TICK_S
    end_s = (int(time.time()) if options.end_s is None else options.end_s) // tick_s * tick_s
    start_s = (end_s - _WEEK_S if options.start_s is None else options.start_s) // tick_s * tick_s
    if not 0 <= start_s <= end_s:
        raise InputError("--start", "begins after it ends", "expected times in order")
    server = PrometheusServer(url, options)
    try:
        there = server.metric_names(start_s, end_s)
        exporter = find_exporter(there, options.exporter, server.url)
        known = [*(metric_names(exporter) if exporter else ()), *metric_names(NODE), CORES_METRIC]
        wanted = [name for name in dict.fromkeys(known) if name in set(there)]
        parsed = Parsed()
        read: dict[str, int] = {}
        for done, name in enumerate(wanted, start=1):
            # Of the cores only the number is wanted, and their series are many.
            answer = server.samples(name, end_s if name == CORES_METRIC else start_s, end_s, tick_s)
            read[name] = len({tuple(sorted(one.labels.items())) for one in answer.series})
            parsed.take(answer)
            progress(done, len(wanted))
    finally:
        server.close()
    return _build(parsed, read, exporter, tick_s, f"prometheus: {urlsplit(server.url).netloc}")


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    files = sorted(path for path in source.iterdir() if path.suffix.lower() == ".json")
    if not files:
        raise InputError(str(source), "holds no JSON file", "save what /api/v1/query_range answers as NAME.json")
    return files


def _build(parsed: Parsed, read: dict[str, int], exporter: Exporter | None, tick_s: int | None, source: str) -> Found:
    place = source.partition(": ")[2]
    found = sort_series(parsed.series, exporter)
    found.skipped[:0], found.doubts[:0] = parsed.skipped, parsed.doubts
    tracks = join_vms(found, exporter) if exporter is not None else []
    if exporter is None:
        text = "no metric of VMs is there: only hosts are read"
        found.doubts.append(Note(place, text, "name the exporter that watches the VMs' hosts, or save its metrics"))
    stamps = [one.times_s for one in parsed.series if len(one.times_s)]
    end_s = max((int(times[-1]) for times in stamps), default=0)
    tick_s = tick_s if tick_s is not None else usual_tick_s(tracks, place)
    vms = [build_vm(track, exporter, end_s, tick_s, found.doubts) for track in tracks] if exporter is not None else []
    hypervisor = (exporter or NODE).hypervisor
    hosts = [build_host(track, hypervisor, found.doubts) for _, track in sorted(found.hosts.items())]
    hosts += _unseen_hosts(vms, hosts, hypervisor, found)
    _note_odd_units(vms, place, found)
    has_series = tick_s is not None and usual_tick_s(tracks, place) is not None
    return Found(
        source=source,
        hypervisor=hypervisor,
        hosts=hosts,
        vms=vms,
        clusters=_clusters(hosts, vms),
        series=build_series(tracks, vms, tick_s, place) if has_series and tick_s is not None else None,
        taken_at_s=(end_s,) if end_s else (),
        read=read,
        skipped=found.skipped,
        doubts=found.doubts,
        assumptions=_assumptions(exporter, tracks, has_series),
    )


def _assumptions(exporter: Exporter | None, tracks: Sequence[Track], has_series: bool) -> list[str]:
    says = [f"metrics are read as those of {exporter.name}", *exporter.says] if exporter is not None else []
    if has_series and any("cpu_seconds" in track.figures for track in tracks):
        says.append("counters of CPU time are read as rates; a counter that falls was reset")
    return [*says, _POINT_IN_TIME] if has_series else says


def _unseen_hosts(
    vms: Sequence[FoundVm], hosts: Sequence[FoundHost], hypervisor: str, found: Sorted
) -> list[FoundHost]:
    """List hosts that only their VMs tell of: their memory is unknown."""
    known = {host.name for host in hosts}
    unseen: dict[str, FoundHost] = {}
    for vm in vms:
        if vm.host is not None and vm.host not in known:
            unseen.setdefault(vm.host, FoundHost(vm.host, vm.place, cluster=vm.cluster, hypervisor=hypervisor))
    for name in unseen:
        text = "the memory of a host is unknown: nothing but its VMs tells of it"
        found.doubts.append(Note(name, text, "read the metrics of node_exporter, too"))
    return list(unseen.values())


def _clusters(hosts: Sequence[FoundHost], vms: Sequence[FoundVm]) -> list[FoundCluster]:
    places = [(vm.cluster, vm.place) for vm in vms] + [(host.cluster, host.place) for host in hosts]
    named = {cluster: place for cluster, place in places if cluster is not None}
    return [FoundCluster(name, place) for name, place in sorted(named.items())]


def _note_odd_units(vms: Sequence[FoundVm], place: str, found: Sorted) -> None:
    """Doubt units by which the median VM would hold more than it has, or next to nothing."""
    shares = [
        (vm.consumed_bytes or 0) / vm.configured_bytes
        for vm in vms
        if vm.configured_bytes and vm.consumed_bytes is not None and vm.consumed_bytes > 0
    ]
    if shares and not 1e-3 < float(np.median(shares)) < 1.5:
        text = f"the median VM consumes {float(np.median(shares)):.2g} of its configured memory"
        found.doubts.append(Note(place, text, "does this exporter use other units than it is known for?"))
