"""What the machine is short of, or a path that no file system takes, is said as such and not called a bug."""

import subprocess
import sys

import pytest

from planner.cli import check as check_module
from planner.cli.main import main

LONG = "x" * 5000
CONFIG = "schema_version: 1\nseed: 1\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["check", LONG],
        ["report", LONG],
        ["import", "gwa", LONG, "--out", "fleet"],
        ["import", "table", ".", "--out", LONG],
    ],
)
def test_a_name_that_is_too_long(argv, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    message = capsys.readouterr().err
    assert "File name too long" in message
    assert "; " in message
    assert "bug" not in message
    assert list(tmp_path.iterdir()) == []


def test_memory(tmp_path, monkeypatch, capsys):
    def exhaust(*_):
        raise MemoryError

    monkeypatch.setattr(check_module, "load_config", exhaust)
    assert main(["check", str(tmp_path / "x.yaml")]) == 2
    assert capsys.readouterr().err.startswith("memory: there is not enough for this; lower fidelity.pages_per_vm")


def test_an_output_that_is_full():
    code = "import sys; from planner.cli.main import main; sys.exit(main(['schema']))"
    with open("/dev/full", "w") as full:  # noqa: PTH123 (a device)
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("output: No space left on device; check the path, its permissions and free space")
