"""Numba loops over flat arrays: arrays in, arrays out; nothing of the planner is imported here."""
