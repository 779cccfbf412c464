"""Read a Proxmox VE cluster live, over its HTTP API with a token. Only GET is sent.

The token needs the role PVEAuditor on "/". It is sent to the named address only, and is in no message.
"""

import ipaddress
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from planner.errors import InputError
from planner.inventory.found import Found, Note
from planner.inventory.http_body import TooLargeError, read_body
from planner.inventory.progress import Progress, no_progress
from planner.inventory.proxmox import Answer, fill_from_answers
from planner.units import MIB, format_bytes

TIMEOUT_S = (10.0, 60.0)
"""To connect, and between two pieces of the answer."""
MAX_ANSWER_BYTES = 128 * MIB
MAX_FAILURES = 20
"""Answers that fail one after the other before reading is given up: the server is gone."""
_OPTIONAL = ("/cluster/status", "/cluster/ha/rules", "/cluster/ha/groups", "/cluster/ha/resources")
_ROLE = "give the token the role PVEAuditor on /"


class _TokenAuth(requests.auth.AuthBase):
    """Adds the token to a request. As an auth object, so that a .netrc file does not replace it."""

    def __init__(self, token_id: str, secret: str) -> None:
        self._header = f"PVEAPIToken={token_id}={secret}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


class _FailedError(Exception):
    """An answer could not be had, in words without the token."""


class _Api:
    """GET requests to one server; every failure in words."""

    def __init__(self, url: str, auth: _TokenAuth, verify: bool | str) -> None:
        self._base = f"{_checked_url(url)}/api2/json"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = auth
        self._session.verify = verify

    def close(self) -> None:
        self._session.close()

    def get(self, path: str) -> Any:
        """Fetch what a path answers. Raises _FailedError, and InputError where no path would answer."""
        address = self._base + path
        try:
            with self._session.get(address, timeout=TIMEOUT_S, stream=True, allow_redirects=False) as response:
                self._check_status(response, address)
                return json.loads(read_body(response, MAX_ANSWER_BYTES))["data"]
        except TooLargeError:
            raise _FailedError(f"the answer is larger than {format_bytes(MAX_ANSWER_BYTES)}") from None
        except requests.exceptions.SSLError:
            hint = "name the file of the CA that signed it"
            raise InputError(address, "the certificate of the server is not trusted", hint) from None
        except requests.exceptions.RequestException as error:
            raise _FailedError(f"no answer ({type(error).__name__})") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _FailedError("the answer is not that of Proxmox") from None

    @staticmethod
    def _check_status(response: requests.Response, address: str) -> None:
        if response.status_code == 401:
            hint = "expected a token ID such as user@pam!planner and its secret"
            raise InputError(address, "the token is refused (401)", hint)
        if response.status_code == 403:
            raise _FailedError(f"no permission (403); {_ROLE}")
        if response.status_code != 200:
            raise _FailedError(f"the server answers {response.status_code}")


def read_proxmox_live(
    url: str, token_id: str, secret: str, verify: bool | str = True, progress: Progress = no_progress
) -> Found:
    """Read a cluster, or a single node.

    Parameters
    ----------
    url : str
        Address of any node, e.g. https://pve-1.example.org:8006.
    token_id, secret : str
        API token: user@realm!name, and its secret.
    verify : bool or str
        Whether to check the server's certificate, or the file of the CA to check it by.

    Raises
    ------
    InputError
        The server cannot be reached, refuses the token, or shows no VM.
    """
    if any(not text.isascii() or not text.isprintable() or not text for text in (token_id, secret)):
        raise InputError(url, "the token is empty or has characters that none has", "copy it again")
    api = _Api(url, _TokenAuth(token_id, secret), verify)
    try:
        return _read(api, url, progress)
    finally:
        api.close()


def _read(api: _Api, url: str, progress: Progress) -> Found:
    found = Found(source=f"proxmox: {url}", hypervisor="proxmox")
    try:
        resources = api.get("/cluster/resources")
    except _FailedError as error:
        raise InputError(f"{url}/api2/json/cluster/resources", str(error), "check the address") from None
    if not isinstance(resources, list) or not any(_kind(item) == "qemu" for item in resources):
        raise InputError(url, "shows no VM", f"{_ROLE}: Proxmox hides what a token may not see")
    answers = [Answer("/cluster/resources", "/cluster/resources", resources)]
    paths = list(_paths(resources))
    failures = 0
    for done, path in enumerate(paths):
        progress(done, len(paths))
        try:
            data = api.get(path)
            failures = 0
        except _FailedError as error:
            # "/cluster/ha/rules" is new in version 9, "/cluster/ha/groups" is gone with it.
            if path not in _OPTIONAL or "403" in str(error):
                found.skipped.append(Note(path, f"could not be read: {error}"))
            failures += 1
            if failures > MAX_FAILURES:
                message = f"{failures} requests in a row failed, the last with: {error}"
                raise InputError(url, message, "try again when the server answers") from None
            continue
        if data is not None:
            answers.append(Answer(path, path, data))
    progress(len(paths), len(paths))
    fill_from_answers(found, answers)
    return found


def _paths(resources: list[Any]) -> Iterator[str]:
    """List what to read beside the resources: of nodes that are up, and of VMs that are no templates."""
    yield from _OPTIONAL
    for item in resources:
        node = quote(str(item.get("node")), safe="") if isinstance(item, dict) else ""
        if _kind(item) == "node" and item.get("status") == "online":
            yield f"/nodes/{node}/status"
        elif _kind(item) == "qemu" and str(item.get("vmid")).isdigit() and not item.get("template"):
            yield f"/nodes/{node}/qemu/{item['vmid']}/config"
            if item.get("status") == "running":
                yield f"/nodes/{node}/qemu/{item['vmid']}/status/current"


def _kind(item: Any) -> Any:
    return item.get("type") if isinstance(item, dict) else None


def _checked_url(url: str) -> str:
    """Refuse addresses to which a token must not be sent. Raises InputError."""
    hint = "expected e.g. https://pve-1.example.org:8006"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InputError("url", "cannot be read", hint) from None
    if parts.username or parts.password:
        raise InputError("url", "has a user or password in it", f"{hint}, and the token apart")
    if parts.scheme not in ("http", "https") or not host:
        raise InputError(url, "is no web address", hint)
    if parts.scheme == "http" and not _is_loopback(host):
        raise InputError(url, "would send the token unencrypted", hint)
    shown_host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown_host}" + (f":{port}" if port else "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
