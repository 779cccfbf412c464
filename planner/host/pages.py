"""What the pages of a fleet hold: content identity, guest class, compressibility. Pure functions of VM and page.

A content is an integer key: equal keys are equal bytes. Sampling keeps a content for all VMs or for none, because
every VM is sampled at the same rate and the k-th sampled page of an image is the same page in every VM.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from planner.config.spec import WorkloadSpec
from planner.kernels.contents import (
    SELF_SHARED_COPIES,
    ZERO_KEY,
    FirstKeys,
    PageKinds,
    count_contents,
    fill_pages,
)
from planner.kernels.state import NO_CONTENT

UNIQUE_KEY = NO_CONTENT
"""Content key of a page that equals no other."""

__all__ = ["UNIQUE_KEY", "ZERO_KEY", "Compressible", "DrawnPages", "FleetPages"]


@dataclass(frozen=True)
class FleetPages:
    """Home properties of the sampled pages of some VMs; the pages of VM v are `start[v] : start[v + 1]`.

    Attributes
    ----------
    start : int64 array, shape (n_vms + 1,)
    content_key : integer array, shape (n_pages,)
        UNIQUE_KEY, ZERO_KEY, or a key shared by all pages of equal content. A stack is built from small keys: see
        `with_small_keys`.
    guest_class : uint8 array, shape (n_pages,)
    compressed_units : uint8 array, shape (n_pages,)
        Size after compression, 1 to 16. [1/16 page]
    """

    start: np.ndarray
    content_key: np.ndarray
    guest_class: np.ndarray
    compressed_units: np.ndarray

    def with_small_keys(self) -> "FleetPages":
        """Return the same pages with the content keys 1, 2, ... instead of any integers; zero and unique stay."""
        keys = np.full(self.content_key.size, UNIQUE_KEY, dtype=np.int32)
        keys[self.content_key == ZERO_KEY] = ZERO_KEY
        others = (self.content_key != UNIQUE_KEY) & (self.content_key != ZERO_KEY)
        keys[others] = np.unique(self.content_key[others], return_inverse=True)[1].reshape(-1) + 1
        return FleetPages(self.start, keys, self.guest_class, self.compressed_units)


class Compressible(NamedTuple):
    """Shares of pages that compress to a quarter of a page, and to half a page (those of a quarter included)."""

    to_quarter: float
    to_half: float


@dataclass(frozen=True)
class DrawnPages:
    """Pages of one host's VMs, drawn from the workload's fractions.

    Attributes
    ----------
    images : tuple of (str or None), length n_vms
        Image that each VM was cloned from.
    keys : uint32 array, shape (n_vms,)
        Draw key of each VM.
    n_pages : int64 array, shape (n_vms,)
        Sampled pages of each VM.
    workload : WorkloadSpec
        Fractions of each kind of content and guest class.
    compressible : Compressible
        Distribution of compressed sizes.
    """

    images: tuple[str | None, ...]
    keys: np.ndarray
    n_pages: np.ndarray
    workload: WorkloadSpec
    compressible: Compressible

    def draw(self) -> FleetPages:
        """Draw the pages of all VMs. The kinds of a VM's pages do not depend on the others; numbers of contents do."""
        kinds = _page_kinds(self.workload, self.compressible)
        start = _starts(self.n_pages)
        drawn = FleetPages(
            start=start,
            content_key=np.empty(start[-1], dtype=np.int32),
            guest_class=np.empty(start[-1], dtype=np.uint8),
            compressed_units=np.empty(start[-1], dtype=np.uint8),
        )
        for v, first in enumerate(self._first_keys(kinds)):
            part = slice(start[v], start[v + 1])
            fill_pages(
                self.keys[v], kinds, first, drawn.content_key[part], drawn.guest_class[part],
                drawn.compressed_units[part],
            )  # fmt: skip
        return drawn

    def _first_keys(self, kinds: PageKinds) -> list[FirstKeys]:
        """Give every VM and every image a range of content keys of its own, one after the other."""
        counts = [count_contents(key, n_pages, kinds) for key, n_pages in zip(self.keys, self.n_pages, strict=True)]
        longest: dict[str, int] = {}
        for image, (_, n_image) in zip(self.images, counts, strict=True):
            if image is not None:
                longest[image] = max(longest.get(image, 0), n_image)
        next_key = ZERO_KEY + 1
        first_of_image: dict[str | None, int] = {None: 0}
        for image, length in longest.items():
            first_of_image[image] = next_key
            next_key += length
        first_keys = []
        for image, (n_self, _) in zip(self.images, counts, strict=True):
            first_keys.append(FirstKeys(next_key, first_of_image[image], int(image is not None)))
            next_key += -(-n_self // SELF_SHARED_COPIES)
        return first_keys


def _page_kinds(workload: WorkloadSpec, compressible: Compressible) -> PageKinds:
    def ends(*fractions: float) -> list[float]:
        return [float(end) * 2.0**32 for end in np.cumsum(fractions)]

    return PageKinds(
        *ends(workload.zero_fraction, workload.self_shared_fraction, workload.image_shared_fraction),
        *ends(
            workload.guest_free_fraction,
            workload.guest_cache_fraction,
            workload.guest_kernel_fraction,
            workload.guest_dirty_fraction,
        ),
        *(share * 2.0**32 for share in compressible),
    )


def _starts(n_pages: np.ndarray) -> np.ndarray:
    return np.concatenate(([0], np.cumsum(n_pages))).astype(np.int64)
