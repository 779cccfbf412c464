"""Parse what Prometheus' HTTP API answers to queries: range and instant results, of files or of a live server."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from planner.errors import InputError
from planner.input_files import loads_json, read_json
from planner.inventory.found import Note
from planner.inventory.grid import check_times
from planner.units import MIB

MAX_JSON_BYTES = 512 * MIB
"""1,000 VMs over 30 days in steps of 5 min are half of this, for one metric."""
_AGAIN = "expected what /api/v1/query_range answers; save it again"
_NAME = "__name__"


class Sampled(NamedTuple):
    """One series: its metric, other labels and samples. Samples that are no finite number are NaN.

    Attributes
    ----------
    times_s : int64 array
        Since 1970, ascending. [s]
    values : float64 array
    place : str
        File and number of the series, or the query, for messages.
    """

    metric: str
    labels: dict[str, str]
    times_s: np.ndarray
    values: np.ndarray
    place: str


@dataclass
class Parsed:
    """Series of one or more answers, and what is to be told about them."""

    series: list[Sampled] = field(default_factory=list)
    skipped: list[Note] = field(default_factory=list)
    doubts: list[Note] = field(default_factory=list)

    def take(self, more: "Parsed") -> None:
        """Take what other answers hold."""
        self.series += more.series
        self.skipped += more.skipped
        self.doubts += more.doubts


def read_answers(path: Path) -> Parsed:
    """Read a file: one answer of the HTTP API, a list of them, or a bare list of series as promtool prints it.

    Raises
    ------
    InputError
        Missing, too large, no JSON, an answer that is an error, or not of that shape.
    """
    loaded = read_json(path, _AGAIN, MAX_JSON_BYTES)
    parsed = Parsed()
    is_series = isinstance(loaded, list) and all(isinstance(part, dict) and "metric" in part for part in loaded)
    answers = loaded if isinstance(loaded, list) and not is_series else [loaded]
    for number, answer in enumerate(answers, start=1):
        place = str(path) if len(answers) == 1 else f"{path}, answer {number}"
        parsed.take(parse_answer(answer, place, path.stem))
    return parsed


def parse_text(text: bytes, place: str, metric: str) -> Parsed:
    """Parse one answer of the HTTP API to a query of one metric. Raises InputError."""
    try:
        loaded = loads_json(text)
    except (ValueError, RecursionError):
        raise InputError(place, "answers no JSON", "is it the address of a Prometheus server?") from None
    return parse_answer(loaded, place, metric)


def parse_answer(answer: Any, place: str, metric: str) -> Parsed:
    """Parse one answer.

    Parameters
    ----------
    answer : object
        As JSON has it.
    place : str
    metric : str
        What the series are of where they do not say, as after a function of PromQL.

    Raises
    ------
    InputError
        The answer is an error, or not of the expected shape.
    """
    parsed = Parsed()
    results = _results(answer, place, parsed)
    if not isinstance(results, list):
        raise InputError(place, "holds no list of series", _AGAIN)
    for number, result in enumerate(results, start=1):
        where = f"{place}, series {number}"
        if not isinstance(result, dict) or not isinstance(result.get("metric"), dict):
            raise InputError(where, "has no labels", _AGAIN)
        if "histogram" in result or "histograms" in result:
            parsed.skipped.append(Note(where, "histograms are not read", "query a gauge or counter"))
        if "values" in result or "value" in result:
            parsed.series.append(_sampled(result, where, metric, parsed.doubts))
    return parsed


def _results(answer: Any, place: str, parsed: Parsed) -> Any:
    """Unwrap the list of series, whatever it is wrapped in."""
    if isinstance(answer, list):
        return answer
    if not isinstance(answer, dict):
        raise InputError(place, "is no answer of Prometheus", _AGAIN)
    if answer.get("status", "success") != "success":
        reason = f"{answer.get('errorType', 'error')}: {answer.get('error', 'no reason given')}"
        raise InputError(
            place, f"is the answer to a failed query ({str(reason)[:300]})", "mend the query and try again"
        )
    for told in (answer.get("warnings"), answer.get("infos")):
        texts = told if isinstance(told, list) else []
        parsed.doubts.extend(Note(place, f"Prometheus says: {str(text)[:300]}") for text in texts)
    data = answer.get("data", answer)
    if not isinstance(data, dict):
        raise InputError(place, "holds no result", _AGAIN)
    kind = data.get("resultType")
    if kind in ("scalar", "string"):
        parsed.skipped.append(Note(place, f"a {kind} is no series", "query a metric"))
        return []
    return data.get("result")


def _sampled(result: dict[str, Any], place: str, metric: str, doubts: list[Note]) -> Sampled:
    pairs = result["values"] if "values" in result else [result["value"]]
    labels = {str(key): str(value) for key, value in result["metric"].items()}
    try:
        times = np.array([pair[0] for pair in pairs], dtype=np.float64)
        values = np.array([pair[1] for pair in pairs], dtype=np.float64)
    except (ValueError, TypeError, IndexError, KeyError, OverflowError):
        raise InputError(place, _broken_sample(pairs), 'expected [time, "number"]') from None
    if times.ndim != 1 or values.ndim != 1:  # lists of one length each, where numbers belong
        raise InputError(place, _broken_sample(pairs), 'expected [time, "number"]')
    whole_s = check_times(times, place)
    is_infinite = np.isinf(values)
    if is_infinite.any():
        doubts.append(Note(place, "infinite values are read as unknown"))
    order = np.argsort(whole_s, kind="stable")
    kept = np.where(is_infinite, np.nan, values)
    return Sampled(labels.pop(_NAME, metric), labels, whole_s[order], kept[order], place)


def _broken_sample(pairs: Any) -> str:
    for number, pair in enumerate(_each(pairs), start=1):
        try:
            float(pair[0]), float(pair[1])
        except (ValueError, TypeError, IndexError, KeyError, OverflowError):
            return f"sample {number} cannot be read: {str(pair)[:60]}"
    return "its samples cannot be read"


def _each(pairs: Any) -> Iterator[Any]:
    return iter(pairs) if isinstance(pairs, list) else iter([pairs])
