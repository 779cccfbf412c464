"""The commands: arguments, progress and exit codes only."""
