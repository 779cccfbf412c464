"""What the pages of a fleet hold: content identity, guest class, compressibility. Pure functions of VM and page.

A content is an integer key: equal keys are equal bytes. Sampling keeps a content for all VMs or for none, because
every VM is sampled at the same rate and the k-th sampled page of an image is the same page in every VM.
"""

from dataclasses import dataclass

import numpy as np

from planner.config.spec import WorkloadSpec
from planner.kernels.draws import fill_uniform
from planner.kernels.state import GUEST_ANON, GUEST_CACHE, GUEST_FREE, GUEST_KERNEL
from planner.streams import stable_hash32
from planner.workload.fleet import VmTable

SELF_SHARED_COPIES = 3
"""Copies of a page that is duplicated within its VM. Sharing such pages gives back 2/3 of them; measured sites gave
back 0.64 to 0.77 of what they shared (Waldspurger, OSDI 2002, figure 5)."""

UNIQUE_KEY = -1
ZERO_KEY = 0
_PURPOSE_CONTENT, _PURPOSE_GUEST, _PURPOSE_COMPRESS = 11, 12, 13


@dataclass(frozen=True)
class FleetPages:
    """Home properties of the sampled pages of all VMs; the pages of VM v are `start[v] : start[v + 1]`.

    Attributes
    ----------
    start : int64 array, shape (n_vms + 1,)
    content_key : int64 array, shape (n_pages,)
        UNIQUE_KEY, ZERO_KEY, or a key shared by all pages of equal content.
    guest_class : uint8 array, shape (n_pages,)
    is_compressible : uint8 array, shape (n_pages,)
    """

    start: np.ndarray
    content_key: np.ndarray
    guest_class: np.ndarray
    is_compressible: np.ndarray


def build_fleet_pages(
    vms: VmTable, keys: np.ndarray, n_pages: np.ndarray, workload: WorkloadSpec, compressible_fraction: float
) -> FleetPages:
    """Draw what each page of the fleet holds.

    Parameters
    ----------
    vms : VmTable
    keys : uint32 array, shape (n_vms,)
        Draw key of each VM.
    n_pages : int64 array, shape (n_vms,)
        Sampled pages of each VM.
    workload : WorkloadSpec
        Fractions of each kind of content and guest class.
    compressible_fraction : float
        Share of pages that compress to half a page.
    """
    start = np.concatenate(([0], np.cumsum(n_pages)))
    content_key = np.empty(start[-1], dtype=np.int64)
    guest_class = np.empty(start[-1], dtype=np.uint8)
    is_compressible = np.empty(start[-1], dtype=np.uint8)
    for v in range(len(vms)):
        rows = slice(start[v], start[v + 1])
        content_key[rows] = _content_keys(vms, v, _uniform(keys[v], n_pages[v], _PURPOSE_CONTENT), workload)
        guest_class[rows] = _guest_classes(_uniform(keys[v], n_pages[v], _PURPOSE_GUEST), workload)
        is_compressible[rows] = _uniform(keys[v], n_pages[v], _PURPOSE_COMPRESS) < compressible_fraction
    return FleetPages(start, content_key, guest_class, is_compressible)


def _content_keys(vms: VmTable, v: int, uniform: np.ndarray, workload: WorkloadSpec) -> np.ndarray:
    zero_below = workload.zero_fraction
    self_below = zero_below + workload.self_shared_fraction
    image_below = self_below + workload.image_shared_fraction
    keys = np.full(uniform.size, UNIQUE_KEY, dtype=np.int64)
    keys[uniform < zero_below] = ZERO_KEY
    is_self = (uniform >= zero_below) & (uniform < self_below)
    keys[is_self] = _numbered("vm", vms.names[v], np.arange(is_self.sum()) // SELF_SHARED_COPIES)
    image = vms.images[v]
    if image is not None:
        is_image = (uniform >= self_below) & (uniform < image_below)
        keys[is_image] = _numbered("image", image, np.arange(is_image.sum()))
    return keys


def _numbered(kind: str, name: str, number: np.ndarray) -> np.ndarray:
    """Make positive keys from an owner's name and the number of the content within it."""
    owner = (stable_hash32(f"{kind}/{name}") & 0x3FFFFFFF) + 1
    keys: np.ndarray = (owner << 32) + number
    return keys


def _guest_classes(uniform: np.ndarray, workload: WorkloadSpec) -> np.ndarray:
    free_below = workload.guest_free_fraction
    cache_below = free_below + workload.guest_cache_fraction
    kernel_below = cache_below + workload.guest_kernel_fraction
    classes = np.full(uniform.size, GUEST_ANON, dtype=np.uint8)
    classes[uniform < kernel_below] = GUEST_KERNEL
    classes[uniform < cache_below] = GUEST_CACHE
    classes[uniform < free_below] = GUEST_FREE
    return classes


def _uniform(key: np.uint32, count: int, purpose: int) -> np.ndarray:
    out = np.empty(count)
    fill_uniform(key, purpose, out)
    return out
