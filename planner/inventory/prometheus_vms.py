"""Make VMs and hosts out of sorted series: who is the same VM on another host, what is known of it, its demand."""

from collections.abc import Sequence

import numpy as np

from planner.inventory.found import FoundHost, FoundVm, Note, Power, Series
from planner.inventory.grid import check_grid, fill_rows, infer_tick_s, snap_to_grid
from planner.inventory.prometheus_exporters import Exporter
from planner.inventory.prometheus_tracks import Info, Samples, Sorted, Track, label
from planner.inventory.sizes import size_from_percent

_MOVE_S = 900
"""A VM that moves is told of by both hosts for a scrape or two, and for 5 min more by a range query. [s]"""
_STALE_TICKS = 3
_MOST_VCPUS = 100_000
_NAME_LABELS = ("instance_name", "name")
_MOVED = "moved between hosts while it was watched; it is taken to be on its last one"


def join_vms(found: Sorted, exporter: Exporter) -> list[Track]:
    """Join what several hosts tell of a VM into one, on its last host; name it as its users do.

    VMs of one name on several hosts at the same time are different ones, unless they have the same UUID.
    """
    by_identity: dict[tuple[str, ...], list[Track]] = {}
    for track in found.vms:
        _describe(track, found.infos.get(track.key, []), exporter, found.doubts)
        uuid = track.facts.get("uuid")
        by_identity.setdefault(("uuid", uuid) if uuid else track.key, []).append(track)
    vms: list[Track] = []
    for stays in by_identity.values():
        vms.extend(_join_stays(stays, found.doubts))
    kept = [vm for vm in vms if not _is_template(vm, found.skipped)]
    return sorted(kept, key=lambda vm: (vm.name, vm.key, vm.facts.get("uuid", ""), vm.host or ""))


def build_vm(track: Track, exporter: Exporter, end_s: int, tick_s: int | None, doubts: list[Note]) -> FoundVm:
    """Fill in a VM from its last samples."""
    configured = _configured_bytes(track, doubts)
    consumed = _whole(track.last("consumed"))
    if consumed is not None and configured is not None and exporter.is_resident:
        consumed = min(consumed, configured)
    ballooned, current = track.last("ballooned"), track.last("current")
    if ballooned is None and current is not None and configured is not None:
        ballooned = max(0.0, configured - current)
    vcpus = track.last("vcpus")
    knows_guest = any(track.last(name) is not None for name in ("usable", "unused", "available"))
    return FoundVm(
        name=track.name,
        place=track.place,
        uuid=track.facts.get("uuid"),
        power=_power(track, end_s, tick_s, doubts),
        configured_bytes=configured,
        vcpus=round(vcpus) if vcpus is not None and 1 <= vcpus <= _MOST_VCPUS else None,
        host=track.host,
        cluster=track.facts.get("cluster"),
        group=track.facts.get("group"),
        consumed_bytes=consumed,
        active_bytes=_whole(track.last("active")),
        used_bytes=_whole(_guest_used(track)),
        ballooned_bytes=_whole(ballooned),
        swapped_bytes=_whole(track.last("swapped")),
        shared_bytes=_whole(track.last("shared")),
        overhead_bytes=_whole(track.last("overhead")),
        has_balloon_driver=True if knows_guest else None,
    )


def build_host(track: Track, hypervisor: str, doubts: list[Note]) -> FoundHost:
    """Fill in a host from its last samples."""
    memory, available, used = track.last("memory"), track.last("available"), track.last("used")
    if used is None and memory is not None and available is not None:
        used = max(0.0, memory - available)
    _note_swap(track, doubts)
    cores = track.last("cores")
    return FoundHost(
        name=track.name,
        place=track.place,
        memory_bytes=_whole(memory) or None,
        cores=round(cores) if cores is not None and 1 <= cores <= _MOST_VCPUS else None,
        cluster=track.facts.get("cluster"),
        is_usable=not track.last("maintenance") and track.last("up") != 0,
        used_bytes=_whole(used),
        ballooned_bytes=_whole(track.last("ballooned")),
        swapped_bytes=_whole(track.last("swapped")),
        swap_bytes=_whole(track.last("swap")),
        hypervisor=hypervisor,
    )


def usual_tick_s(tracks: Sequence[Track], place: str) -> int | None:
    """Infer the time between samples [s]; None if nothing was sampled twice. Raises InputError as `infer_tick_s`."""
    times = [samples.times_s for track in tracks for samples in track.figures.values()]
    several = [stamps for stamps in times if len(np.unique(stamps)) > 1]
    return infer_tick_s(several, place) if several else None


