"""Sort series by what they are about: a VM on a host, or a host, and which figure of it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from planner.inventory.found import Note
from planner.inventory.prometheus_exporters import CORES_METRIC, NODE, Exporter
from planner.inventory.prometheus_json import Sampled
from planner.units import MAX_BYTES

_PORT = re.compile(r":\d+$")
_NOTHING = ("", "n/a", "N/A", "null", "None")
_SAME = 0.01


class _Part(NamedTuple):
    rank: int
    labels: tuple[tuple[str, str], ...]
    times_s: np.ndarray
    values: np.ndarray
    place: str


class _Use(NamedTuple):
    """What a metric is used for."""

    exporter: Exporter
    is_vm: bool
    figure: str
    rank: int
    factor: float
    id_prefix: str


class Samples(NamedTuple):
    """Samples of one figure, ascending in time. NaN: unknown."""

    times_s: np.ndarray
    values: np.ndarray


@dataclass
class Track:
    """What is told of a VM while it is on one host, or of a host.

    Attributes
    ----------
    key : tuple of str
        Tells VMs apart where no UUID does.
    facts : dict
        Label to value: uuid, cluster, group, name and the like.
    figures : dict
        Field of the exporter's table to its samples.
    """

    name: str
    place: str
    host: str | None = None
    key: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    figures: dict[str, Samples] = field(default_factory=dict)
    parts: dict[str, list[_Part]] = field(default_factory=dict)

    def last(self, name: str) -> float | None:
        """Return the last known value of a figure, or None."""
        samples = self.figures.get(name)
        known = samples.values[~np.isnan(samples.values)] if samples is not None else np.zeros(0)
        return float(known[-1]) if len(known) else None

    def times_s(self) -> np.ndarray:
        """Return all times of its samples, ascending, each once, in seconds."""
        times = [samples.times_s for samples in self.figures.values()]
        return np.unique(np.concatenate(times)) if times else np.zeros(0, dtype=np.int64)


class Info(NamedTuple):
    """Labels that describe a VM, and when they did so last, in seconds since 1970."""

    labels: dict[str, str]
    last_s: int
    host: str | None


@dataclass
class Sorted:
    """Series by what they are about.

    Attributes
    ----------
    vms : list of Track
        A VM is in it once for every host that it was on.
    infos : dict
        Key of a VM (without host) to what describes it, by time.
    """

    vms: list[Track]
    hosts: dict[str, Track]
    infos: dict[tuple[str, ...], list[Info]]
    skipped: list[Note]
    doubts: list[Note]


def sort_series(series: Iterable[Sampled], exporter: Exporter | None) -> Sorted:
    """Sort series; several of one figure are joined, units become bytes, impossible values NaN."""
    return _Sorter(exporter).sort(list(series))


def label(labels: dict[str, str], names: Iterable[str]) -> str | None:
    """Return the first of some labels that says something, or None."""
    return next((labels[name] for name in names if labels.get(name, "") not in _NOTHING), None)


class _Sorter:
    """Gathers series; see `sort_series`."""

    def __init__(self, exporter: Exporter | None) -> None:
        self._uses: dict[str, list[_Use]] = {}
        for one in (NODE,) if exporter is None else (exporter, NODE):
            for metric, use in _uses(one):
                self._uses.setdefault(metric, []).append(use)
        self._exporter = exporter
        self._vms: dict[tuple[str, ...], Track] = {}
        self._cores: dict[str, set[str]] = {}
        self._host_names: dict[str, str] = {}
        self._out = Sorted([], {}, {}, [], [])

    def sort(self, series: list[Sampled]) -> Sorted:
        for one in series:
            if one.metric == "node_uname_info" and "nodename" in one.labels and "instance" in one.labels:
                self._host_names[_without_port(one.labels["instance"])] = one.labels["nodename"]
        for one in series:
            if not self._take(one):
                self._out.skipped.append(_why_not(one))
        for host, cores in self._cores.items():
            self._out.hosts[host].figures["cores"] = Samples(np.zeros(1, np.int64), np.array([float(len(cores))]))
        for track in (*self._vms.values(), *self._out.hosts.values()):
            for name, parts in track.parts.items():
                track.figures[name] = self._join(parts)
            track.parts.clear()
        self._out.vms.extend(self._vms.values())
        return self._out

    def _take(self, one: Sampled) -> bool:
        if one.metric == CORES_METRIC and "cpu" in one.labels:
            host = self._host_of(one, NODE)
            if host is not None:
                self._cores.setdefault(host.name, set()).add(one.labels["cpu"])
            return host is not None
        if self._exporter is not None and one.metric in self._exporter.info:
            return self._describe(one, self._exporter)
        if one.metric in NODE.info:
            return True
        # Every one of them: a metric may be of VMs and of hosts.
        return any([self._add(one, use) for use in self._uses.get(one.metric, [])])

    def _add(self, one: Sampled, use: _Use) -> bool:
        if use.id_prefix and not one.labels.get("id", "").startswith(use.id_prefix):
            return False
        track = self._vm_of(one, use.exporter) if use.is_vm else self._host_of(one, use.exporter)
        if track is None:
            return False
        values = one.values * use.factor
        is_absurd = (values < 0) | (values > MAX_BYTES)
        if is_absurd.any():
            text = "values below 0 or above 1 EiB are read as unknown"
            self._out.doubts.append(Note(f"{one.place}, {one.metric}", text, "look at the exporter"))
            values = np.where(is_absurd, np.nan, values)
        part = _Part(use.rank, tuple(sorted(one.labels.items())), one.times_s, values, one.place)
        track.parts.setdefault(use.figure, []).append(part)
        return True

    def _vm_of(self, one: Sampled, exporter: Exporter) -> Track | None:
        name = label(one.labels, exporter.vm_labels)
        if name is None:
            return None
        host = self._host_name(label(one.labels, exporter.host_labels))
        key = (label(one.labels, exporter.scope_labels) or "", name)
        uuid = label(one.labels, exporter.uuid_labels)
        track = self._vms.get((*key, uuid or "", host or ""))
        if track is None:
            track = Track(name, f"{one.place}, {one.metric}", host, key)
            self._vms[*key, uuid or "", host or ""] = track
        self._note_facts(track.facts, one.labels, exporter)
        return track

    def _host_of(self, one: Sampled, exporter: Exporter) -> Track | None:
        found = label(one.labels, exporter.host_id_labels)
        if found is None:
            return None
        prefix = next((prefix for prefix, kind in exporter.id_prefixes if kind == "host"), "")
        name = self._host_name(found.removeprefix(prefix)) or found
        track = self._out.hosts.setdefault(name, Track(name, f"{one.place}, {one.metric}", name))
        cluster = label(one.labels, exporter.cluster_labels)
        if cluster is not None:
            track.facts.setdefault("cluster", cluster)
        return track

    def _describe(self, one: Sampled, exporter: Exporter) -> bool:
        name = label(one.labels, exporter.vm_labels)
        if name is None or not len(one.times_s):
            return False
        key = (label(one.labels, exporter.scope_labels) or "", name)
        host = self._host_name(label(one.labels, exporter.host_labels))
        self._out.infos.setdefault(key, []).append(Info(one.labels, int(one.times_s[-1]), host))
        return True

    @staticmethod
    def _note_facts(facts: dict[str, str], labels: dict[str, str], exporter: Exporter) -> None:
        wanted = {"uuid": exporter.uuid_labels, "cluster": exporter.cluster_labels, "group": exporter.group_labels}
        for fact, names in wanted.items():
            value = label(labels, names)
            if value is not None:
                facts.setdefault(fact, value)

    def _host_name(self, written: str | None) -> str | None:
        """Name a host as its own kernel does, where that is known: exporters on it have ports of their own."""
        if written is None:
            return None
        short = _without_port(written)
        return self._host_names.get(short, short)

    def _join(self, parts: list[_Part]) -> Samples:
        """Join the series of one figure: the preferred metric first, the others where it has no sample."""
        parts = sorted(parts, key=lambda part: part.rank)
        first = parts[0]
        times, values = first.times_s, first.values
        for part in parts[1:]:
            shared, mine, other = np.intersect1d(times, part.times_s, assume_unique=False, return_indices=True)
            if part.rank == first.rank and len(shared):
                self._note_double(part, values[mine], part.values[other])
            is_new = ~np.isin(part.times_s, times[~np.isnan(values)])
            old = ~np.isin(times, part.times_s[is_new])
            times = np.concatenate([times[old], part.times_s[is_new]])
            values = np.concatenate([values[old], part.values[is_new]])
            order = np.argsort(times, kind="stable")
            times, values = times[order], values[order]
        return Samples(times, values)

    def _note_double(self, part: _Part, mine: np.ndarray, other: np.ndarray) -> None:
        with np.errstate(invalid="ignore"):
            differ = np.abs(mine - other) > _SAME * np.maximum(np.abs(mine), np.abs(other))
        text = "two series tell the same of one VM or host; the first is used"
        if differ.any():
            text = "two series of one VM or host contradict each other; the first is used"
        self._out.doubts.append(Note(part.place, text, "select one of them by its labels, such as its job"))


def _uses(exporter: Exporter) -> Iterator[tuple[str, _Use]]:
    """Turn an exporter's table round: from metric to figures."""
    for subject, table in (("vm", exporter.vm), ("host", exporter.host)):
        prefix = next((prefix for prefix, kind in exporter.id_prefixes if kind == subject), "")
        for figure, metrics in table.items():
            for rank, metric in enumerate(metrics):
                yield metric.name, _Use(exporter, subject == "vm", figure, rank, metric.factor, prefix)


def _why_not(one: Sampled) -> Note:
    if one.labels.get("id", "").startswith("lxc/"):
        return Note(f"{one.place}, {one.labels['id']}", "containers are no VMs and are left out")
    text = "series that say nothing of the memory of a VM or host are not used"
    return Note(one.metric or one.place, text)


def _without_port(instance: str) -> str:
    return _PORT.sub("", instance)
