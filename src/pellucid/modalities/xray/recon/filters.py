"""The ramp filter of filtered back-projection, with the usual windows."""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from pellucid.kernels import thread_count
from pellucid.modalities.xray.geometry import ScanGeometry

FilterName = Literal["ram_lak", "shepp_logan", "cosine", "hann"]


def ramp_response(geometry: ScanGeometry, name: FilterName, cutoff: float) -> NDArray[np.float32]:
    """Frequency response (real FFT layout) of the ramp filter for a scan's detector.

    The ramp is band-limited in space (Kak & Slaney, Principles of Computerized Tomographic Imaging, 1988, eq. 61
    of chapter 3; eq. 3.4.1 (94) for a curved detector), which keeps the mean right where a ramp sampled in
    frequency loses it. Detector spacing is taken at the isocentre. `cutoff`: fraction of the Nyquist frequency.
    """
    columns = geometry.columns
    length = scipy.fft.next_fast_len(2 * columns, real=True)
    distance = np.arange(length, dtype=np.float64)
    distance = np.minimum(distance, length - distance)
    odd = distance % 2 == 1
    spacing = geometry.column_spacing_mm
    if geometry.beam != "parallel":
        spacing *= geometry.source_isocentre_mm / geometry.source_detector_mm
    if geometry.detector == "curved":
        odd &= distance < columns
        step = geometry.column_spacing_mm / geometry.source_detector_mm
        distance = np.sin(distance * step) / step
    kernel = np.zeros(length)
    kernel[0] = 0.25
    kernel[odd] = -1 / (np.pi * distance[odd]) ** 2
    response = scipy.fft.rfft(kernel).real / spacing
    return (response * window(name, len(response), cutoff)).astype(np.float32)


def window(name: FilterName, length: int, cutoff: float) -> NDArray[np.float64]:
    """Window over frequencies 0 … Nyquist, 0 beyond `cutoff` (fraction of Nyquist)."""
    frequency = np.linspace(0.0, 1.0, length) / cutoff
    shapes = {
        "ram_lak": np.ones(length),
        "shepp_logan": np.sinc(frequency / 2),
        "cosine": np.cos(np.pi * frequency / 2),
        "hann": 0.5 + 0.5 * np.cos(np.pi * frequency),
    }
    return np.where(frequency <= 1.0, shapes[name], 0.0)


def filtered(data: NDArray[np.float32], response: NDArray[np.float32]) -> NDArray[np.float32]:
    """`data` `[view, row, column]` filtered along columns, padded with zeros so that the ends do not meet."""
    length = 2 * (len(response) - 1)
    workers = thread_count()
    spectrum = scipy.fft.rfft(data, length, axis=-1, workers=workers)
    spectrum *= response
    result: NDArray[np.float32] = scipy.fft.irfft(spectrum, length, axis=-1, workers=workers, overwrite_x=True)
    return result[..., : data.shape[-1]]
