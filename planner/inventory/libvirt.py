"""Read dumps of libvirt: domstats, dommemstat, nodeinfo, nodememstats (text or JSON) and domain XML, in any mixture.

Memory settings come from domain XML, the state of memory from domstats and dommemstat, hosts from nodeinfo and
nodememstats. Not read: what libvirt does not tell (active memory, what the host has swapped, what it shares).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from planner.errors import InputError
from planner.inventory.dump_files import Dump, parse_json, parse_xml, read_dumps
from planner.inventory.dump_values import MAX_TEXT, Values
from planner.inventory.found import Found, Note
from planner.inventory.libvirt_places import HostPlaces, own_name
from planner.inventory.libvirt_records import MAX_CLOCK_S, LibvirtDump, VmStats, fill_found
from planner.inventory.libvirt_text import HOST_KEYS, DomainValues, VirshText, memory_stat_key, parse_virsh
from planner.inventory.libvirt_xml import DomainXml, find_domains, read_domain
from planner.inventory.moments import check_one_moment
from planner.inventory.progress import Progress, no_progress

_EXPECTED = "expected virsh domstats, dommemstat, nodeinfo, nodememstats or dumpxml"
_NO_DOMAINS = ("host", "hostname", "nodeinfo", "nodememstats", "node")
_CLOCK = "balloon.last-update"
_NAMES = ("name", "domain", "Domain", "dom")


class _Text(NamedTuple):
    """Output of virsh in a file. `host`: its host, where a JSON file says it."""

    dump: Dump
    virsh: VirshText
    host: str | None = None


class _Files(NamedTuple):
    """What was read, before it is known which host each file is of."""

    places: HostPlaces
    texts: list[_Text]
    xmls: list[tuple[Dump, DomainXml]]


def read_libvirt(sources: Sequence[Path], progress: Progress = no_progress) -> Found:
    """Read files and directories of dumps, of one or several hosts.

    Parameters
    ----------
    sources : sequence of Path
        A host is named by a file `hostname` beside its dumps, else by the name of the file (`kvm-01.domstats.txt`),
        else by the directory. A file of dommemstat is named after its VM.

    Raises
    ------
    InputError
        A file is broken, or none holds a VM.
    """
    found = Found(source=f"libvirt: {', '.join(str(source) for source in sources)}", hypervisor="kvm")
    files = _Files(HostPlaces(), [], [])
    for dump in read_dumps(sources, found.skipped, progress):
        _sort(dump, files, found)
    hosts, stats = _place_texts(files, found)
    if not stats and not files.xmls:
        raise InputError(", ".join(map(str, sources)), "holds no VMs of libvirt", _EXPECTED)
    xmls = _place_xmls(files, stats, found)
    fill_found(found, LibvirtDump(hosts, stats, xmls))
    return found


def _sort(dump: Dump, files: _Files, found: Found) -> None:
    """Tell what a file holds and parse it."""
    kept = dump._replace(text="")
    if dump.looks_like_xml:
        domains = find_domains(parse_xml(dump.text, dump.place))
        files.xmls.extend((kept, read_domain(domain, dump.place, found.doubts)) for domain in domains)
        _count(dump, len(domains), found)
        return
    if dump.looks_like_json:
        text = _read_json(parse_json(dump), kept)
    elif own_name(dump) in ("", "hostname") and len(dump.text.split()) == 1:
        files.places.add_hostname(dump, dump.text.split()[0][:253])
        found.read[dump.place] = 1
        return
    else:
        text = _Text(kept, parse_virsh(dump.text))
    _count(dump, 0 if text.virsh.is_empty else max(1, len(text.virsh.domains)), found)
    if not text.virsh.is_empty:
        files.texts.append(text)
        _note_lines(dump, text.virsh, found)


def _count(dump: Dump, n_records: int, found: Found) -> None:
    if n_records:
        found.read[dump.place] = n_records
    else:
        found.skipped.append(Note(dump.place, "the file holds nothing of libvirt that is read", _EXPECTED))


def _note_lines(dump: Dump, text: VirshText, found: Found) -> None:
    word = "item" if dump.looks_like_json else "line"
    message = f"the {word} is not understood"
    found.skipped += [Note(f"{dump.place}, {word} {number}", message) for number in text.unknown_lines]
    if text.is_cut_off:
        found.doubts.append(Note(dump.place, "the last line has no end: the file may be cut off", "export it again"))


def _read_json(data: Any, dump: Dump) -> _Text:
    """Read domstats as JSON: a list of VMs, or VMs by name; their values flat, nested, or under "stats"."""
    envelope = data if isinstance(data, Mapping) else {}
    host = next((envelope[key] for key in ("host", "hostname") if isinstance(envelope.get(key), str)), None)
    node: dict[str, str] = {}
    for key in ("nodeinfo", "nodememstats", "node"):
        node |= {HOST_KEYS.get(k, k): str(v) for k, v in _mapping(envelope.get(key)).items() if not isinstance(v, dict)}
    inner = next((envelope[key] for key in ("domains", "domstats", "vms") if key in envelope), data)
    domains, unknown = _json_domains(inner)
    return _Text(dump, VirshText(domains, node, unknown, is_cut_off=False), host)


def _json_domains(data: Any) -> tuple[list[DomainValues], list[int]]:
    """List VMs, and the numbers of the items that are none."""
    if isinstance(data, list):
        named = [(next((item[key] for key in _NAMES if key in item), None), item) for item in map(_mapping, data)]
    else:
        named = [(name, _mapping(item)) for name, item in _mapping(data).items()]
    domains: list[DomainValues] = []
    unknown: list[int] = []
    for number, (name, item) in enumerate(named, start=1):
        values = _flat(_mapping(item.get("stats")) or item)
        is_vm = any(key.startswith(("balloon.", "state.")) for key in values)
        if is_vm and isinstance(name, str) and len(name) <= MAX_TEXT:
            domains.append(DomainValues(name, values, number))
        elif not (isinstance(name, str) and name in _NO_DOMAINS):
            unknown.append(number)
    return domains, unknown


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Name values as domstats does, whether they are nested, from dommemstat or so named already."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": item for inner, item in value.items()}
        elif "." in key:
            flat[key] = value
        elif key not in _NAMES:
            flat[memory_stat_key(key)] = value
    return flat


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _place_texts(files: _Files, found: Found) -> tuple[dict[str, dict[str, str]], dict[tuple[str, str], VmStats]]:
    """Give each output of virsh its host; join what several files say of a host or VM."""
    hosts: dict[str, dict[str, str]] = {}
    stats: dict[tuple[str, str], VmStats] = {}
    of_vms = [text for text in files.texts if text.host is None and _is_of_one_vm(text)]
    of_hosts = [text for text in files.texts if text.host is not None or not _is_of_one_vm(text)]
    named = [(text, text.host or files.places.host_of(text.dump)) for text in of_hosts]
    for text, known in named:
        host = known or files.places.host_by_folder(text.dump)
        hosts.setdefault(host, {"place": text.dump.place})
        hosts[host] |= {key: value for key, value in text.virsh.host.items() if key not in hosts[host]}
        for domain in text.virsh.domains:
            if not (domain.name or "").strip():
                found.skipped.append(Note(f"{text.dump.place}, line {domain.line}", "a VM without a name is left out"))
            elif domain.name is not None:
                _add_stats(stats, (host, domain.name), domain, text.dump, found)
    for text in of_vms:
        _place_vm(text, files.places, stats, found)
    for host in sorted({host for host, _ in stats if host}):
        hosts.setdefault(host, {"place": f"host {host}"})
    return hosts, stats


def _is_of_one_vm(text: _Text) -> bool:
    return not text.virsh.host and [domain.name for domain in text.virsh.domains] == [None]


def _place_vm(text: _Text, places: HostPlaces, stats: dict[tuple[str, str], VmStats], found: Found) -> None:
    """Join a file of dommemstat, named after its VM, to that VM."""
    name = own_name(text.dump)
    hosts = places.hosts_of_vm(text.dump)
    known = [(host, name) for host in sorted(hosts) if (host, name) in stats]
    if not hosts:
        known = [key for key in stats if key[1] == name]
    if not known and len(hosts) <= 1 and name:
        known = [(next(iter(hosts), ""), name)]
    if len(known) != 1:
        remedy = "name the file VM.dommemstat.txt and put it into a directory of its host"
        found.skipped.append(Note(text.dump.place, "it is not known which VM the file is of", remedy))
        return
    _add_stats(stats, known[0], text.virsh.domains[0], text.dump, found)


def _add_stats(
    stats: dict[tuple[str, str], VmStats], key: tuple[str, str], domain: DomainValues, dump: Dump, found: Found
) -> None:
    place = f"{dump.place}, domain {key[1][:200]}"
    if key not in stats:
        stats[key] = VmStats(place, dict(domain.values))
        return
    check_one_moment(
        (stats[key].place, Values(stats[key].values, place, found.doubts).whole(_CLOCK, most=MAX_CLOCK_S)),
        (place, Values(domain.values, place, found.doubts).whole(_CLOCK, most=MAX_CLOCK_S)),
    )
    new = {name: value for name, value in domain.values.items() if name not in stats[key].values}
    if not new:
        found.skipped.append(Note(f"{place}, line {domain.line}", "the VM is there twice; the first is used"))
    stats[key].values.update(new)


def _place_xmls(
    files: _Files, stats: dict[tuple[str, str], VmStats], found: Found
) -> dict[tuple[str | None, str], DomainXml]:
    """Give each XML its host: that of its directory, or of the only VM of its name."""
    xmls: dict[tuple[str | None, str], DomainXml] = {}
    by_name: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for host, name in stats:
        by_name[name].append((host, name))
    for dump, xml in files.xmls:
        hosts = files.places.hosts_of_vm(dump)
        known = by_name[xml.name]
        known = [key for key in known if key[0] in hosts] or known
        if len(known) > 1:
            remedy = "put the XML of each host into a directory of its own, with its domstats"
            found.skipped.append(Note(xml.place, "several hosts have a VM of this name; the XML is left out", remedy))
            continue
        key = known[0] if known else (next(iter(hosts)) if len(hosts) == 1 else None, xml.name)
        if key in xmls:
            found.skipped.append(Note(xml.place, "the VM is there twice; the first is used"))
        xmls.setdefault(key, xml)
    return xmls
