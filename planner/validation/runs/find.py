"""Find measured runs in a folder and turn them into targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from planner.errors import InputError
from planner.validation.base import Expected, Target
from planner.validation.runs import balloon, ksm, page_ids, swap

_LAYOUT = (
    "expected ksm/NAME.csv with NAME.json, swap/host_swap_miss.csv, balloon/summary.csv or page_ids*.parquet, "
    "see docs/validation.md"
)


@dataclass(frozen=True)
class FoundRuns:
    """What a folder holds.

    Attributes
    ----------
    targets : tuple of Target
    notes : tuple of str
        Files that look like measurements and are not used, and why.
    """

    targets: tuple[Target, ...]
    notes: tuple[str, ...]


def find_runs(folder: Path, label: str) -> FoundRuns:
    """Find the runs of a folder laid out in `ksm/`, `swap/` and `balloon/`, or of one of these folders itself.

    Parameters
    ----------
    folder : Path
    label : str
        Start of the targets' names.

    Raises
    ------
    InputError
        There is no such folder, no run in it, or a run is broken.
    """
    if not folder.is_dir():
        what = "is a file, not a directory" if folder.exists() else "no such directory"
        raise InputError(str(folder), what, _LAYOUT)
    places = {kind: folder / kind if (folder / kind).is_dir() else folder for kind in ("ksm", "swap", "balloon")}
    targets = [
        *_ksm_targets(places["ksm"], label),
        *_swap_targets(places["swap"], label),
        *_balloon_targets(places["balloon"], label),
        *_page_id_targets(folder, label),
    ]
    notes = [
        f"{target.name} is left out: nothing in it was ever short of memory"
        for target in targets
        if not target.expected
    ]
    notes += _left_out(folder, places)
    usable = tuple(target for target in targets if target.expected)
    if not usable:
        raise InputError(str(folder), "no runs found", "; ".join((_LAYOUT, *notes)))
    return FoundRuns(usable, tuple(notes))


def _ksm_targets(folder: Path, label: str) -> list[Target]:
    targets = []
    for name in ksm.find_ksm_runs(folder):
        run = ksm.read_ksm_run(folder, name)
        spec = run.spec
        title = f"KSM, {name}: {spec.procs} × {spec.mib:g} MiB, {spec.zero:.0%} zero, {spec.common:.0%} common"
        config = {"directory": str(folder.resolve()), "run": name}
        expected = ksm.ksm_expectations(run)
        targets.append(_target(f"{label}/ksm/{name}", title, ksm.CHECK, config, expected))
    return targets


def _swap_targets(folder: Path, label: str) -> list[Target]:
    if not (folder / swap.FILE).exists():
        return []
    runs = swap.read_swap_runs(folder)
    title = f"Host swap: miss ratios of {len(runs)} runs under a memory limit"
    config = {"directory": str(folder.resolve())}
    return [_target(f"{label}/swap", title, swap.CHECK, config, swap.swap_expectations(runs))]


def _balloon_targets(folder: Path, label: str) -> list[Target]:
    if not (folder / balloon.FILE).exists():
        return []
    means = {"balloon": "its balloon", "hostswap": "a limit and host swap"}
    targets = []
    for run in balloon.read_balloon_runs(folder):
        title = f"{run.name}: guest with {run.working_set_mib:g} MiB in use, squeezed by {means[run.mode]}"
        config = {"directory": str(folder.resolve()), "run": run.name}
        expected = balloon.balloon_expectations(run)
        targets.append(_target(f"{label}/balloon/{run.name}", title, balloon.CHECK, config, expected))
    return targets


def _page_id_targets(folder: Path, label: str) -> list[Target]:
    targets = []
    for path in sorted(folder.glob(page_ids.PATTERN)):
        guests = page_ids.read_page_ids(path)
        title = f"Duplicates among the pages of {len(guests)} guests, found by the scanner"
        expected = page_ids.page_id_expectations(guests)
        targets.append(_target(f"{label}/{path.stem}", title, page_ids.CHECK, {"file": str(path.resolve())}, expected))
    return targets


def _target(name: str, title: str, check: str, config: Mapping[str, str], expected: Mapping[str, Expected]) -> Target:
    source = f"measured: {config.get('file') or config['directory']}"
    return Target(name, title, "real kernel", source, check, config, expected)


def _left_out(folder: Path, places: Mapping[str, Path]) -> list[str]:
    """Say what lies there and is not used: folders without the file that is read, half of a KSM run, other folders."""
    notes = []
    for kind, file in (("swap", swap.FILE), ("balloon", balloon.FILE)):
        if places[kind] != folder and not (places[kind] / file).exists():
            notes.append(f"{places[kind]} is left out: it has no {file}")
    if places["ksm"] != folder:
        files = sorted(path for path in places["ksm"].iterdir() if path.suffix in (".csv", ".json"))
        stems = [path.stem for path in files]
        notes += [f"{path} is left out: {_partner(path)} is missing" for path in files if stems.count(path.stem) == 1]
    others = [path for path in sorted(folder.iterdir()) if path.is_dir() and path not in places.values()]
    notes += [f"{path} is left out: only ksm, swap and balloon are read" for path in others]
    return notes


def _partner(path: Path) -> str:
    return path.with_suffix(".json" if path.suffix == ".csv" else ".csv").name
