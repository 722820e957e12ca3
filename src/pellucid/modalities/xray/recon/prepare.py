"""What every method starts from: line integrals, the views kept, the slices and the grid wanted."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.modalities.xray.acquisition import Sinogram
from pellucid.modalities.xray.counts import line_integrals
from pellucid.modalities.xray.geometry import Grid, ScanGeometry
from pellucid.modalities.xray.recon.options import ImageOptions, hardens
from pellucid.modalities.xray.recon.weights import field_radius_mm
from pellucid.modalities.xray.slabs import slab_weights
from pellucid.modalities.xray.water import without_beam_hardening

_LARGEST_VOXELS = 1 << 31
_VIEWS_AT_ONCE = 64
_MEMORY_SHARE = 0.6
"""Part of the machine's memory that a reconstruction may take."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Line integrals `[view, row, column]` ready to be inverted, their rays, and the grid of the image."""

    data: NDArray[np.float32]
    geometry: ScanGeometry
    grid: Grid
    corrected: bool


def prepare(raw: Sinogram, image: ImageOptions, *, working_images: int, working_slices: int = 0) -> Prepared:
    """Line integrals and grid; rows of parallel and fan scans are averaged into slices towards the head.

    `working_images`: how many arrays of the image's size the method holds at once; `working_slices`: how many of a
    slice's size besides, at most 16 for each slice of the image.
    """
    scan = _centred(raw.geometry.every_view(image.keep_every), image.centre_of_rotation_px)
    width = image.field_of_view_mm or 2 * field_radius_mm(scan)
    if width <= 0:
        raise InvalidInputError("the detector does not see the isocentre", field="geometry")
    _check_inside_orbit(scan, width)
    mixing = None
    if scan.beam == "cone":
        positions, thickness = _cone_slices(scan, image.slice_thickness_mm)
    else:
        positions, thickness = _planar_slices(scan, image.slice_thickness_mm)
        mixing = slab_weights(scan.row_positions_mm, positions, thickness)
    shape = (len(positions), image.matrix, image.matrix)
    if np.prod(shape, dtype=float) > _LARGEST_VOXELS:
        raise InvalidInputError(f"{shape} voxels are more than {_LARGEST_VOXELS}; use thicker slices", field="matrix")
    _check_memory(shape, working_images * shape[0] + min(working_slices, 16 * shape[0]))
    pixel = width / image.matrix
    grid = Grid(shape=shape, spacing_mm=(thickness, pixel, pixel), centre_mm=(0.0, 0.0, float(np.mean(positions))))
    corrected = image.beam_hardening_correction and hardens(raw)
    data = _line_integrals(raw, image.keep_every, mixing, corrected=corrected)
    if mixing is not None:
        scan = scan.with_row_positions(positions)
    return Prepared(data, scan, grid, corrected)


def _line_integrals(
    raw: Sinogram, keep_every: int, mixing: NDArray[np.float32] | None, *, corrected: bool
) -> NDArray[np.float32]:
    """Line integrals of the views kept, a few views at a time so that no second copy of the data is held."""
    views, rows, columns = raw.geometry.every_view(keep_every).shape
    if mixing is not None and np.array_equal(mixing, np.eye(rows)):
        mixing = None
    data = np.empty((views, rows if mixing is None else len(mixing), columns), np.float32)
    for first in range(0, views, _VIEWS_AT_ONCE):
        last = min(first + _VIEWS_AT_ONCE, views)
        part = line_integrals(raw, views=slice(first * keep_every, (last - 1) * keep_every + 1, keep_every))
        if corrected and raw.spectrum is not None:
            part = without_beam_hardening(part, raw.spectrum)
        data[first:last] = part if mixing is None else np.matmul(mixing, part)
    return data


def _centred(scan: ScanGeometry, centre_of_rotation_px: float | None) -> ScanGeometry:
    """The geometry with the axis of rotation on another detector column."""
    if centre_of_rotation_px is None:
        return scan
    if not 0 <= centre_of_rotation_px <= scan.columns - 1:
        raise InvalidInputError(
            f"is {centre_of_rotation_px:g}; expected 0 to {scan.columns - 1}, a column of the detector",
            field="centre_of_rotation_px",
        )
    offset = ((scan.columns - 1) / 2 - centre_of_rotation_px) * scan.column_spacing_mm
    return replace(scan, column_offset_mm=offset)


def _check_memory(shape: tuple[int, int, int], working_slices: int) -> None:
    """Refuse what would take all memory: systems that promise more than they have kill the process later."""
    needed = 4.0 * working_slices * shape[1] * shape[2]
    limit = _MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > limit:
        raise InvalidInputError(
            f"is {shape[2]}: {shape[0]} slices of {shape[1]} x {shape[2]} need {needed / 2**30:.1f} GiB; expected at "
            f"most {limit / 2**30:.1f} GiB, 60 % of this machine's memory. Use a smaller matrix or thicker slices",
            field="matrix",
        )


def _check_inside_orbit(scan: ScanGeometry, width_mm: float) -> None:
    corner = width_mm / np.sqrt(2)
    if scan.beam != "parallel" and corner >= scan.source_isocentre_mm:
        raise InvalidInputError(
            f"is {width_mm:g} mm; expected less than {scan.source_isocentre_mm * np.sqrt(2):.0f} mm, where its corners "
            "reach the source's orbit",
            field="field_of_view_mm",
        )


def _planar_slices(scan: ScanGeometry, thickness_mm: float | None) -> tuple[NDArray[np.float64], float]:
    """Even slice positions towards the head, and their thickness."""
    rows = np.sort(scan.row_positions_mm)
    spacing = float(np.median(np.diff(rows))) if len(rows) > 1 else 1.0
    thickness = thickness_mm or spacing
    low, high = rows[0] - spacing / 2, rows[-1] + spacing / 2
    count = max(1, int(np.floor((high - low) / thickness + 1e-6)))
    return _even(count, thickness, (low + high) / 2), thickness


def _cone_slices(scan: ScanGeometry, thickness_mm: float | None) -> tuple[NDArray[np.float64], float]:
    """Even slice positions over what the detector sees at the isocentre."""
    at_isocentre = np.sort(scan.row_positions_mm) * scan.source_isocentre_mm / scan.source_detector_mm
    spacing = float(np.ptp(at_isocentre)) / max(1, len(at_isocentre) - 1) or scan.column_spacing_mm
    thickness = thickness_mm or spacing
    count = max(1, int(np.floor((np.ptp(at_isocentre) + spacing) / thickness + 1e-6)))
    return _even(count, thickness, float(np.mean(at_isocentre[[0, -1]]))), thickness


def _even(count: int, step: float, centre: float) -> NDArray[np.float64]:
    index: NDArray[np.float64] = np.arange(count, dtype=np.float64)
    return (index - (count - 1) / 2) * step + centre
