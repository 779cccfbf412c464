"""The run directory: tables, manifest, summary; written atomically."""

from planner.results.read import RunTables, read_run
from planner.results.store import RunContents, check_target, write_run

__all__ = ["RunContents", "RunTables", "check_target", "read_run", "write_run"]
