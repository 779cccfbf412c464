"""Whether a directory can be written is tried, also for root, and leaves no trace."""

import os
from pathlib import Path

import pytest

from planner.errors import InputError
from planner.results import check_target
from planner.targets import check_writable
from planner.workload.fleet_files import check_target as check_fleet_target

needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc: not Linux")
CHECKS = {"run": check_target, "fleet": lambda out: check_fleet_target(out, force=False)}


@needs_proc
@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("out", ["/proc/run", "/proc/deeper/run"])
def test_a_directory_that_even_root_cannot_make_is_refused(check, out):
    with pytest.raises(InputError, match=rf"{out}: cannot be made: .*; name another directory with --out"):
        check(Path(out))


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_nothing_is_left_behind(check, tmp_path):
    check(tmp_path / "new" / "deeper" / "run")
    assert not any(tmp_path.iterdir())


def test_parents_that_were_made_before_it_failed_are_removed(tmp_path):
    with pytest.raises(InputError, match="cannot be made: File name too long"):
        check_writable(tmp_path / "new" / ("x" * 250) / ("y" * 250))
    assert not any(tmp_path.iterdir())


def test_parents_with_something_in_them_stay(tmp_path):
    (tmp_path / "old").mkdir()
    check_writable(tmp_path / "old" / "run")
    assert os.listdir(tmp_path) == ["old"]  # noqa: PTH208 (names are enough)


def test_what_cannot_be_replaced_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is where the command runs"):
        check_writable(Path())
    monkeypatch.setattr("os.path.ismount", lambda path: path == tmp_path / "volume")
    with pytest.raises(InputError, match="is a mount point and cannot be replaced; name a directory in it"):
        check_writable(tmp_path / "volume")


def test_a_url_is_not_taken_for_a_directory():
    with pytest.raises(InputError, match="s3:/bucket/run: is a URL, not a directory; write to a directory and copy"):
        check_writable(Path("s3://bucket/run"))
