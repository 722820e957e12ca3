"""Attenuation at 511 keV: a map from a CT image, and the factors of every line.

    a = exp(-∫ μ dl)

A photon pair is attenuated by the whole line between its crystals, wherever on it the pair was born.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.image import Image, Provenance, resample
from pellucid.modalities.nuclear.projectors import Grid, SinogramProjector
from pellucid.modalities.nuclear.sampling import SinogramSampling
from pellucid.operators.convolution import GaussianBlur
from pellucid.units import quantity

# Carney et al., Med Phys 2006, doi 10.1118/1.2174132, table 1: tube voltage [kV] → slope [1/cm per CT number],
# intercept [1/cm] and break point [CT number] of the part above the break; below it μ = 9.6e-5 (CT + 1000).
_BONE = {
    80.0: (3.64e-5, 6.26e-2, 50.0),
    100.0: (4.43e-5, 5.44e-2, 52.0),
    110.0: (4.92e-5, 4.88e-2, 43.0),
    120.0: (5.10e-5, 4.71e-2, 47.0),
    130.0: (5.51e-5, 4.24e-2, 37.0),
    140.0: (5.64e-5, 4.08e-2, 30.0),
}
_WATER_PER_CM_AND_CT_NUMBER = 9.6e-5


def attenuation_map_from_ct(ct: Image, *, kvp: float | None = None) -> Image:
    """Linear attenuation coefficient at 511 keV [1/cm] from CT numbers, on the CT's grid.

    Below a break near 50 a mixture of air and water, above it of water and bone, by the tube voltage `kvp`
    (default: the image's KVP); voltages between those tabulated are interpolated. Raises `InvalidInputError` where
    the image holds no CT numbers, or the voltage is unknown or outside 80 to 140 kV.
    Source: Carney et al., Med Phys 2006, doi 10.1118/1.2174132.
    """
    if ct.quantity.name != "ct_number" or ct.channels:
        raise InvalidInputError(f"is an image of {ct.quantity.name}; expected CT numbers without channels", field="ct")
    voltage = kvp if kvp is not None else ct.attributes.get("KVP")
    if voltage is None:
        raise InvalidInputError("is not in the image's attributes; give the tube voltage as kvp", field="KVP")
    low, high = min(_BONE), max(_BONE)
    if not low <= float(voltage) <= high:
        raise InvalidInputError(f"is {float(voltage):g} kV; expected {low:g} to {high:g} kV", field="KVP")
    above = np.array(ct.array, np.float32) + 1000
    slope, intercept = (np.interp(float(voltage), list(_BONE), [row[i] for row in _BONE.values()]) for i in (0, 1))
    # The two lines meet at the tabulated break within its rounding; taking the lower one keeps the map continuous.
    mu = np.minimum(_WATER_PER_CM_AND_CT_NUMBER * above, slope * above + intercept)
    return Image(
        array=np.clip(mu, 0, None, dtype=np.float32),
        affine=ct.affine,
        quantity=quantity("attenuation_coefficient"),
        study=ct.study,
        description=f"Attenuation at 511 keV from CT ({ct.description or 'no description'})",
        provenance=Provenance(
            operation="attenuation_map_from_ct", parameters={"kvp": float(voltage)}, parents=(ct.provenance,)
        ),
    )


def on_grid(image: Image, grid: Grid, isocentre_lps_mm: tuple[float, float, float]) -> NDArray[np.float32]:
    """An image of the patient on a scanner grid: smoothed along its axes where the grid's voxels are larger, 0 outside.

    Raises `InvalidInputError` where image and grid do not overlap.
    """
    affine = grid.affine(isocentre_lps_mm)
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in grid.shape], indexing="ij")).reshape(3, -1).T
    lps = corners @ affine[:3, :3].T + affine[:3, 3]
    index = image.indices_of(lps)
    if np.any(index.max(axis=0) < -0.5) or np.any(index.min(axis=0) > np.array(image.shape) - 0.5):
        raise InvalidInputError(
            "does not overlap the scanner's field of view. Is it of another patient frame?", field=image.description
        )
    spacing = np.array(image.spacing_mm)
    # The grid's voxel along each axis of the image, whose columns and the grid's are (x, y, z) as (2, 1, 0).
    wanted = np.abs(image.affine[:3, :3] / spacing).T @ np.array(grid.spacing_mm[::-1])
    widths = np.where(wanted > 1.2 * spacing, wanted, 0.0)
    if widths.any():
        blur = GaussianBlur(image.shape, fwhm_mm=tuple(widths.tolist()), spacing_mm=image.spacing_mm)
        image = image.with_array(blur(np.ascontiguousarray(image.array, np.float32)))
    return resample(image, affine, grid.shape).array.astype(np.float32, copy=False)


def covering_grid(
    image: Image,
    sampling: SinogramSampling,
    isocentre_lps_mm: tuple[float, float, float],
    *,
    spacing_mm: tuple[float, float, float],
    beyond_mm: float = 0.0,
) -> Grid:
    """A grid that holds all of an image within the scanner's bore, and along the axis `beyond_mm` past the rings.

    Lines near the middle cross the whole object, also what lies beyond the radial bins.
    """
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in image.shape], indexing="ij")).reshape(3, -1).T
    extent = np.abs(image.points_lps_mm(corners) - np.array(isocentre_lps_mm)).max(axis=0)
    scanner = sampling.scanner
    most = np.array([scanner.inner_radius_mm, scanner.inner_radius_mm, (scanner.rings - 1) / 2 * scanner.ring_pitch_mm])
    half = np.minimum(extent[:2], most[:2])
    columns, rows = (2 * int(np.ceil(h / s)) + 1 for h, s in zip(half, spacing_mm[:0:-1], strict=True))
    slices = 2 * round(most[2] / spacing_mm[0]) + 1
    slices += 2 * int(np.clip(extent[2] - most[2], 0, beyond_mm) / spacing_mm[0])
    return Grid((slices, rows, columns), spacing_mm)


def attenuation_grid(image: Image, sampling: SinogramSampling, isocentre_lps_mm: tuple[float, float, float]) -> Grid:
    """The grid on which attenuation maps are kept: voxels about as large as the detector resolves."""
    pitch = sampling.plane_pitch_mm
    width = max(sampling.scanner.resolution_fwhm_mm[0], pitch)
    return covering_grid(image, sampling, isocentre_lps_mm, spacing_mm=(pitch, width, width))


def attenuation_factors(
    image: Image | None,
    sampling: SinogramSampling,
    isocentre_lps_mm: tuple[float, float, float],
    grid: Grid | None = None,
) -> NDArray[np.float32]:
    """exp(-∫ μ dl) of every bin, 1 without a map; `grid`: voxels to integrate on (default `attenuation_grid`)."""
    if image is None:
        return np.ones(sampling.shape, np.float32)
    grid = grid or attenuation_grid(image, sampling, isocentre_lps_mm)
    mu_per_mm = on_grid(image, grid, isocentre_lps_mm) / 10
    integrals = SinogramProjector(sampling, grid)(mu_per_mm)
    np.negative(integrals, out=integrals)
    return np.asarray(np.exp(integrals, out=integrals), np.float32)
