"""What decides the results of a run, so that an interrupted one is only continued by its like."""

import platform
from collections.abc import Iterator, Mapping
from dataclasses import fields
from hashlib import blake2b, file_digest
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import planner
from planner.config.spec import ImportedVms, PlannerConfig
from planner.workload.fleet import VmTable

_SIMULATION = ("config", "host", "kernels", "workload", "schema.py", "streams.py", "units.py")
"""Sources, below the package, that decide what comes of a host problem."""

_IN_WORDS = {
    "fleet": "the VMs or the files of the fleet are others",
    "versions.planner_sources": "the sources of the planner are others",
}
_SHOWN = 5


class RunIdentity(NamedTuple):
    """What decides the results of a run; all plain values.

    Attributes
    ----------
    command : str
        "sweep" or "whatif".
    config : dict
        The resolved config.
    changes : dict
        Change files of a what-if by the name of their case.
    fleet : str
        Digest of the VM table and, of an imported fleet, its files.
    versions : dict
        Of the planner, its sources, and what it computes with.
    """

    command: str
    config: dict[str, Any]
    changes: dict[str, Any]
    fleet: str
    versions: dict[str, str]

    def salt(self) -> bytes:
        """Return what decides outcomes beside the host problems themselves."""
        digest = blake2b(self.fleet.encode(), digest_size=16)
        digest.update(repr(sorted(self.versions.items())).encode())
        return digest.digest()

    def differences(self, earlier: Mapping[str, Any]) -> list[str]:
        """Say in what an earlier run, read from its journal, differs: "seed: 1 then, 2 now"."""
        now, then = dict(_leaves(self._asdict())), dict(_leaves(dict(earlier)))
        found = [
            _IN_WORDS.get(path)
            or f"{path.removeprefix('config.')}: {_shown(then.get(path))} then, {_shown(now.get(path))} now"
            for path in sorted({*now, *then})
            if then.get(path) != now.get(path)
        ]
        more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        return [*found[:_SHOWN], *more]


def identify_run(
    command: str, config: PlannerConfig, vms: VmTable, base_dir: Path, changes: Mapping[str, Any] | None = None
) -> RunIdentity:
    """Identify a run.

    Parameters
    ----------
    base_dir : Path
        Folder that a relative fleet directory is relative to.
    changes : mapping, optional
        Plain values.
    """
    folder = base_dir / config.fleet.vms.fleet if isinstance(config.fleet.vms, ImportedVms) else None
    return RunIdentity(
        command, config.model_dump(mode="json"), dict(changes or {}), fleet_digest(vms, folder), _versions()
    )


def fleet_digest(vms: VmTable, folder: Path | None) -> str:
    """Hash the VMs of a fleet and, where it was imported, the content of its files."""
    digest = blake2b(digest_size=16)
    for field in fields(vms):
        column = getattr(vms, field.name)
        digest.update(column.tobytes() if isinstance(column, np.ndarray) else repr(column).encode())
    for path in sorted(folder.iterdir()) if folder is not None else ():
        if path.is_file():
            with path.open("rb") as file:
                digest.update(path.name.encode() + file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def code_digest() -> str:
    """Hash the sources of what decides the outcome of a host problem: a version may be worked on."""
    package = Path(planner.__file__).parent
    digest = blake2b(digest_size=8)
    for name in _SIMULATION:
        place = package / name
        paths = sorted(place.rglob("*")) if place.is_dir() else [place]
        for path in paths:
            if path.suffix in (".py", ".yaml"):
                digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    return {
        "planner": planner.__version__,
        "planner_sources": code_digest(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "numba": version("numba"),
    }


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """List the values in nested mappings and lists with their paths."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and value:
        for number, item in enumerate(value):
            yield from _leaves(item, f"{path}[{number}]")
    else:
        yield path, list(value) if isinstance(value, tuple) else value


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)
