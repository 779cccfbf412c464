"""Fleets and their demand over time: generated, imported or listed."""
