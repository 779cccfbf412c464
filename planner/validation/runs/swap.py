"""Host swap runs: `swap/host_swap_miss.csv`, a row per run of one working set under a memory limit."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from planner.errors import InputError
from planner.validation.base import Expected
from planner.validation.runs.files import RunTable, read_run_table

CHECK = "swap-run"
FILE = "host_swap_miss.csv"
MISS_TOLERANCE = 0.02
MISS_TOLERANCE_RELATIVE = 0.05
_RESIDENT_MARGIN = 0.01
_REQUIRED = ("W", "dist", "frac", "miss_measured")
_LARGEST_ALPHA = 5.0
_DISTRIBUTIONS = {"u": "uniform", "uniform": "uniform", "z": "zipf", "zipf": "zipf"}


@dataclass(frozen=True)
class SwapRun:
    """One measured run.

    Attributes
    ----------
    name : str
        Unique within the file.
    working_set_mib : float
        Memory that is touched. [MiB]
    distribution : str
        "uniform" or "zipf".
    alpha : float
        Exponent of the Zipf law; 0 for uniform.
    limit_fraction : float
        Memory limit ÷ working set.
    resident_fraction : float
        Measured; NaN where it was not recorded.
    readahead_order : float
        Pages read at a swap-in, as a power of two (vm.page-cluster); NaN where it was not recorded.
    miss_ratio : float
        Measured major faults per access.
    """

    name: str
    working_set_mib: float
    distribution: str
    alpha: float
    limit_fraction: float
    resident_fraction: float
    readahead_order: float
    miss_ratio: float


def read_swap_runs(folder: Path) -> list[SwapRun]:
    """Read the runs of a folder, in the order of the file; rows whose law of references is not known are left out.

    Raises
    ------
    InputError
        The file is missing or broken, a value makes no sense, or no row is left.
    """
    table, problems = _known_rows(read_run_table(folder / FILE, _REQUIRED))
    if not table.rows:
        raise problems[0]
    working_set, limit, miss = (table.numbers(column) for column in ("W", "frac", "miss_measured"))
    table.check_range("W", working_set, (1e-3, np.inf))
    table.check_range("frac", limit, (1e-6, np.inf))
    table.check_range("miss_measured", miss, (0.0, 1.0))
    kinds = [_DISTRIBUTIONS[cells["dist"].lower()] for _, cells in table.rows]
    alpha = np.nan_to_num(table.numbers_or_nan("alpha"))
    table.check_range("alpha", alpha, (0.0, _LARGEST_ALPHA))
    resident, readahead = table.numbers_or_nan("resident_frac"), table.numbers_or_nan("pc")
    names = _unique_names(table)
    return [
        SwapRun(
            name=name,
            working_set_mib=float(working_set[n]),
            distribution=kinds[n],
            alpha=float(alpha[n]) if kinds[n] == "zipf" else 0.0,
            limit_fraction=float(limit[n]),
            resident_fraction=float(resident[n]),
            readahead_order=float(readahead[n]),
            miss_ratio=float(miss[n]),
        )
        for n, name in enumerate(names)
    ]


def unknown_swap_rows(folder: Path) -> list[InputError]:
    """List the rows of a readable file that cannot be replayed, because their law of references is not known."""
    return _known_rows(read_run_table(folder / FILE, _REQUIRED))[1]


def swap_expectations(runs: list[SwapRun]) -> dict[str, Expected]:
    """Say what a model must give for the runs of a file: `miss_NAME` for each."""
    return {
        f"miss_{run.name}": Expected(
            run.miss_ratio, absolute=MISS_TOLERANCE, relative=MISS_TOLERANCE_RELATIVE, note="; ".join(_remarks(run))
        )
        for run in runs
    }


def _remarks(run: SwapRun) -> list[str]:
    """Say what of a run the model does not know: a fault brings one page, and the working set has the whole limit."""
    found = []
    if run.readahead_order > 0:
        found.append(f"swap read-ahead of {2**run.readahead_order:.0f} pages is not modelled")
    if abs(run.resident_fraction - min(run.limit_fraction, 1.0)) > _RESIDENT_MARGIN:
        found.append(
            f"{run.resident_fraction:.1%} of the working set was in memory, the limit is {run.limit_fraction:.1%} of it"
        )
    return found


def _known_rows(table: RunTable) -> tuple[RunTable, list[InputError]]:
    known, problems = [], []
    for line, cells in table.rows:
        kind = _DISTRIBUTIONS.get(cells["dist"].lower())
        if kind is None:
            place = f"{table.path}, line {line}, column dist"
            problems.append(InputError(place, f'"{cells["dist"]}" is not known', "write u (uniform) or z (Zipf)"))
        elif kind == "zipf" and not cells.get("alpha"):
            place = f"{table.path}, line {line}, column alpha"
            problems.append(InputError(place, "is empty", "a Zipf run needs its exponent"))
        else:
            known.append((line, cells))
    return replace(table, rows=tuple(known)), problems


def _unique_names(table: RunTable) -> list[str]:
    names: list[str] = []
    for line, cells in table.rows:
        law = cells["dist"] + (cells.get("alpha", "") if _DISTRIBUTIONS[cells["dist"].lower()] == "zipf" else "")
        name = cells.get("tag") or f"{law}_W{cells['W']}_f{cells['frac']}"
        names.append(f"{name}_line{line}" if name in names else name)
    return names
