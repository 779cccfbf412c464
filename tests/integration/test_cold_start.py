"""Commands that simulate nothing import nothing heavy: that is what makes them answer at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[2] / "cluster_configs"
HEAVY = {"numba", "llvmlite", "ray", "pandas", "pyarrow", "scipy", "plotly", "jinja2", "highspy"}
COMMANDS = {
    "help": (["--help"], 0, {*HEAVY, "numpy", "pydantic", "yaml"}),
    "version": (["--version"], 0, {*HEAVY, "numpy", "pydantic", "yaml"}),
    "unknown command": (["nonsense"], 2, {*HEAVY, "numpy", "yaml"}),
    "help of a command": (["sweep", "--help"], 0, {*HEAVY, "numpy", "yaml"}),
    "check": (["check", str(CONFIGS / "demo.yaml")], 0, HEAVY),
    "check of listed VMs and rules": (["check", str(CONFIGS / "rules.yaml")], 0, HEAVY),
    "check of a config that is wrong": (["check", str(CONFIGS / "demo.yaml"), "--set", "tick=5"], 2, HEAVY),
    "schema": (["schema"], 0, HEAVY),
}
ENTRY = """
import json, sys
from planner.cli.main import main
code = main(sys.argv[1:])
print("\\n" + json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_heavy_is_imported(name):
    argv, expected_code, forbidden = COMMANDS[name]
    done = subprocess.run([sys.executable, "-c", ENTRY, *argv], capture_output=True, text=True, check=True)
    code, loaded = json.loads(done.stdout.splitlines()[-1])
    assert code == expected_code
    assert not forbidden & set(loaded)
