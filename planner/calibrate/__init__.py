"""Measure this Linux host's own constants: what memory, page sharing and swapping cost on it.

Everything that is changed for it is changed back by the guard process of `planner.validation.live`. What cannot be
measured here is said to be unknown, with the reason; it is never zero.
"""

from planner.calibrate.measure import calibrate
from planner.calibrate.preset import write_preset
from planner.calibrate.result import Calibration, CalibrationOptions

__all__ = ["Calibration", "CalibrationOptions", "calibrate", "write_preset"]
