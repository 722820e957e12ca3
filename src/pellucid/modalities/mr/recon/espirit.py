"""ESPIRiT: coil sensitivities from the fully sampled centre of k-space.

Uecker et al. 2014, doi:10.1002/mrm.24751. Patches of the centre span the row space of a matrix A; P projects on it.
At each place r the sensitivities are the eigenvectors of

    G(r)_cd = 1/k² Σ_Δ exp(2πi Δ·r) Σ_q P[(c, q + Δ), (d, q)]

with eigenvalue 1. The sum over q is done once, so G needs (2k − 1)² numbers per
pair of coils whatever the image's size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.kernels import kernel, parallel_kernel, prange

Complex = NDArray[np.complex64]

_TOLERANCE = 1e-5
"""Power iteration stops where an eigenvector changes by less than this (squared)."""

_MOST_ITERATIONS = 60


def espirit(
    calibration: Complex,
    shape: tuple[int, int],
    *,
    maps: int = 1,
    kernel: int = 6,
    threshold: float = 0.02,
    reference: Complex | None = None,
) -> tuple[Complex, NDArray[np.float32]]:
    """Sensitivities `[map, coil, row, column]` of unit norm over the coils and eigenvalues `[map, row, column]`.

    `calibration`: k-space centre `[coil, row, column]`, k = 0 at n // 2, on the grid of an image of `shape`;
    `kernel`: width k of the patches; `threshold`: singular values below this share of the largest are noise;
    `reference`: coil weights whose combination gets phase zero in every map (default: the main component of the
    calibration data). Raises `InvalidInputError` where the calibration block is smaller than the kernel.
    """
    coils, rows, columns = calibration.shape
    width = (min(kernel, rows), min(kernel, columns))
    patches = (rows - width[0] + 1) * (columns - width[1] + 1)
    if min(rows, columns) < 2 or patches < 4:
        raise InvalidInputError(
            f"is {rows} x {columns}; expected more than the kernel's {kernel} x {kernel}", field="calibration lines"
        )
    maps = min(maps, coils)
    projector = _projector(calibration, width, threshold)
    correlation = _correlation(projector.reshape(coils, *width, coils, *width))
    main = main_component(calibration) if reference is None else reference
    steps = [_phases(n, w) for n, w in zip(shape, width, strict=True)]
    out = np.empty((maps, coils, *shape), np.complex64)
    values = np.empty((maps, *shape), np.float32)
    by_row = np.einsum("yr,rscd->yscd", steps[0], correlation, optimize=True)
    _eigenvectors(
        np.ascontiguousarray(by_row.real, np.float32),
        np.ascontiguousarray(by_row.imag, np.float32),
        np.ascontiguousarray(steps[1]),
        main.conj().astype(np.complex64),
        out,
        values,
    )
    return out, values


def main_component(calibration: Complex) -> Complex:
    """Weights of the coils' first principal component over the calibration data, `[coil]`."""
    flat = calibration.reshape(len(calibration), -1)
    _, vectors = np.linalg.eigh(flat @ flat.conj().T)
    result: Complex = vectors[:, -1].astype(np.complex64)
    return result


def _projector(calibration: Complex, width: tuple[int, int], threshold: float) -> Complex:
    """Projector on the significant row space of the matrix of all patches, `[coil k k, coil k k]`."""
    windows = np.lib.stride_tricks.sliding_window_view(calibration, width, axis=(1, 2))
    matrix = np.ascontiguousarray(windows.transpose(1, 2, 0, 3, 4)).reshape(-1, len(calibration) * width[0] * width[1])
    values, vectors = np.linalg.eigh(matrix.T @ matrix.conj())
    kept = vectors[:, values > threshold**2 * values[-1]]
    result: Complex = kept @ kept.conj().T
    return result


def _correlation(projector: Complex) -> Complex:
    """Σ_q P[(c, q + Δ), (d, q)] / k², `[Δrow, Δcolumn, d, c]`, Δ from 1 − k to k − 1."""
    coils, height, width = projector.shape[:3]
    result = np.zeros((2 * height - 1, 2 * width - 1, coils, coils), np.complex64)
    for row in range(height):
        for column in range(width):
            part = projector[:, :, :, :, row, column].transpose(1, 2, 3, 0)
            result[height - 1 - row : 2 * height - 1 - row, width - 1 - column : 2 * width - 1 - column] += part
    result /= height * width
    return result


