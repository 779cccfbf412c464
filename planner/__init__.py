"""Capacity planner for the memory of virtualized fleets."""

__version__ = "0.1.0"
