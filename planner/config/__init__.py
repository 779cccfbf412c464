"""YAML -> frozen specs; every problem reported at once with its place."""
