"""Magnetic resonance: an image of the transverse magnetisation from its Fourier transform.

    s_c(k) = ∫ C_c(r) m(r) exp(−2πi k·r) dr + n_c

| symbol | where | meaning, unit |
|---|---|---|
| s_c(k) | `KSpace.samples` | signal of coil c, arbitrary units |
| k | `KSpace.trajectory`, or the grid of `encoded_fov_mm` | spatial frequency, 1/m or 1/field of view |
| m(r) | `signal.spoiled_gradient_echo`, `signal.spin_echo` | magnetisation at the echo, equilibrium water = 1 |
| C_c(r) | `coils.CoilArray`, `recon.espirit` | receive sensitivity of coil c |
| n_c | `KSpace.noise` | complex normal noise; covariance across coils from a noise scan |
| A | `forward.SenseEncoding`, `forward.NonCartesianEncoding` | the map m → s |
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.image import Image
from pellucid.modalities.mr.acquisition import KSpace
from pellucid.modalities.mr.protocols import PROTOCOLS, Settings
from pellucid.modalities.mr.readers import READERS
from pellucid.modalities.mr.recon import METHODS, problem
from pellucid.modalities.mr.recon.fft import homodyne_weights
from pellucid.modalities.mr.scan import scan
from pellucid.modality import Modality
from pellucid.modality import reconstruct as _reconstruct
from pellucid.progress import Progress, no_progress


def default_method(raw: KSpace) -> str:
    """The direct transform where nothing but partial Fourier was left out; else what suits the sampling."""
    if raw.sampled is None:
        return "nufft"
    if raw.sampled.all() or homodyne_weights(raw.sampled) is not None or problem.refuses(raw):
        return "fft"
    return "sense" if _is_regular(raw) else "l1_wavelet"


def _is_regular(raw: KSpace) -> bool:
    """Whether the lines outside the calibration block are every n-th along each axis."""
    assert raw.sampled is not None
    if raw.sampled.shape[2] > 1:
        return False
    mask = raw.sampled[:, :, 0]
    outside = [
        np.arange(0 if n == 1 else b.stop, n) for n, b in zip(mask.shape, raw.calibration_block()[:2], strict=True)
    ]
    corner = mask[np.ix_(*outside)]
    used = [lines[corner.any(axis=1 - axis)] for axis, lines in enumerate(outside)]
    same_steps = all(np.unique(np.diff(lines)).size <= 1 for lines in used)
    return same_steps and bool(corner[np.ix_(corner.any(axis=1), corner.any(axis=0))].all())


MODALITY = Modality(
    key="mr",
    title="Magnetic resonance",
    acquisitions=(KSpace,),
    readers=READERS,
    methods=METHODS,
    protocols=PROTOCOLS,
    scan=scan,
    default_method=default_method,
)


def reconstruct(
    raw: KSpace, method: str | None = None, *, progress: Progress = no_progress, **parameters: Any
) -> Image:
    """Image from k-space by a named method (default: the best for this acquisition); `parameters` are checked."""
    return _reconstruct(raw, method, progress=progress, parameters=parameters)


__all__ = ["METHODS", "MODALITY", "KSpace", "Settings", "reconstruct", "scan"]
