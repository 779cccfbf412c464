"""Find measured runs in a folder and turn them into targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from planner.errors import InputError
from planner.validation.base import Expected, Target
from planner.validation.runs import balloon, ksm, ksm_expected, page_ids, swap

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
    problems : tuple of InputError
        Runs that cannot be read; the others are there all the same.
    """

    targets: tuple[Target, ...]
    notes: tuple[str, ...]
    problems: tuple[InputError, ...]


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
        There is no such folder, or no run in it.
    """
    if not folder.is_dir():
        what = "is a file, not a directory" if folder.exists() else "no such directory"
        raise InputError(str(folder), what, _LAYOUT)
    places = {kind: folder / kind if (folder / kind).is_dir() else folder for kind in ("ksm", "swap", "balloon")}
    reads = [
        *(partial(_ksm_targets, places["ksm"], name, label) for name in ksm.find_ksm_runs(places["ksm"])),
        partial(_swap_targets, places["swap"], label),
        partial(_balloon_targets, places["balloon"], label),
        *(partial(_page_id_targets, path, label) for path in sorted(folder.glob(page_ids.PATTERN))),
    ]
    targets: list[Target] = []
    problems: list[InputError] = []
    for read in reads:
        try:
            targets += read()
        except InputError as error:
            problems.append(error)
    if any(target.check == swap.CHECK for target in targets):
        problems += swap.unknown_swap_rows(places["swap"])
    notes = [
        f"{target.name} is left out: nothing in it was ever short of memory"
        for target in targets
        if not target.expected
    ]
    notes += _left_out(folder, places)
    usable = tuple(target for target in targets if target.expected)
    if not usable and not problems:
        raise InputError(str(folder), "no runs found", "; ".join((_LAYOUT, *notes)))
    return FoundRuns(usable, tuple(notes), tuple(problems))


def _ksm_targets(folder: Path, name: str, label: str) -> list[Target]:
    run = ksm.read_ksm_run(folder, name)
    spec = run.spec
    title = f"KSM, {name}: {spec.procs} × {spec.mib:g} MiB, {spec.zero * 100:g} % zero, {spec.common * 100:g} % common"
    config = {"directory": str(folder.resolve()), "run": name}
    return [_target(f"{label}/ksm/{name}", title, ksm.CHECK, config, ksm_expected.ksm_expectations(run))]


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


def _page_id_targets(path: Path, label: str) -> list[Target]:
    guests = page_ids.read_page_ids(path)
    title = f"Duplicates among the pages of {len(guests)} guests, found by the scanner"
    expected = page_ids.page_id_expectations(guests)
    return [_target(f"{label}/{path.stem}", title, page_ids.CHECK, {"file": str(path.resolve())}, expected)]


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
        notes += [f"{path} is left out: {_why_no_run(path)}" for path in files if stems.count(path.stem) == 1]
    for path in sorted(folder.glob(page_ids.PATTERN)):
        notes += _left_out_columns(path)
    others = [path for path in sorted(folder.iterdir()) if path.is_dir() and path not in places.values()]
    notes += [f"{path} is left out: only ksm, swap and balloon are read" for path in others]
    return notes


def _left_out_columns(path: Path) -> list[str]:
    try:
        columns = page_ids.left_out_columns(path, page_ids.read_page_ids(path))
    except InputError:
        return []
    return [f"{path}, column {name} is left out: it holds no whole numbers" for name in columns]


def _why_no_run(path: Path) -> str:
    if path.suffix == ".csv" and not ksm.is_ksm_table(path):
        return "it has no counters of KSM"
    return f"{path.with_suffix('.json' if path.suffix == '.csv' else '.csv').name} is missing"
