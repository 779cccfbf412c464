"""A slice of the fuzzing that `make fuzz` does at length: the same cases every time, 20 s of CPU in all."""

import pytest

from tests.fuzz.corpus import make_corpus
from tests.fuzz.kinds import KINDS, SHARES
from tests.fuzz.run import run_number

CASES = 1000
SEED = 1


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder)
    return folder


def test_every_kind_has_a_share():
    assert sorted(KINDS) == sorted(SHARES)


def marked(kind):
    """Targets run checks whose kernels may first have to be compiled: too long for the watchdog of a cold start."""
    return pytest.param(kind, marks=pytest.mark.slow) if kind == "targets" else kind


@pytest.mark.parametrize("kind", [marked(kind) for kind in KINDS])
def test_no_mutant_is_ill_treated(kind, made, tmp_path):
    findings, codes = [], set()
    for number in range(CASES * SHARES[kind] // sum(SHARES.values())):
        folder = tmp_path / str(number)
        folder.mkdir()
        _, verdict = run_number(SEED, number, kind, folder, made)
        codes.add(verdict.code)
        if verdict.problems:
            findings.append((number, verdict.problems, verdict.message[-400:]))
    assert not findings
    # A folder of runs is listed as far as it can be read, beside the shipped targets.
    assert kind == "runs" or 2 in codes, "nothing was refused: these are no mutants"
