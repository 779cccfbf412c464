"""Ask a Prometheus server, read-only: which metrics there are, and their samples over time.

Credentials are given by the caller; they are kept out of messages, and sent to the named server alone.
"""

import json
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from planner.errors import InputError
from planner.inventory.http_body import TooLargeError, read_body
from planner.inventory.prometheus_json import MAX_JSON_BYTES, Parsed, parse_text
from planner.units import format_bytes

MOST_POINTS = 11_000
"""Prometheus refuses a query of more points per series."""


@dataclass(frozen=True)
class PrometheusOptions:
    """How to read from Prometheus.

    Attributes
    ----------
    exporter : str or None
        Name of the exporter; None: found by its metrics.
    tick_s : int or None
        Time between samples; None: inferred from a file, 5 min from a server. [s]
    start_s, end_s : int or None
        What time a server is asked for, since 1970; None: the seven days up to now. [s]
    matchers : str
        Label matchers of PromQL that select what is asked for, e.g. `cluster="prod"`.
    username, password, token : str or None
        Basic authentication, or a bearer token.
    ca_file : Path or None
        Certificates to trust instead of the usual ones.
    timeout_s : float
        Longest wait for an answer to begin or go on. [s]
    """

    exporter: str | None = None
    tick_s: int | None = None
    start_s: int | None = None
    end_s: int | None = None
    matchers: str = ""
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    timeout_s: float = 30.0


class _Refused(Exception):
    """The server will not answer so much at once."""


class PrometheusServer:
    """A server's HTTP API.

    Raises
    ------
    InputError
        The address is none, or holds credentials.
    """

    def __init__(self, url: str, options: PrometheusOptions) -> None:
        try:
            parts = urlsplit(url)
            has_credentials = parts.username is not None or parts.password is not None
        except ValueError:
            raise InputError("Prometheus", "the address cannot be read", "expected http://host:9090") from None
        if has_credentials:
            message = "the address holds a user name or password"
            raise InputError(parts.hostname or "Prometheus", message, "give them by the environment or the prompt")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(url[:200], "is no address of a Prometheus server", "expected http://host:9090")
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/").removesuffix("/api/v1")
        self._options = options
        self._session = requests.Session()
        # Otherwise a .netrc of the user's is sent, too.
        self._session.trust_env = False
        self._session.verify = str(options.ca_file) if options.ca_file else True
        if options.token is not None:
            self._session.headers["Authorization"] = f"Bearer {options.token}"
        elif options.username is not None:
            pair = f"{options.username}:{options.password or ''}".encode()
            self._session.headers["Authorization"] = f"Basic {b64encode(pair).decode()}"

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def metric_names(self, start_s: int, end_s: int) -> list[str]:
        """Ask for the names of all metrics with samples in a span of time [s]. Raises InputError."""
        place = f"{self.url}, metric names"
        try:
            answer = json.loads(self._get("label/__name__/values", {"start": start_s, "end": end_s}, place))
            return [str(name) for name in answer["data"]]
        except _Refused as refused:
            raise InputError(place, str(refused), "ask for a shorter time") from None
        except (ValueError, TypeError, KeyError, RecursionError):
            raise InputError(place, "answers no list of names", "is it the address of a Prometheus server?") from None

    def samples(self, metric: str, start_s: int, end_s: int, step_s: int) -> Parsed:
        """Ask for all samples of a metric, in as many requests as the server's limits take.

        Parameters
        ----------
        metric : str
        start_s, end_s, step_s : int
            First and last time, both included, and the time between samples. [s]

        Raises
        ------
        InputError
            The server cannot be reached, refuses, or answers nonsense.
        """
        parsed = Parsed()
        spans = [
            (first_s, min(end_s, first_s + (MOST_POINTS - 1) * step_s))
            for first_s in range(start_s, end_s + 1, MOST_POINTS * step_s)
        ]
        while spans:
            first_s, last_s = spans.pop(0)
            try:
                answer = self._ask(metric, first_s, last_s, step_s)
            except _Refused as refused:
                n_steps = (last_s - first_s) // step_s
                if n_steps < 1:
                    hint = "narrow it down with label matchers"
                    raise InputError(f"{self.url}, {metric}", str(refused), hint) from None
                middle_s = first_s + n_steps // 2 * step_s
                spans = [(first_s, middle_s), (middle_s + step_s, last_s), *spans]
                continue
            parsed.take(answer)
        return parsed

    def _ask(self, metric: str, start_s: int, end_s: int, step_s: int) -> Parsed:
        query = f"{metric}{{{self._options.matchers}}}"
        given = {"query": query, "start": start_s, "end": end_s, "step": step_s}
        return parse_text(self._get("query_range", given, f"{self.url}, {query}"), f"{self.url}, {query}", metric)

    def _get(self, what: str, given: dict[str, Any], place: str) -> bytes:
        try:
            with self._session.get(
                f"{self.url}/api/v1/{what}",
                params=given,
                timeout=self._options.timeout_s,
                stream=True,
                allow_redirects=False,
            ) as answer:
                body = read_body(answer, MAX_JSON_BYTES)
        except TooLargeError:
            raise _Refused(f"answers more than {format_bytes(MAX_JSON_BYTES)}") from None
        except requests.exceptions.SSLError:
            raise InputError(place, "its certificate is not trusted", "name its authority's file") from None
        except requests.exceptions.Timeout:
            message = f"did not answer within {self._options.timeout_s:g} s"
            raise InputError(place, message, "allow more time or ask for less") from None
        except (requests.exceptions.RequestException, OSError) as error:
            raise InputError(place, f"cannot be reached ({type(error).__name__})", "is the address right?") from None
        _check_status(answer.status_code, body, place)
        return body


def _check_status(status: int, body: bytes, place: str) -> None:
    """Tell refusals apart: of the user, of too large a query, of anything else."""
    if status == 200:
        return
    if status in (401, 403):
        raise InputError(place, f"refuses access ({status})", "check the user and password, or the token")
    if 300 <= status < 400:
        raise InputError(place, "points to another address", "name that one")
    reason = ""
    try:
        reason = str(json.loads(body)["error"])[:300]
    except (ValueError, TypeError, KeyError, RecursionError):
        reason = f"HTTP status {status}"
    if "too many samples" in reason or "exceeded maximum resolution" in reason:
        raise _Refused(reason)
    raise InputError(place, f"answers: {reason}", "is it the address of a Prometheus server, and is it well?")
