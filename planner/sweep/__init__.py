"""Axes -> scenarios -> host problems."""
