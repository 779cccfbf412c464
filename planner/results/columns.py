"""Declared columns as Arrow types and schemas."""

from collections.abc import Sequence

import pyarrow as pa

from planner.schema import RESULTS_VERSION, Column

ARROW_TYPES: dict[str, pa.DataType] = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "list<int64>": pa.list_(pa.int64()),
}
VERSION_KEY = b"planner.results_version"


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the Arrow schema of a table; each field carries its unit and meaning."""
    fields = [
        pa.field(column.name, ARROW_TYPES[column.dtype], metadata={"unit": column.unit, "meaning": column.meaning})
        for column in columns
    ]
    return pa.schema(fields, metadata={VERSION_KEY: str(RESULTS_VERSION)})
