"""The only place where random streams are made: named, keyed, never by order of creation.

Outside kernels a stream is a numpy Generator keyed by (root seed, stream name, replicate, entity). Inside kernels a
draw is the counter-based hash of `planner.kernels.draws`, keyed by a VM key that is made here. Scenario numbers never
enter a key, so every ratio and placement sees the same demand (common random numbers).
"""

import hashlib

import numpy as np

STREAMS = {
    "inventory": 1,
    "demand": 2,
    "window": 3,
    "growth": 5,
    "placement": 6,
    "live": 7,
    "validation": 8,
    "turnover": 9,
}


def make_generator(root_seed: int, stream: str, replicate: int = 0, entity: str = "") -> np.random.Generator:
    """Make the generator of one named stream.

    Parameters
    ----------
    root_seed : int
        Seed of the run.
    stream : str
        One of `STREAMS`; KeyError otherwise.
    replicate : int
        Replicate that the draw belongs to; 0 where replicates share it.
    entity : str
        Name of the VM, group or host that the draw belongs to, if any.
    """
    key = (STREAMS[stream], replicate, stable_hash32(entity))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(root_seed, spawn_key=key)))


def stable_hash32(text: str) -> int:
    """Hash text to 32 bits, the same in every process (Python's own hash is not)."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")


def vm_keys(root_seed: int, replicate: int, names: tuple[str, ...]) -> np.ndarray:
    """Make the draw key of each VM from its name, so that it behaves the same on any host and in any scenario.

    Returns
    -------
    uint32 array, shape (n_vms,)
    """
    prefix = f"{root_seed}/{replicate}/"
    return np.array([stable_hash32(prefix + name) for name in names], dtype=np.uint32)
