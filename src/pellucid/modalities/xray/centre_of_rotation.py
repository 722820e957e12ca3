"""Where the axis of rotation is projected, found from a parallel scan itself.

Views half a turn apart are mirror images about the axis. Over a full turn they are correlated directly. Over half
a turn the second half is taken to be the first one mirrored about a trial axis; the Fourier transform of a whole
sinogram of an object of radius R vanishes where the angular frequency exceeds R times the spatial one, and the axis
is where least is left there (Vo et al., Opt Express 22 (2014) 19078, doi:10.1364/OE.22.019078). Both come down to
the peak of one correlation, here in closed form over spatial frequencies instead of trial by trial.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

_ROWS = 8
_FINE = 64
_PAIR_TOLERANCE = 0.6


def centre_of_rotation(data: NDArray[np.float32], angles_deg: NDArray[np.float64]) -> float | None:
    """Column (from 0, fractional) of the axis; None where the views cover less than half a turn evenly.

    `data`: line integrals `[view, row, column]`; up to 8 rows spread over the detector are used.
    """
    order = np.argsort(angles_deg)
    angles = angles_deg[order]
    if len(angles) < 8:
        return None
    step = float(np.median(np.diff(angles)))
    covered = angles[-1] - angles[0] + step
    if step <= 0 or np.ptp(np.diff(angles)) > 0.5 * step or covered < 180 - 1.5 * step:
        return None
    rows = np.unique(np.linspace(0, data.shape[1] - 1, _ROWS).round().astype(int))
    columns = data.shape[2]
    length = scipy.fft.next_fast_len(2 * columns, real=True)
    spectra = scipy.fft.rfft(data[order][:, rows].astype(np.float64), length, axis=-1)
    mirrored = _mirrored(spectra, columns, length)
    if covered >= 360 - 1.5 * step:
        half = round(180 / step)
        cross = (spectra[:-half] * mirrored[half:].conj()).sum(axis=(0, 1))
    else:
        half = round(180 / step)
        cross = -_outside_wedge(spectra[:half], mirrored[:half], length)
    return _peak(cross, columns, length)


def _mirrored(spectra: NDArray[np.complex128], columns: int, length: int) -> NDArray[np.complex128]:
    """Spectra of the views with their columns in reverse order."""
    shift = np.exp(-2j * np.pi * np.arange(spectra.shape[-1]) * (columns - 1) / length)
    mirrored: NDArray[np.complex128] = spectra.conj() * shift
    return mirrored


def _outside_wedge(
    first: NDArray[np.complex128], second: NDArray[np.complex128], length: int
) -> NDArray[np.complex128]:
    """Correlation, per spatial frequency, of the two halves' coefficients outside the double wedge.

    The energy there is |F₁ + (−1)^k e^{−2πi ω s} F₂|² for a shift s; only the cross term depends on s.
    """
    views = len(first)
    angular = np.fft.fftfreq(2 * views, 1 / (2 * views))[:, None]
    one = scipy.fft.fft(first, 2 * views, axis=0)
    two = scipy.fft.fft(second, 2 * views, axis=0) * np.exp(-1j * np.pi * angular)[:, :, None]
    spatial = 2 * np.pi * np.arange(first.shape[-1]) / length
    radius = length / 4  # half the detector: the largest object that it sees
    outside = np.abs(angular) > radius * spatial[None, :] + 2
    cross: NDArray[np.complex128] = np.einsum("kw,krw,krw->w", outside.astype(float), one, two.conj())
    return cross


def _peak(cross: NDArray[np.complex128], columns: int, length: int) -> float:
    """The axis at which the correlation is highest: coarse by FFT, fine around it."""
    cross = cross.copy()
    cross[0] = 0
    coarse = scipy.fft.irfft(cross, length)
    shift = float(np.argmax(np.roll(coarse, length // 2)) - length // 2)
    omega = 2j * np.pi * np.arange(len(cross)) / length
    for width in (1.0, 2.0 / _FINE):
        trial = shift + np.linspace(-width, width, 2 * _FINE + 1)
        shift = float(trial[np.argmax((np.exp(np.outer(trial, omega)) @ cross).real)])
    return (columns - 1 + shift) / 2
