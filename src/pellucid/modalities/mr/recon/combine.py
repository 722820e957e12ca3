"""Coil images → one image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid.kernels import kernel, parallel_kernel, prange
from pellucid.modalities.mr.acquisition import KSpace
from pellucid.parameters import About

Complex = NDArray[np.complex64]


def _why_not_combined(raw: KSpace, _values: Mapping[str, Any]) -> str:
    if raw.coils > 1:
        return ""
    return "this signal has one coil: nothing to combine; expected root_sum_of_squares, the default"


Combination = Annotated[
    Literal["root_sum_of_squares", "adaptive"], About("How the coils' images become one", refuses=_why_not_combined)
]


def root_sum_of_squares(images: Complex) -> NDArray[np.float32]:
    """√ Σ_c |m_c|² over the first axis. Roemer 1990, doi:10.1002/mrm.1910160203."""
    total = np.zeros(images.shape[1:], np.float32)
    for image in images:
        total += image.real**2 + image.imag**2
    return np.sqrt(total)


def adaptive(images: Complex, *, block: int = 7, iterations: int = 8) -> Complex:
    """Σ_c conj(v_c) m_c with v the main eigenvector of the local coil covariance, on `[coil, row, column]`.

    The matched filter of Walsh 2000 (doi:10.1002/(SICI)1522-2594(200005)43:5<682::AID-MRM10>3.0.CO;2-G) for white
    noise, covariances over `block` × `block` pixels; power iteration from the pixel before. The phase is that of the
    strongest coil of the whole image.
    """
    strongest = int(np.argmax(np.sum(np.abs(images) ** 2, axis=(1, 2))))
    by_pixel = np.ascontiguousarray(np.moveaxis(images, 0, -1))
    out = np.empty(images.shape[1:], np.complex64)
    _adaptive(by_pixel, block // 2, iterations, strongest, out)
    return out


@parallel_kernel
def _adaptive(images: Complex, reach: int, iterations: int, reference: int, out: Complex) -> None:
    for row in prange(len(images)):
        _adaptive_row(images, row, reach, iterations, reference, out[row])


@kernel
def _adaptive_row(images: Complex, row: int, reach: int, iterations: int, reference: int, out: Complex) -> None:
    rows, columns, coils = images.shape
    vector = np.ones(coils, np.complex64)
    following = np.empty(coils, np.complex64)
    covariance = np.zeros((coils, coils), np.complex64)
    top, bottom = max(0, row - reach), min(rows, row + reach + 1)
    for column in range(columns):
        # Slide the window: add the column of pixels that enters, remove the one that leaves.
        if column == 0:
            first_new, last_new = 0, min(columns, reach + 1)
        else:
            first_new, last_new = column + reach, min(columns, column + reach + 1)
        for j in range(first_new, last_new):
            for i in range(top, bottom):
                for a in range(coils):
                    for b in range(coils):
                        covariance[a, b] += images[i, j, a] * np.conj(images[i, j, b])
        gone = column - reach - 1
        if gone >= 0:
            for i in range(top, bottom):
                for a in range(coils):
                    for b in range(coils):
                        covariance[a, b] -= images[i, gone, a] * np.conj(images[i, gone, b])
        for _ in range(iterations):
            length = np.float32(0)
            for a in range(coils):
                value = np.complex64(0)
                for b in range(coils):
                    value += covariance[a, b] * vector[b]
                following[a] = value
                length += value.real * value.real + value.imag * value.imag
            if length > 0:
                scale = np.float32(1) / np.sqrt(length)
                for a in range(coils):
                    vector[a] = following[a] * scale
        value = np.complex64(0)
        for a in range(coils):
            value += np.conj(vector[a]) * images[row, column, a]
        size = abs(vector[reference])
        if size > 0:
            value *= vector[reference] / size
        out[column] = value
