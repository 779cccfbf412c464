"""Translation tables kept on disk beside the compiled kernels: measured once per installation, not once per process.

A table is a pure function of the CPU, the law, the streams and the code that measures it; their digest names its file.
Measuring took a second of CPU for every tail in every process of a sweep.
"""

import hashlib
import os
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np

from planner.config.cpu import CpuSpec
from planner.host import layout, reference_stream, translation
from planner.host.reference_stream import StreamAssumptions
from planner.host.translation import ACTIVE_LOG2_BYTES, SMALL_FRACTIONS, TABLE_EFFORT, build_translation_table
from planner.kernels.overhead import OverheadTable

_SHAPE = (len(ACTIVE_LOG2_BYTES), len(SMALL_FRACTIONS))
_DIGEST_BYTES = hashlib.sha256().digest_size


def load_or_measure(cpu: CpuSpec, law_alpha: float, assumptions: StreamAssumptions) -> OverheadTable:
    """Return the table of `build_translation_table` with seed 0, from disk where it has been measured before.

    Notes
    -----
    Kept in the folder that NUMBA_CACHE_DIR names, which belongs to one state of the kernels; without it nothing is.
    A file that is broken, or cannot be written, costs nothing but the time to measure again.
    """
    path = _path(cpu, law_alpha, assumptions)
    overhead = None if path is None else _read(path)
    if overhead is None:
        table = build_translation_table(cpu, law_alpha, 0, assumptions).arrays
        if path is not None:
            _write(path, table.overhead)
        return table
    return OverheadTable(_fixed(ACTIVE_LOG2_BYTES), _fixed(SMALL_FRACTIONS), overhead)


def _path(cpu: CpuSpec, law_alpha: float, assumptions: StreamAssumptions) -> Path | None:
    folder = os.environ.get("NUMBA_CACHE_DIR")
    if not folder:
        return None
    what = repr((cpu.model_dump(), law_alpha, assumptions, TABLE_EFFORT, ACTIVE_LOG2_BYTES, SMALL_FRACTIONS))
    digest = hashlib.sha256(_code_digest() + what.encode())
    return Path(folder) / f"translation-{digest.hexdigest()[:24]}"


@lru_cache(1)
def _code_digest() -> bytes:
    """Hash the modules outside the kernels that a table depends on."""
    digest = hashlib.sha256()
    for module in (translation, reference_stream, layout):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.digest()


def _read(path: Path) -> np.ndarray | None:
    """Read a stored overhead; None where there is none, or it is not what was written."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    digest, values = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
    if len(values) != 8 * _SHAPE[0] * _SHAPE[1] or hashlib.sha256(values).digest() != digest:
        return None
    return np.frombuffer(values, dtype="<f8").reshape(_SHAPE)


def _write(path: Path, overhead: np.ndarray) -> None:
    """Write under another name first: a worker that reads at the same time sees a whole file or none."""
    values = overhead.astype("<f8").tobytes()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(values).digest() + values)
        Path(file.name).replace(path)


def _fixed(values: tuple[float, ...]) -> np.ndarray:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array
