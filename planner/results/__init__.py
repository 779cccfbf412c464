"""The run directory: tables, manifest, summary; written atomically."""
