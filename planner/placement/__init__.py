"""Placement strategies, one per file, behind one Protocol and registry."""
