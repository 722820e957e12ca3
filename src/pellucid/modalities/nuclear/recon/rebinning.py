"""From a 3D sinogram to one 2D sinogram of line integrals per slice."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.modalities.nuclear.forward import PetModel
from pellucid.modalities.nuclear.sampling import SinogramSampling


def single_slice_rebinned(model: PetModel) -> NDArray[np.float32]:
    """Line integrals of activity [Bq/ml mm] in the transaxial planes, `[view, radial, slice]`.

    Every plane is put where its line crosses the axis, as if it did not lean:
    p = Σ (y - r - s) / Σ T S a / cos θ over the planes of a slice, which weighs planes by what they can count.
    Bins that detect nothing are filled from their neighbours across. Daube-Witherspoon and Muehllehner, J Nucl Med
    1987;28:1717.
    """
    raw, sampling = model.raw, model.raw.sampling
    slices = 2 * sampling.scanner.rings - 1
    numerator = np.zeros((*sampling.shape[:2], slices), np.float32)
    denominator = np.zeros_like(numerator)
    trues = raw.prompts - raw.background
    factors = model.factors()
    for first, segment in zip(sampling.first_planes, sampling.segments, strict=False):
        at = segment.ring_sums(sampling.scanner.rings)
        own = slice(first, first + len(at))
        tangent = segment.mean * sampling.plane_pitch_mm / sampling.half_chords_mm
        numerator[:, :, at] += trues[:, :, own]
        denominator[:, :, at] += factors[:, :, own] * np.hypot(1, tangent).astype(np.float32)[:, None]
    # Span 1 alone leaves every other slice empty where only one ring difference is kept.
    return _slices_filled(_bins_filled(numerator, denominator), denominator)


def _bins_filled(numerator: NDArray[np.float32], denominator: NDArray[np.float32]) -> NDArray[np.float32]:
    """The quotient; where nothing is detected the mean of the nearest detecting bins on either side."""
    floor = 1e-4 * float(denominator.max())
    if floor == 0:
        raise InvalidInputError("is 0 everywhere: no bin detects anything", field="sensitivity")
    dead = denominator <= floor
    quotient = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=~dead)
    if not dead.any():
        return quotient
    bins = quotient.shape[1]
    place = np.arange(bins)[None, :, None]
    before = np.maximum.accumulate(np.where(dead, -1, place), axis=1)
    after = np.flip(np.minimum.accumulate(np.flip(np.where(dead, bins, place), 1), axis=1), 1)
    low = np.take_along_axis(quotient, np.where(before < 0, np.minimum(after, bins - 1), before), axis=1)
    high = np.take_along_axis(quotient, np.where(after >= bins, np.maximum(before, 0), after), axis=1)
    span = np.maximum(after - before, 1).astype(np.float32)
    weight = (place - before) / span
    return np.where(dead, low + (high - low) * weight, quotient).astype(np.float32)


def _slices_filled(integrals: NDArray[np.float32], denominator: NDArray[np.float32]) -> NDArray[np.float32]:
    """Slices that no plane crosses, interpolated between those that some plane does; 0 beyond them."""
    seen = np.flatnonzero(denominator.any(axis=(0, 1)))
    for index in np.setdiff1d(np.arange(integrals.shape[2]), seen):
        right = int(np.searchsorted(seen, index))
        if 0 < right < seen.size:
            low, high = seen[right - 1], seen[right]
            weight = np.float32((index - low) / (high - low))
            integrals[:, :, index] = (1 - weight) * integrals[:, :, low] + weight * integrals[:, :, high]
    return integrals


def parallel_views(
    integrals: NDArray[np.float32], sampling: SinogramSampling
) -> tuple[NDArray[np.float32], NDArray[np.float64], float]:
    """The same integrals on parallel lines at even distances: values, angle of each view, and distance of bins [mm].

    Interleaved bins, turned by part of a view, are interpolated between views (beyond the last view the first,
    seen from the other side); bins that lie closer towards the rim are interpolated to the central distance.
    """
    bins, offsets = integrals.shape[1], sampling.offsets_mm
    angles = sampling.angles_rad.max(axis=1)
    gaps = gaps_after(angles)
    turned = np.empty_like(integrals)
    mirrored = _at_offsets(integrals[:1], offsets, -offsets)[0]
    following = np.concatenate([integrals[1:], mirrored[None]])
    for radial in range(bins):
        weight = ((angles - sampling.angles_rad[:, radial]) / gaps).astype(np.float32)[:, None]
        turned[:, radial] = (1 - weight) * integrals[:, radial] + weight * following[:, radial]
    spacing = float(np.diff(offsets).max())
    even = (np.arange(bins) - (bins - 1) / 2) * spacing
    return _at_offsets(turned, offsets, even), angles, spacing


def gaps_after(angles_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """From each view to the next one, the last to the first seen from the other side."""
    return np.diff(angles_rad, append=angles_rad[0] + math.pi)


def _at_offsets(
    integrals: NDArray[np.float32], given: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Linear interpolation along the radial axis, 0 outside."""
    place = np.interp(wanted, given, np.arange(given.size))
    low = np.clip(np.floor(place).astype(int), 0, given.size - 2)
    weight = (place - low).astype(np.float32)[:, None]
    values = (1 - weight) * integrals[:, low] + weight * integrals[:, low + 1]
    margin = float(np.diff(given).min()) / 2
    outside = (wanted < given[0] - margin) | (wanted > given[-1] + margin)
    values[:, outside] = 0
    return np.asarray(values, np.float32)