def build_series(tracks: Sequence[Track], vms: Sequence[FoundVm], tick_s: int, place: str) -> Series | None:
    """Put demand on the tick grid; None if there is neither granted nor active memory of any VM.

    Raises
    ------
    InputError
        The grid would not fit into memory.
    """
    granted = [_on_ticks(_granted(track, vm), tick_s) for track, vm in zip(tracks, vms, strict=True)]
    active = [_on_ticks(_figure(track, "active"), tick_s) for track in tracks]
    busy = [_on_ticks(_busy(track, tick_s), tick_s) for track in tracks]
    ticks = [ticks for ticks, values in (*granted, *active) if len(ticks) and not np.isnan(values).all()]
    if not ticks:
        return None
    first = min(int(numbers.min()) for numbers in ticks)
    n_ticks = max(int(numbers.max()) for numbers in ticks) - first + 1
    check_grid(len(vms), n_ticks, tick_s, place)
    inside = [_inside(row, first, n_ticks) for row in busy]
    busy_vcpus = fill_rows(inside, first, n_ticks)
    return Series(
        first_time_s=first * tick_s,
        tick_s=tick_s,
        active_bytes=fill_rows([_inside(row, first, n_ticks) for row in active], first, n_ticks),
        granted_bytes=fill_rows([_inside(row, first, n_ticks) for row in granted], first, n_ticks),
        cpu_busy_vcpus=None if np.isnan(busy_vcpus).all() else busy_vcpus,
    )


def _describe(track: Track, infos: list[Info], exporter: Exporter, doubts: list[Note]) -> None:
    """Lay the labels of information metrics over a track: name, UUID, host and the like."""
    here = [info for info in infos if track.host is None or info.host in (None, track.host)]
    for info in sorted(here, key=lambda info: info.last_s):
        track.name = label(info.labels, _NAME_LABELS) or track.name
        for fact, names in (("uuid", exporter.uuid_labels), ("group", exporter.group_labels)):
            value = label(info.labels, names)
            if value is not None:
                track.facts.setdefault(fact, value)
        if info.labels.get("template") == "1":
            track.facts["template"] = "1"
    hosts = list(dict.fromkeys(info.host for info in sorted(here, key=lambda info: info.last_s) if info.host))
    if track.host is None and hosts:
        track.host = hosts[-1]
        _note_move(track, hosts, doubts)


def _note_move(track: Track, hosts: Sequence[str | None], doubts: list[Note]) -> None:
    if len(set(hosts)) > 1:
        path = " to ".join(host or "an unknown host" for host in hosts)
        doubts.append(Note(f"{track.place}, {track.name}: {path}", _MOVED))


def _join_stays(stays: list[Track], doubts: list[Note]) -> list[Track]:
    stays = sorted(stays, key=lambda stay: int(stay.times_s()[-1]) if len(stay.times_s()) else 0)
    joined = stays[0]
    different: list[Track] = []
    hosts = [joined.host]
    for stay in stays[1:]:
        if "uuid" not in stay.facts and _overlaps(joined, stay):
            different.append(joined)
            text = "several hosts have a VM of this name at the same time; they are taken for different VMs"
            doubts.append(Note(f"{stay.place}, {stay.name}", text, "an exporter that gives UUIDs would settle it"))
            joined, hosts = stay, [stay.host]
            continue
        hosts.append(stay.host)
        joined = _after(joined, stay)
    _note_move(joined, hosts, doubts)
    return [*different, joined]


def _overlaps(earlier: Track, later: Track) -> bool:
    """Whether both are told of for longer than a move takes, or one of them for no longer than the other is, too."""
    mine, other = earlier.times_s(), later.times_s()
    if not len(mine) or not len(other):
        return False
    shared_s = int(min(mine[-1], other[-1]) - max(mine[0], other[0]))
    is_within = mine[0] >= other[0] or other[-1] <= mine[-1]
    return shared_s > _MOVE_S or (shared_s >= 0 and is_within)


def _after(earlier: Track, later: Track) -> Track:
    """Join two stays of a VM; where both have samples, the later host's count."""
    figures = dict(later.figures)
    for name, old in earlier.figures.items():
        new = later.figures.get(name)
        if new is None:
            figures[name] = old
            continue
        kept = ~np.isin(old.times_s, new.times_s)
        times = np.concatenate([old.times_s[kept], new.times_s])
        order = np.argsort(times, kind="stable")
        figures[name] = Samples(times[order], np.concatenate([old.values[kept], new.values])[order])
    return Track(later.name, later.place, later.host, later.key, {**earlier.facts, **later.facts}, figures)


