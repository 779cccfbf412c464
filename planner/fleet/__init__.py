"""Executors that run host problems: in this process or on Ray. The only place that imports Ray."""
