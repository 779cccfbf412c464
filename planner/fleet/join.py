"""Joining a Ray cluster: whether anything answers at its address, and with which token. No Ray here."""

import ipaddress
import socket
from collections.abc import Mapping
from pathlib import Path

from planner.errors import InputError

_REACHABLE_WITHIN_S = 10.0


def check_reachable(address: str) -> None:
    """Refuse an address where nothing listens: Ray itself would try for minutes. Names like "auto" are left to Ray.

    Raises
    ------
    InputError
        Nothing answers, or the address is one of Ray's client protocol.
    """
    place = f"--ray-address {address}"
    if "://" in address:
        hint = "run planner on a machine of the cluster, with host:port of its head, e.g. 10.0.0.1:6379"
        raise InputError(place, "is an address for Ray's remote client, which planner does not use", hint)
    host, port = split_address(address)
    if host is None or port is None:
        return
    try:
        socket.create_connection((host, port), timeout=_REACHABLE_WITHIN_S).close()
    except (OSError, OverflowError) as error:
        hint = "check that the cluster runs and that its address is host:port"
        raise InputError(place, f"nothing answers there ({error})", hint) from error


def join_environment(address: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what is to be set for joining a cluster: its token is shown to it, and beyond loopback it must have one.

    Parameters
    ----------
    address : str
        As given by the user.
    environment : mapping
        Of this process.

    Raises
    ------
    InputError
        The cluster is beyond this machine, and there is no token for it.
    """
    found = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0" if is_loopback(address) else "1"}
    if environment.get("RAY_AUTH_MODE"):
        return found
    if _has_token(environment):
        return {**found, "RAY_AUTH_MODE": "token"}
    if is_loopback(address):
        return found
    hint = (
        "start every machine of the cluster with RAY_AUTH_MODE=token and the same token, and give it here in "
        "RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH; RAY_AUTH_MODE=disabled joins without one, which lets everybody on that "
        "network run programs on its machines"
    )
    raise InputError(f"--ray-address {address}", "is beyond this machine, and there is no token for it", hint)


def is_loopback(address: str) -> bool:
    """Whether an address is one of this machine alone; "auto" is not known to be."""
    host, _ = split_address(address)
    if host == "localhost":
        return True
    try:
        return host is not None and ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def split_address(address: str) -> tuple[str | None, int | None]:
    """Split host:port; (None, None) for names like "auto"."""
    host, _, port = address.rpartition(":")
    return (host, int(port)) if host and port.isascii() and port.isdigit() and len(port) <= 5 else (None, None)


def _has_token(environment: Mapping[str, str]) -> bool:
    if environment.get("RAY_AUTH_TOKEN"):
        return True
    path = environment.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
    return Path(path).is_file()
