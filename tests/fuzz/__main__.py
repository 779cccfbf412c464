"""Fuzz the command line: `python -m tests.fuzz --count 100000 --log FILE`. Restartable; a case is its seed and number.

The work is done in a child process with bounded memory. Where it dies, the case it was at is a finding, and another
child goes on behind it.
"""

import argparse
import faulthandler
import io
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import yaml

from planner.cli.environment import prepare_environment

CHILD_BYTES = 4 << 30
"""Address space that a child may map beyond what it has at its start; numpy, numba and pyarrow map much at once."""
CASES_PER_CHILD = 4000
STUCK_S = 180
NOT_BEGUN = 4


def main() -> int:
    options = _options()
    if options.child:
        return _child(options)
    options.log.parent.mkdir(parents=True, exist_ok=True)
    _drop_torn_line(options.log)
    number, stop_s = _next_number(options.log), time.monotonic() + options.seconds
    if options.only is not None:
        number = options.only
    end = number + 1 if options.only is not None else options.count
    while number < end and time.monotonic() < stop_s:
        upto = min(end, number + CASES_PER_CHILD)
        words = [sys.executable, "-m", "tests.fuzz", *sys.argv[1:], "--child", f"{number}:{upto}:{stop_s}"]
        done = subprocess.run(words, check=False, stderr=subprocess.PIPE, text=True)
        reached = _next_number(options.log) if options.only is None else end
        if done.returncode == NOT_BEGUN:
            sys.exit(done.stderr)
        if done.returncode != 0:
            text = f"the process died ({done.returncode}): {done.stderr[-2000:]}"
            _record(options.log, {"number": reached, "kind": "?", "code": None, "problems": [text]})
            reached += 1
        number = reached
    return _report(options.log)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzz the command line of the planner.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100_000, help="cases in all, earlier ones of the log included")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after this time; run again to go on")
    parser.add_argument("--kinds", default="", help="names, comma between; default all")
    parser.add_argument("--log", type=Path, default=Path("reports/fuzz.jsonl"), help="a line per case; read to go on")
    parser.add_argument("--keep", type=Path, help="folder for the inputs of findings")
    parser.add_argument("--only", type=int, help="run this case alone, and show what it prints")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def _child(options: argparse.Namespace) -> int:
    from tests.fuzz.corpus import make_corpus
    from tests.fuzz.judge import HANG, keep_what_never_changes
    from tests.fuzz.run import run_number

    first, last, stop_s = options.child.split(":")
    with tempfile.TemporaryDirectory(prefix="planner-fuzz-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        try:
            make_corpus(made)
        except RuntimeError as error:
            sys.stderr.write(str(error))
            return NOT_BEGUN
        keep_what_never_changes()
        _run_all_targets(Path(scratch))
        _bound_memory()
        warnings.simplefilter("always")  # not only the first of its kind
        for number in range(int(first), int(last)):
            if time.monotonic() > float(stop_s):
                break
            faulthandler.dump_traceback_later(STUCK_S, exit=True)
            folder = Path(scratch) / "case"
            folder.mkdir()
            kind, verdict = run_number(options.seed, number, options.kinds, folder, made)
            faulthandler.cancel_dump_traceback_later()
            if verdict.problems and options.keep:
                kept = options.keep / f"{number:06d}-{kind}"
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(folder, kept, symlinks=True, ignore_dangling_symlinks=True, copy_function=_copy)
            shutil.rmtree(folder, ignore_errors=True)
            if options.only is not None:
                print(kind, verdict.code, verdict.problems, f"{verdict.cpu_s:.3f} s", verdict.message, sep="\n")
            else:
                _record(options.log, _line(number, kind, verdict))
            if any(text.startswith(HANG) for text in verdict.problems):
                break  # what was interrupted may be half done: numba's compiler fails at anything afterwards
    return 0


def _run_all_targets(folder: Path) -> None:
    """Check every target that is mutated once: compiling its kernels is no hang."""
    from planner.cli.main import main as planner_main
    from tests.fuzz.corpus import target_entries

    path = folder / "targets.yaml"
    path.write_text(yaml.safe_dump(target_entries(), sort_keys=False), encoding="utf-8")
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        planner_main(["validate", "--targets", str(path), "--only", "fuzz-*"])


def _copy(source: str, target: str) -> None:
    path = Path(source)
    if path.is_file() and path.stat().st_size < 1 << 24:
        shutil.copy(source, target)


def _line(number: int, kind: str, verdict: object) -> dict[str, object]:
    found = {"number": number, "kind": kind, "code": verdict.code, "s": round(verdict.cpu_s, 3)}
    if verdict.problems:
        found |= {"problems": verdict.problems, "message": verdict.message[-1500:]}
    return found


def _bound_memory() -> None:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + CHILD_BYTES, resource.RLIM_INFINITY))


def _record(log: Path, entry: dict[str, object]) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def _entries(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _drop_torn_line(log: Path) -> None:
    """Cut off a last line that was being written when the machine stopped; its case is run again."""
    data = log.read_bytes() if log.exists() else b""
    if data and not data.endswith(b"\n"):
        log.write_bytes(data[: data.rfind(b"\n") + 1])


def _next_number(log: Path) -> int:
    """Give the number of the first case that is not in the log; a last line that was cut off is taken out of it."""
    data = log.read_bytes() if log.exists() else b""
    if not data.endswith(b"\n") and data:
        with log.open("r+b") as file:
            file.truncate(data.rfind(b"\n") + 1)
    return max((int(str(entry["number"])) for entry in _entries(log)), default=-1) + 1


def _report(log: Path) -> int:
    entries = _entries(log)
    print(f"{'kind':16} {'cases':>8} {'refused':>8} {'done':>8} {'findings':>8} {'CPU s':>8} {'slowest':>8}")
    for kind in [*sorted({str(entry["kind"]) for entry in entries}), ""]:
        mine = [entry for entry in entries if kind in ("", entry["kind"])]
        codes = Counter(entry["code"] for entry in mine)
        times = [float(str(entry.get("s", 0))) for entry in mine]
        found = sum("problems" in entry for entry in mine)
        print(
            f"{kind or 'all':16} {len(mine):8} {codes[2]:8} {codes[0] + codes[3]:8} {found:8} {sum(times):8.0f} "
            f"{max(times, default=0):8.2f}"
        )
    findings = sum("problems" in entry for entry in entries)
    cpu_s = sum(float(str(entry.get("s", 0))) for entry in entries)
    print(f"{len(entries):,} cases, {findings:,} findings, {cpu_s:,.0f} s of CPU")
    return 1 if findings else 0


if __name__ == "__main__":
    random.seed(0)
    prepare_environment(will_join_cluster=False)
    sys.exit(main())
