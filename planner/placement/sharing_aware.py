"""Sharing-aware: VMs of one image together, where page sharing saves most."""

from typing import ClassVar, NamedTuple

import numpy as np

from planner.placement.base import Placement, PlacementRequest
from planner.placement.packing import Packing, place_units
from planner.units import PAGE_BYTES


class SharingAware:
    """Each VM goes to the host in use where it saves most memory; of equals to the tightest; else a new host.

    Notes
    -----
    Memory common to VMs of an image is `workload.image_shared_fraction` x granted memory. On a host it is held once, as
    much as the VM with most of it has, so k equal VMs save k - 1 times that. Granted memory is the mean over the
    history; without a forecast, configured memory stands for it. Where page sharing is off, or salted so that only
    pages of one VM are merged, nothing is saved between VMs and this is best-fit-decreasing. Duplicates between images
    and memory that guests write to are left out.
    """

    name: ClassVar[str] = "sharing-aware"
    is_order_invariant: ClassVar[bool] = True

    def place(self, request: PlacementRequest) -> Placement:
        """Place image after image, those with most to save first; within one the largest VMs first, then by name."""
        return place_units(request, _pack)


class _Images(NamedTuple):
    """Images of units and hosts, as `planner.kernels.packing_scan.scan_sharing` takes them."""

    start: np.ndarray
    images: np.ndarray
    common: np.ndarray
    held: np.ndarray


def _pack(packing: Packing) -> np.ndarray:
    from planner.kernels.packing_scan import scan_sharing

    found = _find_images(packing)
    host_of_unit = np.full(packing.units.n_units, -1, dtype=np.int64)
    order = _image_by_image(packing, found)
    scan_sharing(
        order, packing.fresh_ledger(), packing.is_used, found.start, found.images, found.common, found.held,
        host_of_unit,
    )  # fmt: skip
    return host_of_unit


def common_bytes(request: PlacementRequest) -> np.ndarray:
    """Return what each VM can share with others of its image, in whole pages: float64 array, (n_vms,). [bytes]."""
    sharing = request.limits.hypervisor.page_sharing
    if not sharing.enabled or sharing.salting:
        return np.zeros(len(request.vms))
    granted = request.vms.configured_bytes.astype(np.float64)
    if request.forecast is not None:
        granted = request.forecast.history("granted").mean(axis=1, dtype=np.float64)
    return np.floor(request.limits.image_shared_fraction * granted / PAGE_BYTES) * PAGE_BYTES


def _find_images(packing: Packing) -> _Images:
    request, unit_of = packing.request, packing.units.unit_of
    number = {name: idx for idx, name in enumerate(sorted({name for name in request.vms.images if name is not None}))}
    held = np.zeros((len(number), len(request.hosts)))
    most_of: list[dict[int, float]] = [{} for _ in range(packing.units.n_units)]
    for row, (name, amount) in enumerate(zip(request.vms.images, common_bytes(request).tolist(), strict=True)):
        if name is None:
            continue
        image = number[name]
        if unit_of[row] >= 0:
            most = most_of[unit_of[row]]
            most[image] = max(amount, most.get(image, 0.0))
        else:
            host = request.standing_idx[row]
            held[image, host] = max(amount, held[image, host])
    start = np.concatenate([[0], np.cumsum([len(most) for most in most_of])]).astype(np.int64)
    images = np.array([image for most in most_of for image in sorted(most)], dtype=np.int64)
    common = np.array([most[image] for most in most_of for image in sorted(most)], dtype=np.float64)
    return _Images(start, images, common, held)


def _image_by_image(packing: Packing, found: _Images) -> np.ndarray:
    """Order units by the image with most to save that they have, then by size, then by name."""
    worth = np.bincount(found.images, weights=found.common, minlength=len(found.held))
    rank = np.zeros(packing.units.n_units)
    first = np.full(packing.units.n_units, len(found.held), dtype=np.int64)
    for unit in range(packing.units.n_units):
        mine = found.images[found.start[unit] : found.start[unit + 1]]
        if mine.size and worth[mine].max() > 0:
            first[unit] = mine[np.argmax(worth[mine])]
            rank[unit] = worth[first[unit]]
    names = np.array(packing.units.names)
    return packing.tied_first(np.lexsort((names, -packing.ledger.need[:, 0], first, -rank)).astype(np.int64))
