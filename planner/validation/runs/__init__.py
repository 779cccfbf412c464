"""Measurements of real machines: folders of runs, read and turned into targets. One file per kind of run.

A run that was measured elsewhere may have columns in another order, more of them, other sizes and lengths, or no base
counters: what can be done without is optional, what cannot is asked for with its place.
"""
