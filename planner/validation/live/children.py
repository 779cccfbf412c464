"""Start a module of the planner as a process that hears from us through its stdin, and ends with it."""

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[3]


def start_module(name: str, *words: str) -> "subprocess.Popen[str]":
    """Start a module of this folder with stdin and stdout as pipes.

    In a session of its own: Ctrl-C is for this process, which then lets go of its children.
    """
    paths = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-m", f"planner.validation.live.{name}", *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