def _phases(length: int, width: int) -> Complex:
    """exp(2πi Δ (n − ⌊N/2⌋) / N), `[n, Δ]`."""
    place = (np.arange(length) - length // 2) / length
    result: Complex = np.exp(2j * np.pi * np.outer(place, np.arange(1 - width, width))).astype(np.complex64)
    return result


@parallel_kernel
def _eigenvectors(
    real: NDArray[np.float32],
    imaginary: NDArray[np.float32],
    phases: Complex,
    reference: Complex,
    out: Complex,
    values: NDArray[np.float32],
) -> None:
    """Largest eigenpairs of G along each row, by orthogonal iteration that starts at the pixel before."""
    for row in prange(len(real)):
        _eigenvectors_of_row(real[row], imaginary[row], phases, reference, out[:, :, row], values[:, row])


@kernel
def _eigenvectors_of_row(
    real: NDArray[np.float32],
    imaginary: NDArray[np.float32],
    phases: Complex,
    reference: Complex,
    out: Complex,
    values: NDArray[np.float32],
) -> None:
    maps, coils, columns = out.shape
    terms = phases.shape[1]
    g_re = np.empty((coils, coils), np.float32)
    g_im = np.empty((coils, coils), np.float32)
    v_re = np.zeros((maps, coils), np.float32)
    v_im = np.zeros((maps, coils), np.float32)
    w_re = np.empty(coils, np.float32)
    w_im = np.empty(coils, np.float32)
    for m in range(maps):
        for c in range(coils):
            v_re[m, c] = np.float32(1.0) if (c + m) % maps == 0 else np.float32(0.1)
    for column in range(columns):
        g_re[:] = np.float32(0)
        g_im[:] = np.float32(0)
        for s in range(terms):
            p_re, p_im = phases[column, s].real, phases[column, s].imag
            for d in range(coils):
                for c in range(coils):
                    a, b = real[s, d, c], imaginary[s, d, c]
                    g_re[d, c] += p_re * a - p_im * b
                    g_im[d, c] += p_re * b + p_im * a
        for _ in range(_MOST_ITERATIONS):
            change = np.float32(0)
            for m in range(maps):
                w_re[:] = np.float32(0)
                w_im[:] = np.float32(0)
                for d in range(coils):
                    x, y = v_re[m, d], v_im[m, d]
                    for c in range(coils):
                        w_re[c] += g_re[d, c] * x - g_im[d, c] * y
                        w_im[c] += g_re[d, c] * y + g_im[d, c] * x
                for n in range(m):
                    o_re = o_im = np.float32(0)
                    for c in range(coils):
                        o_re += v_re[n, c] * w_re[c] + v_im[n, c] * w_im[c]
                        o_im += v_re[n, c] * w_im[c] - v_im[n, c] * w_re[c]
                    for c in range(coils):
                        w_re[c] -= v_re[n, c] * o_re - v_im[n, c] * o_im
                        w_im[c] -= v_re[n, c] * o_im + v_im[n, c] * o_re
                square = np.float32(0)
                for c in range(coils):
                    square += w_re[c] * w_re[c] + w_im[c] * w_im[c]
                values[m, column] = np.sqrt(square)
                scale = np.float32(1) / np.sqrt(square) if square > 0 else np.float32(0)
                for c in range(coils):
                    a, b = w_re[c] * scale, w_im[c] * scale
                    change += (a - v_re[m, c]) ** 2 + (b - v_im[m, c]) ** 2
                    v_re[m, c], v_im[m, c] = a, b
            if change < _TOLERANCE**2 * 100:
                break
        for m in range(maps):
            # The combination by `reference` gets phase zero.
            t_re = t_im = np.float32(0)
            for c in range(coils):
                t_re += reference[c].real * v_re[m, c] - reference[c].imag * v_im[m, c]
                t_im += reference[c].real * v_im[m, c] + reference[c].imag * v_re[m, c]
            size = np.sqrt(t_re * t_re + t_im * t_im)
            if size == 0:
                t_re, t_im, size = np.float32(1), np.float32(0), np.float32(1)
            for c in range(coils):
                a = (v_re[m, c] * t_re + v_im[m, c] * t_im) / size
                b = (v_im[m, c] * t_re - v_re[m, c] * t_im) / size
                out[m, c, column] = complex(a, b)
