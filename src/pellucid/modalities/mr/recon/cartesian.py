"""What every Cartesian reconstruction starts and ends with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from pellucid.kernels import thread_count
from pellucid.modalities.mr.acquisition import KSpace

Complex = NDArray[np.complex64]


def whitening_matrix(raw: KSpace) -> Complex:
    """W = L⁻¹ with the noise covariance L Lᴴ: W applied to the coils makes their noise white and of unit variance.

    Pruessmann 2001, doi:10.1002/mrm.1241. The identity where there is no noise scan.
    """
    root = np.linalg.cholesky(raw.noise_covariance())
    matrix: Complex = np.linalg.inv(root).astype(np.complex64)
    return matrix


def whitened(samples: Complex, matrix: Complex) -> Complex:
    """`matrix` applied to the coil axis of samples `[coil, …]`."""
    mixed: Complex = (matrix @ samples.reshape(len(samples), -1)).reshape(samples.shape)
    return mixed


def resized(array: NDArray[Any], axis: int, length: int) -> NDArray[Any]:
    """`array` cropped or zero-padded along `axis` so that index n // 2 stays the centre."""
    old = array.shape[axis]
    if length == old:
        return array
    start = old // 2 - length // 2
    if length < old:
        return np.take(array, np.arange(start, start + length), axis)
    widths = [(0, 0)] * array.ndim
    widths[axis] = (-start, length - old + start)
    return np.pad(array, widths)


def to_image_space(array: Complex, axes: Sequence[int]) -> Complex:
    """Centred unitary inverse transform over `axes`."""
    shifted = scipy.fft.ifftshift(array, axes)
    image = scipy.fft.ifftn(shifted, axes=axes, norm="ortho", overwrite_x=True, workers=thread_count())
    result: Complex = scipy.fft.fftshift(image, axes)
    return result


def to_k_space(array: Complex, axes: Sequence[int]) -> Complex:
    """Centred unitary transform over `axes`."""
    shifted = scipy.fft.ifftshift(array, axes)
    spectrum = scipy.fft.fftn(shifted, axes=axes, norm="ortho", overwrite_x=True, workers=thread_count())
    result: Complex = scipy.fft.fftshift(spectrum, axes)
    return result


def grid_lengths(raw: KSpace) -> tuple[int, int, int]:
    """Voxels of the image's size along the encoded field of view: (partition, line, readout).

    More than the samples where the scanner asks for interpolation by zero filling, as many otherwise.
    """
    lengths = [max(1, round(f / v)) for f, v in zip(raw.encoded_fov_mm, raw.voxel_mm, strict=True)]
    return (lengths[0] if raw.is_3d else 1), lengths[1], lengths[2]


def readout_transformed(raw: KSpace, index: int, matrix: Complex) -> Complex:
    """Slice `index` with its readouts in image space, oversampling removed and noise white.

    `[coil, partition, line, column]`, on the image's columns.
    """
    length = grid_lengths(raw)[2]
    rows = to_image_space(resized(raw.samples[index], -1, length), (-1,))
    # Unitary transforms of different lengths: keep the amplitude of a voxel.
    scale = np.float32(np.sqrt(length / raw.samples.shape[4]))
    return whitened(resized(rows, -1, raw.image_shape[2]), matrix * scale)


def on_image_grid(raw: KSpace, volume: NDArray[Any]) -> NDArray[Any]:
    """`volume` `[…, partition, line, column]` on the encoded grid → the image's slices and rows.

    Interpolated by zero filling of k-space where the image's voxels are smaller, then cropped to the image.
    """
    partitions, lines, _ = grid_lengths(raw)
    wanted = (partitions if raw.is_3d else volume.shape[-3], lines)
    for axis, length in zip((-3, -2), wanted, strict=True):
        old = volume.shape[axis]
        if length != old:
            spectrum = resized(to_k_space(volume, (axis,)), volume.ndim + axis, length)
            volume = to_image_space(spectrum, (axis,)) * np.float32(np.sqrt(length / old))
    if raw.is_3d:
        volume = resized(volume, volume.ndim - 3, raw.image_shape[0])
    return resized(volume, volume.ndim - 2, raw.image_shape[1])
