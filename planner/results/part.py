"""A part file of a journal: many outcomes as one Arrow record batch behind a checksum. docs/decisions/0014 says why.

    16 bytes   "planner-part 1", padded
    32 bytes   BLAKE2b-256 of all that follows the head
     8 bytes   number of bytes that follow the head, little-endian
     8 bytes   zero
    then       an Arrow IPC file, uncompressed, with one record batch: a row per outcome

The values of VMs are lists, one per host. Nothing is unpickled or evaluated, and nothing is read before its checksum.
"""

import os
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa

from planner.host.problem import HostFailure, HostResult, Outcome
from planner.results.columns import ARROW_TYPES
from planner.results.files import sync_folder
from planner.schema import HOST_COLUMNS, VM_COLUMNS, Column

KEY, MESSAGE, IS_FINAL = "key", "message", "is_final"
_VM_PREFIX = "vm/"
_MAGIC = b"planner-part 1\0\0"
_HEAD_BYTES = 64
_DIGEST_BYTES = 32


class PartError(Exception):
    """A part file is damaged or foreign; the text says what is wrong with it."""


def vm_field(name: str) -> str:
    """Return the name under which a part has a column of `VM_COLUMNS`."""
    return _VM_PREFIX + name


HOST_VALUES = tuple(column for column in HOST_COLUMNS if column.simulated)
VM_VALUES = tuple(column for column in VM_COLUMNS if column.simulated)
PART_SCHEMA = pa.schema(
    [
        pa.field(KEY, pa.binary()),
        pa.field(MESSAGE, pa.string()),
        pa.field(IS_FINAL, pa.bool_()),
        *(pa.field(column.name, ARROW_TYPES[column.dtype]) for column in HOST_VALUES),
        *(pa.field(vm_field(column.name), pa.list_(ARROW_TYPES[column.dtype])) for column in VM_VALUES),
    ]
)


def outcome_batch(keys: Sequence[bytes], outcomes: Sequence[Outcome]) -> pa.RecordBatch:
    """Put outcomes into a record batch with `PART_SCHEMA`, a row each.

    A failed host has its message, null in every simulated column, and no VMs.
    """
    results = [outcome for outcome in outcomes if isinstance(outcome, HostResult)]
    rows = [outcome.host_row if isinstance(outcome, HostResult) else {} for outcome in outcomes]
    messages = [outcome.message if isinstance(outcome, HostFailure) else None for outcome in outcomes]
    finals = [outcome.is_final if isinstance(outcome, HostFailure) else True for outcome in outcomes]
    first = VM_VALUES[0].name
    counts = [len(outcome.vm_rows[first]) if isinstance(outcome, HostResult) else 0 for outcome in outcomes]
    offsets = pa.array(np.concatenate(([0], np.cumsum(counts))), type=pa.int32())
    arrays = [
        pa.array(keys, type=pa.binary()),
        pa.array(messages, type=pa.string()),
        pa.array(finals, type=pa.bool_()),
        *(pa.array([row.get(column.name) for row in rows], type=ARROW_TYPES[column.dtype]) for column in HOST_VALUES),
        *(pa.ListArray.from_arrays(offsets, _joined(results, column)) for column in VM_VALUES),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=PART_SCHEMA)


def write_part(path: Path, batch: pa.RecordBatch, notes: Mapping[str, str]) -> None:
    """Write a part under a temporary name, make it durable, and give it its name.

    Parameters
    ----------
    notes : mapping
        Stored beside the batch, for `read_part`.

    Raises
    ------
    OSError
        No space, no rights: then there is no such part.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema.with_metadata(dict(notes))) as writer:
        writer.write_batch(batch)
    body = memoryview(sink.getvalue())
    head = _MAGIC + _digest(body) + len(body).to_bytes(8, "little")
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(head.ljust(_HEAD_BYTES, b"\0"))
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        sync_folder(path.parent)
    except BaseException:
        for written in (temporary, path):
            written.unlink(missing_ok=True)
        raise


def read_part(path: Path) -> tuple[pa.RecordBatch, dict[str, str]]:
    """Read a whole part into memory and check it: its batch, and its notes.

    Raises
    ------
    PartError
        It is truncated, damaged, or not a part of this version.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PartError(f"cannot be read: {error.strerror}") from error
    if content[: len(_MAGIC)] != _MAGIC:
        raise PartError("is not a part of a journal of this version")
    body = memoryview(content)[_HEAD_BYTES:]
    digest_end = len(_MAGIC) + _DIGEST_BYTES
    if len(body) != int.from_bytes(content[digest_end : digest_end + 8], "little"):
        raise PartError("is truncated")
    if _digest(body) != content[len(_MAGIC) : digest_end]:
        raise PartError("is damaged: its checksum is wrong")
    try:
        batch = _only_batch(pa.ipc.open_file(pa.py_buffer(body)))
        batch.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise PartError(f"cannot be read as Arrow: {str(error).splitlines()[0]}") from error
    notes = {key.decode(): value.decode() for key, value in (batch.schema.metadata or {}).items()}
    return batch, notes


def map_part(path: Path) -> pa.RecordBatch:
    """Map a part that was checked, or written, before; only what is looked at is read."""
    buffer = pa.memory_map(str(path)).read_buffer()
    return _only_batch(pa.ipc.open_file(buffer.slice(_HEAD_BYTES)))


def _only_batch(reader: pa.RecordBatchFileReader) -> pa.RecordBatch:
    if reader.num_record_batches != 1 or not reader.schema.equals(PART_SCHEMA):
        raise pa.ArrowInvalid("other columns than this planner writes")
    return reader.get_batch(0)


def _digest(body: memoryview) -> bytes:
    return blake2b(body, digest_size=_DIGEST_BYTES).digest()


def _joined(results: Sequence[HostResult], column: Column) -> pa.Array:
    parts = [outcome.vm_rows[column.name] for outcome in results]
    return pa.array(np.concatenate(parts) if parts else np.empty(0)).cast(ARROW_TYPES[column.dtype])
