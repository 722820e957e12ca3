"""Exact multi-coil k-space of the Shepp-Logan phantom, shared by comparisons, tests and benchmarks."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.anatomy import phantoms
from pellucid.modalities.mr import KSpace, sampling
from pellucid.modalities.mr.coils import around
from pellucid.modalities.mr.exact import HarmonicCoils, harmonic_coils

Array = NDArray[Any]
FIELD_OF_VIEW_MM = 256.0


@cache
def coils(
    count: int = 8, half_mm: tuple[float, float, float] = (75.0, 100.0, 60.0), harmonics: int = 5
) -> HarmonicCoils:
    """Fourier-series sensitivities of loops around the head."""
    return harmonic_coils(around((0.0, 0.0, 0.0), half_mm, count), FIELD_OF_VIEW_MM, harmonics=harmonics)


def grid_mm(size: int) -> Array:
    """Pixel centres (x, y) `[row, column, 2]`; the origin is at index size // 2."""
    line = (np.arange(size) - size // 2) * FIELD_OF_VIEW_MM / size
    return np.stack(np.meshgrid(line, line, indexing="xy"), axis=-1)


@cache
def truth(size: int) -> Array:
    """The phantom averaged over pixels."""
    offset = (np.arange(4) - 1.5) / 4 * FIELD_OF_VIEW_MM / size
    phantom, grid = phantoms.shepp_logan(size_mm=220.0), grid_mm(size)
    values: Array = np.mean([phantom.value(grid + np.array([a, b])) for a in offset for b in offset], axis=0)
    return values


def exact_kspace(receive: HarmonicCoils, k_per_mm: Array, size: int, *, sigma: float = 0.0) -> Array:
    """Complex64 k-space `[coil, …]` scaled for the unitary transform of a size × size image, noise `sigma`."""
    pixel = FIELD_OF_VIEW_MM / size
    return _noisy(receive.kspace(phantoms.shepp_logan(size_mm=220.0).kspace, k_per_mm) / (pixel**2 * size), sigma)


def grid_kspace(receive: HarmonicCoils, size: int, *, wide: float = 1.0, sigma: float = 0.0) -> Array:
    """The same on the grid of a field of view `wide` times the usual one, `[coil, row, column]`."""
    pixel = wide * FIELD_OF_VIEW_MM / size
    line = (np.arange(size) - size // 2) / (wide * FIELD_OF_VIEW_MM)
    samples = receive.kspace_on_grid(phantoms.shepp_logan(size_mm=220.0).kspace, line, line)
    return _noisy(samples / (pixel**2 * size), sigma)


def _noisy(samples: Array, sigma: float) -> Array:
    generator = np.random.default_rng(0)
    pair = generator.standard_normal((2, *samples.shape)) * sigma / np.sqrt(2)
    return (samples + pair[0] + 1j * pair[1]).astype(np.complex64)


@cache
def cartesian(size: int, *, sigma: float = 0.005) -> Array:
    """Full k-space `[coil, row, column]` of 8 coils."""
    return grid_kspace(coils(), size, sigma=sigma)


WIDE = 3.5
"""Field of view of `wide` over the usual one: its calibration lines resolve that much less."""


@cache
def wide(size: int) -> Array:
    """K-space of narrow loops close to the head in a wide field of view, where low-resolution maps fail."""
    return grid_kspace(_narrow(), size, wide=WIDE, sigma=0.0015)


def wide_truth(size: int) -> tuple[Array, Array]:
    """The sensitivities `[coil, row, column]` behind `wide`, and where the phantom is."""
    grid = WIDE * grid_mm(size)
    return _narrow().sensitivity(grid), phantoms.shepp_logan(size_mm=220.0).value(grid) > 0.01


def _narrow() -> HarmonicCoils:
    return coils(8, (58.0, 78.0, 10.0), 7)


def as_kspace(samples: Array, mask: Array) -> KSpace:
    """A plane with any mask `[row, column]` as an acquisition."""
    size = samples.shape[-1]
    pixel = FIELD_OF_VIEW_MM / size
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, pixel], [0, pixel, 0], [5.0, 0, 0]]
    affine[:3, 3] = [-pixel * (size // 2), -pixel * (size // 2), 0]
    return KSpace(
        samples=(samples * mask)[None, :, None],
        sampled=mask[None],
        affine=affine,
        image_shape=(1, size, size),
        encoded_fov_mm=(5.0, FIELD_OF_VIEW_MM, FIELD_OF_VIEW_MM),
    )


@cache
def radial(size: int, spokes: int, *, sigma: float = 0.005) -> KSpace:
    """Golden-angle spokes with two-fold readout oversampling, exact at every sample."""
    trajectory = sampling.golden_angle_radial(spokes, 2 * size, 1e3 / (2 * FIELD_OF_VIEW_MM))
    k_xy = trajectory[..., [2, 1]].astype(float) * 1e-3
    like = as_kspace(np.ones((8, size, size), np.complex64), np.ones((size, size), np.bool_))
    return KSpace(
        samples=exact_kspace(coils(), k_xy, size, sigma=sigma)[None, :, None],
        trajectory=trajectory,
        affine=like.affine,
        image_shape=like.image_shape,
        encoded_fov_mm=like.encoded_fov_mm,
    )


def shading(size: int) -> Array:
    """Root sum of squares of the coils: what combined images carry."""
    return np.linalg.norm(coils().sensitivity(grid_mm(size)), axis=0)


def error(image: Array, reference: Array) -> float:
    """Normalised root mean square error over the object, after one real or complex scale."""
    inside = np.abs(truth(reference.shape[-1])) > 0.01
    x, y = image[inside], reference[inside]
    scale = np.vdot(x, y) / np.vdot(x, x).real
    return float(np.linalg.norm(scale * x - y) / np.linalg.norm(y))


def map_agreement(found: Array, reference: Array, inside: Array) -> Array:
    """|⟨found, reference⟩| over the coils at each pixel inside: 1 where they agree but for scale and phase."""
    product = np.abs(np.sum(np.conj(found) * reference, axis=0))
    size = np.linalg.norm(found, axis=0) * np.linalg.norm(reference, axis=0)
    return (product / np.maximum(size, 1e-12))[inside]
