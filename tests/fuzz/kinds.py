"""Kinds of mutant: each writes its inputs into a folder and says which command line meets them."""

import random
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import yaml

from planner.config.change import ChangeSpec
from planner.config.spec import PlannerConfig
from tests.fuzz import corpus
from tests.fuzz.file_mutants import mutate_bytes, mutate_csv, mutate_json, mutate_parquet, plant, zip_of
from tests.fuzz.inventory_kinds import INVENTORY_KINDS, INVENTORY_SHARES
from tests.fuzz.judge import Case
from tests.fuzz.yaml_mutants import VALUES, Field, fields_of, mutate_text, mutate_values

Kind = Callable[[random.Random, Path, Path], Case]
"""Takes a generator, the folder to write to, and the folder of the corpus."""

LOCAL = ["--executor", "local"]


def config_text(rng: random.Random, folder: Path, made: Path) -> Case:
    """A config, mutated as text."""
    texts = corpus.configs()
    (folder / "config.yaml").write_bytes(mutate_text(rng, rng.choice(texts), texts))
    return Case(["check", "config.yaml"])


def config_values(rng: random.Random, folder: Path, made: Path) -> Case:
    """A config, mutated by its shape."""
    _write(folder / "config.yaml", mutate_values(rng, rng.choice(corpus.config_values()), _config_fields()))
    return Case(["check", "config.yaml", *_overrides(rng)])


def dry_run(rng: random.Random, folder: Path, made: Path) -> Case:
    """A config that may be right, placed and estimated."""
    values = rng.choice((*corpus.config_values()[:2], corpus.resolved_values()))
    _write(folder / "config.yaml", mutate_values(rng, values, _config_fields(), False))
    flags = [flag for flag in ("--json", "--adaptive", "--sensitivity") if rng.random() < 0.2]
    return Case(["sweep", "config.yaml", "--dry-run", *LOCAL, *flags, *_overrides(rng)])


def tiny_sweep(rng: random.Random, folder: Path, made: Path) -> Case:
    """A small config that may be right, simulated for real."""
    values = rng.choice((corpus.config_values()[0], corpus.resolved_values()))
    _write(folder / "config.yaml", mutate_values(rng, values, _config_fields(), False))
    return Case(["sweep", "config.yaml", *LOCAL, "--out", "run"], creates=("run",), allowed=(0, 2, 3))


def change(rng: random.Random, folder: Path, made: Path) -> Case:
    """A change file of a what-if over a small config that is right."""
    texts = corpus.change_texts()
    text = rng.choice(texts)
    if rng.random() < 0.4:
        (folder / "change.yaml").write_bytes(mutate_text(rng, text, texts))
    else:
        _write(folder / "change.yaml", mutate_values(rng, yaml.safe_load(text), _change_fields()))
    (folder / "config.yaml").write_text(corpus.SMALL)
    argv = ["whatif", "config.yaml", "change.yaml", *LOCAL, "--out", "out"]
    return Case(argv, creates=("out",), allowed=(0, 2, 3))


def targets(rng: random.Random, folder: Path, made: Path) -> Case:
    """A targets file of `planner validate`, listed, or run where its checks are quick."""
    entries = rng.sample(corpus.target_entries(), rng.choice((1, 1, 2)))
    if rng.random() < 0.3:
        text = yaml.safe_dump(entries, sort_keys=False)
        (folder / "targets.yaml").write_bytes(mutate_text(rng, text, (text, corpus.SMALL)))
    else:
        _write(folder / "targets.yaml", mutate_values(rng, entries, ()))
    run = ["--only", "fuzz-*"] if rng.random() < 0.5 else ["--list"]
    return Case(["validate", "--targets", "targets.yaml", *run], allowed=(0, 2, 3))


def runs(rng: random.Random, folder: Path, made: Path) -> Case:
    """A directory of measured runs given to `planner validate`."""
    source = corpus.ROOT / "planner" / "validation" / "data" / "testbed"
    for kind, names in (("ksm", ("clean_1.csv", "clean_1.json")), ("balloon", ("summary.csv",))):
        (folder / "runs" / kind).mkdir(parents=True)
        for name in names:
            shutil.copy(source / kind / name, folder / "runs" / kind / name)
    files = sorted(path for path in (folder / "runs").rglob("*") if path.is_file())
    victim = rng.choice(files)
    if rng.random() < 0.2:
        plant(rng, folder / "runs")
    elif victim.suffix == ".json":
        mutate_json(rng, victim)
    else:
        victim.write_bytes(mutate_csv(rng, victim.read_text(), ","))
    return Case(["validate", "--runs", "runs", "--list"])


def gwa(rng: random.Random, folder: Path, made: Path) -> Case:
    """A directory of Grid Workloads Archive traces."""
    dated = rng.random() < 0.3
    (folder / "rnd" / "2013-7").mkdir(parents=True)
    for vm in (1, 2):
        text = corpus.gwa_text(vm, rng.choice((2, 30, 60)), dated)
        data = mutate_csv(rng, text, ";") if vm == 1 else text.encode()
        (folder / "rnd" / "2013-7" / f"{vm}.csv").write_bytes(data)
    if rng.random() < 0.1:
        plant(rng, folder / "rnd")
    return Case(["import", "gwa", "rnd", "--out", "fleet"], creates=("fleet",), imports="fleet")


