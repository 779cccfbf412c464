"""A log of fuzzing that was cut off within a line goes on behind the last whole one."""

from tests.fuzz.__main__ import _entries, _next_number, _record, _report


def entry(number, **more):
    return {"number": number, "kind": "gwa", "code": 2, "s": 0.25, **more}


def test_a_torn_last_line_is_made_again(tmp_path, capsys):
    log = tmp_path / "log.jsonl"
    for number in range(2):
        _record(log, entry(number))
    with log.open("a") as file:
        file.write('{"number": 2, "ki')
    assert _next_number(log) == 2
    _record(log, entry(2, problems=["hang"]))
    assert [found["number"] for found in _entries(log)] == [0, 1, 2]
    assert _report(log) == 1
    # 3 x 0.25 s
    assert capsys.readouterr().out.splitlines()[-1] == "3 cases, 1 findings, 1 s of CPU"


def test_a_log_of_one_torn_line_starts_anew(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"number": 0')
    assert _next_number(log) == 0
    assert log.read_text() == ""