def _is_template(vm: Track, skipped: list[Note]) -> bool:
    if vm.facts.get("template") == "1" or vm.last("template"):
        skipped.append(Note(f"{vm.place}, {vm.name}", "templates do not run and are left out"))
        return True
    return False


def _configured_bytes(track: Track, doubts: list[Note]) -> int | None:
    samples = track.figures.get("configured")
    if samples is not None:
        known = np.unique(samples.values[samples.values > 0])
        if len(known) > 1:
            doubts.append(Note(f"{track.place}, {track.name}", "configured memory changed; the last size is used"))
        last = track.last("configured")
        return _whole(last) or None
    active, percent = track.figures.get("active"), track.figures.get("active_percent")
    if active is None or percent is None:
        return None
    _, mine, other = np.intersect1d(active.times_s, percent.times_s, return_indices=True)
    guess = size_from_percent(active.values[mine], percent.values[other])
    return guess.configured_bytes if guess else None


def _guest_used(track: Track) -> float | None:
    """Compute what the guest itself says it uses: without cache that it could drop, as far as it tells."""
    used, available = track.last("used"), track.last("available")
    usable, unused, cached = track.last("usable"), track.last("unused"), track.last("cached")
    if used is not None or available is None:
        return used
    if usable is not None:
        return max(0.0, available - usable)
    return None if unused is None or cached is None else max(0.0, available - unused - cached)


def _power(track: Track, end_s: int, tick_s: int | None, doubts: list[Note]) -> Power:
    times = track.times_s()
    last_s = int(times[-1]) if len(times) else 0
    if tick_s is not None and end_s - last_s > _STALE_TICKS * tick_s:
        text = "has no samples at the end of the time read: off, removed, or its exporter is down"
        doubts.append(Note(f"{track.place}, {track.name}", text))
        return Power.UNKNOWN
    state = track.last("power")
    return Power.ON if state is None or state > 0 else Power.OFF


def _note_swap(track: Track, doubts: list[Note]) -> None:
    """Tell swap in use with and without traffic apart: what was swapped once may lie there unneeded for months."""
    size, free = track.last("swap"), track.last("swap_free")
    if size is None or free is None or size - free <= 0:
        return
    traffic = track.figures.get("swap_in_pages")
    steps = np.diff(traffic.values) if traffic is not None else np.zeros(0)
    if not len(steps):
        text = "swap is in use; whether anything is swapped in is not known"
    elif np.nansum(steps[steps > 0]) > 0:
        text = "swap is in use, and pages were swapped in while it was watched"
    else:
        text = "swap is in use, but nothing was swapped in while it was watched: it may be stale"
    doubts.append(Note(f"{track.place}, {track.name}", text))


def _figure(track: Track, name: str) -> Samples:
    return track.figures.get(name, Samples(np.zeros(0, dtype=np.int64), np.zeros(0)))


def _granted(track: Track, vm: FoundVm) -> Samples:
    samples = track.figures.get("granted") or _figure(track, "consumed")
    if "granted" in track.figures or vm.configured_bytes is None:
        return samples
    return Samples(samples.times_s, np.minimum(samples.values, vm.configured_bytes))


def _busy(track: Track, tick_s: int) -> Samples:
    """Compute busy vCPUs: the rate of a counter of CPU time, or a share of the vCPUs."""
    counter = _figure(track, "cpu_seconds")
    if len(counter.times_s) > 1:
        passed_s, spent_s = np.diff(counter.times_s), np.diff(counter.values)
        # A counter that falls was reset; across a long gap the mean says nothing of a tick.
        is_sound = (passed_s > 0) & (spent_s >= 0) & (passed_s <= _STALE_TICKS * tick_s)
        rates = np.where(is_sound, spent_s / np.maximum(passed_s, 1), np.nan)
        return Samples(counter.times_s[1:], rates)
    ratio, vcpus = _figure(track, "cpu_ratio"), track.last("vcpus")
    return Samples(ratio.times_s, ratio.values * (np.nan if vcpus is None else vcpus))


def _on_ticks(samples: Samples, tick_s: int) -> tuple[np.ndarray, np.ndarray]:
    return snap_to_grid(samples.times_s, tick_s), samples.values


def _inside(row: tuple[np.ndarray, np.ndarray], first: int, n_ticks: int) -> tuple[np.ndarray, np.ndarray]:
    ticks, values = row
    is_inside = (ticks >= first) & (ticks < first + n_ticks) & ~np.isnan(values)
    return ticks[is_inside], values[is_inside]


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