def gwa_zip(rng: random.Random, folder: Path, made: Path) -> Case:
    """An archive of traces: bombs, lies, passwords, other methods, broken bytes."""
    members = {f"rnd/2013-7/{vm}.csv": corpus.gwa_text(vm).encode() for vm in (1, 2)}
    if rng.random() < 0.3:
        members["rnd/2013-7/1.csv"] = mutate_csv(rng, corpus.gwa_text(1), ";")
    (folder / "traces.zip").write_bytes(zip_of(rng, members))
    return Case(["import", "gwa", "traces.zip", "--out", "fleet"], creates=("fleet",), imports="fleet")


def table(rng: random.Random, folder: Path, made: Path) -> Case:
    """A VM table and series, CSV."""
    texts = corpus.table_texts(is_long=rng.random() < 0.4)
    victim = rng.choice(sorted(texts))
    (folder / "tables").mkdir()
    for name, text in texts.items():
        data = mutate_csv(rng, text, ",") if name == victim else text.encode()
        (folder / "tables" / name).write_bytes(data)
    if rng.random() < 0.1:
        plant(rng, folder / "tables")
    options = (
        [], [], [], ["--tick", "5 min"], ["--tick", "1 s"], ["--active-unit", "MiB"], ["--granted-unit", "fraction"],
        ["--layout", "wide"], ["--layout", "long"], ["--tick", "0 s"], ["--active-unit", "parsec"],
    )  # fmt: skip
    return Case(
        ["import", "table", "tables", "--out", "fleet", *rng.choice(options)], creates=("fleet",), imports="fleet"
    )


def table_parquet(rng: random.Random, folder: Path, made: Path) -> Case:
    """A VM table and series as Parquet: those of a fleet directory, mutated."""
    (folder / "tables").mkdir()
    for name in ("vms", "active", "granted", "cpu"):
        shutil.copy(made / "fleet" / f"{name}.parquet", folder / "tables" / f"{name}.parquet")
    mutate_parquet(rng, folder / "tables" / f"{rng.choice(('vms', 'active', 'granted', 'cpu'))}.parquet")
    units = ["--active-unit", "bytes", "--granted-unit", "bytes"]
    return Case(["import", "table", "tables", "--out", "out", *units], creates=("out",), imports="out")


def fleet(rng: random.Random, folder: Path, made: Path) -> Case:
    """A fleet directory that a config names."""
    shutil.copytree(made / "fleet", folder / "fleet")
    (folder / "config.yaml").write_text(corpus.IMPORTED)
    what = rng.random()
    if what < 0.15:
        plant(rng, folder / "fleet")
    elif what < 0.45:
        mutate_json(rng, folder / "fleet" / "fleet.json")
    else:
        mutate_parquet(rng, rng.choice(sorted((folder / "fleet").glob("*.parquet"))))
    argv = ["sweep", "config.yaml", "--dry-run", *LOCAL] if rng.random() < 0.5 else ["check", "config.yaml"]
    return Case(argv)


def run_directory(rng: random.Random, folder: Path, made: Path) -> Case:
    """The directory of a sweep or of a what-if, drawn again."""
    source = "run" if rng.random() < 0.7 else "whatif"
    shutil.copytree(made / source, folder / "run")
    files = sorted(path for path in (folder / "run").rglob("*") if path.is_file() and path.suffix != ".html")
    victim = rng.choice(files)
    if rng.random() < 0.15:
        plant(rng, folder / "run")
    elif victim.suffix == ".json":
        mutate_json(rng, victim)
    elif victim.suffix == ".parquet":
        mutate_parquet(rng, victim)
    elif rng.random() < 0.5:
        _write(victim, mutate_values(rng, yaml.safe_load(victim.read_text()), _config_fields()))
    else:
        victim.write_bytes(mutate_bytes(rng, victim.read_bytes()))
    return Case(["report", "run", "--out", "page.html"], creates=("page.html",))


KINDS: dict[str, Kind] = {
    "config-text": config_text,
    "config-values": config_values,
    "dry-run": dry_run,
    "tiny-sweep": tiny_sweep,
    "change": change,
    "targets": targets,
    "runs": runs,
    "gwa": gwa,
    "gwa-zip": gwa_zip,
    "table": table,
    "table-parquet": table_parquet,
    "fleet": fleet,
    "run-directory": run_directory,
    **INVENTORY_KINDS,
}
SHARES: dict[str, int] = {
    "config-text": 28, "config-values": 28, "dry-run": 4, "tiny-sweep": 1, "change": 4, "targets": 4, "runs": 3,
    "gwa": 8,
    "gwa-zip": 4, "table": 6, "table-parquet": 3, "fleet": 5, "run-directory": 2,
    **INVENTORY_SHARES,
}  # fmt: skip
"""Cases of each kind against each other; the quick ones are many."""


@cache
def _config_fields() -> tuple[Field, ...]:
    return fields_of(PlannerConfig)


@cache
def _change_fields() -> tuple[Field, ...]:
    return fields_of(ChangeSpec)


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))


def _overrides(rng: random.Random) -> list[str]:
    if rng.random() < 0.85:
        return []
    path = rng.choice(("seed", "slo.confidence", "fleet.hosts[0].memory", "sweep.replicates", "x..y", "", "a[", "tick"))
    return ["--set", f"{path}{rng.choice(('=', '=', '=', ''))}{rng.choice(VALUES)}".replace("\0", "")[:2000]]
