"""Digests that name outcomes: equal for equal host problems of a fleet, in any process, whatever plan they are in."""

from array import array
from dataclasses import fields, is_dataclass
from hashlib import blake2b

from pydantic import BaseModel

from planner.host.problem import HostProblem
from planner.sweep.plan import outcome_key
from planner.workload.source import DemandSource

KEY_BYTES = 16


class OutcomeKeys:
    """Names host problems by what decides their outcomes.

    Parameters
    ----------
    salt : bytes
        What decides outcomes beside the problems: the fleet, and the version of the planner.

    Notes
    -----
    Two problems that are equal in Python could have different digests if one wrote 1 where the other writes 1.0; they
    would be simulated twice. The other way round it takes a collision of 128 bits.
    """

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        # By identity, which keeps the object: thousands of problems share a few specs, and hashing those costs most.
        self._digests: dict[int, tuple[object, bytes]] = {}

    def key(self, source: DemandSource, problem: HostProblem) -> bytes:
        """Name a problem that counts in the rows of `source`: bytes, shape (KEY_BYTES,)."""
        known, stays = outcome_key(source, problem)
        digest = blake2b(self._salt, digest_size=KEY_BYTES)
        for part in (known.host, known.hypervisor, known.workload, known.slo):
            digest.update(self._digest(part))
        numbers = (known.seed, known.replicate, known.page_scale, known.warm_up_s, len(known.vm_idx))
        digest.update(repr(numbers).encode())
        digest.update(array("q", known.vm_idx).tobytes())
        digest.update(repr(stays).encode())
        return digest.digest()

    def _digest(self, part: object) -> bytes:
        found = self._digests.get(id(part))
        if found is None:
            found = part, blake2b(_text(part).encode(), digest_size=KEY_BYTES).digest()
            self._digests[id(part)] = found
        return found[1]


def _text(value: object) -> str:
    """Write a spec or a dataclass as text, without the fields that take no part in equality."""
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    if is_dataclass(value):
        parts = [f"{item.name}={_text(getattr(value, item.name))}" for item in fields(value) if item.compare]
        return f"{type(value).__name__}({', '.join(parts)})"
    return repr(value)
