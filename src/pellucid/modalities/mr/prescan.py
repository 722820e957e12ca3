"""The reference scan for normalisation: a quick volume at low resolution, by the coil array and by the body coil."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pellucid.anatomy.anatomy import Anatomy
from pellucid.modalities.mr.acquisition import Prescan
from pellucid.modalities.mr.encoding import cartesian_axis
from pellucid.modalities.mr.noise import add_noise
from pellucid.modalities.mr.prescription import Prescription, prescribe
from pellucid.modalities.mr.protocols import Settings
from pellucid.modalities.mr.scene import make_scene

_VOXEL_MM = 8.0
_BOX_MM = 4.0
"""Half a voxel: the object needs no finer boxes for what the prescan resolves."""

_BODY_COIL_NOISE = 2.0
"""Noise of the body coil over that of one coil, at a sensitivity of 1 everywhere: half the array's signal to noise in
the centre of the patient, as head arrays reach at least."""


def acquire_prescan(anatomy: Anatomy, settings: Settings, grid: Prescription, *, seed: int) -> Prescan:
    """A spoiled gradient echo of the whole patient, hardly weighted (3°), along the axes of the patient.

    `settings`, `grid`: of the image's scan, whose noise per sample it has. The body coil's sensitivity is 1
    everywhere: that of a real one falls off a little in large patients.
    """
    fast = replace(
        settings, sequence="spoiled_gradient_echo", repetition_time_ms=5.0, echo_time_ms=1.5, flip_angle_deg=3.0,
        dimensions="3d", orientation="axial", tilt_deg=0.0, sampling="full", slices=None, rows=None, columns=None,
        resolution_mm=_VOXEL_MM, slice_thickness_mm=_VOXEL_MM,
    )  # fmt: skip
    low = prescribe(anatomy, fast)
    scene = make_scene(anatomy, fast, low, np.random.default_rng([seed, 0]), largest_box_mm=_BOX_MM)
    planes = range(len(scene.magnetisation))
    body = np.stack([scene.magnetisation[index] * scene.phase(index) for index in planes])
    seen = np.stack([*np.stack([scene.plane(index) for index in planes], axis=1), body])
    axes = [
        cartesian_axis(place, box, samples * voxel, samples)
        for place, box, samples, voxel in zip(scene.axes_mm, scene.boxes_mm, low.shape, low.spacing_mm, strict=True)
    ]
    samples: NDArray[np.complex64] = np.einsum("pz,ry,cx,nzyx->nprc", *axes, seen, optimize=True)
    generator = np.random.default_rng([seed, 2])
    level = _noise(settings, grid, low)
    add_noise(samples[None, :-1], scene.coils.noise_covariance() * level**2, generator)
    add_noise(samples[None, -1:], np.full((1, 1), (_BODY_COIL_NOISE * level) ** 2), generator)
    return Prescan(array=samples[:-1].copy(), body=samples[-1].copy(), affine=low.affine)


def _noise(settings: Settings, grid: Prescription, low: Prescription) -> float:
    """Deviation of one coil's noise per sample of the grid `low` at the same noise of the receiver.

    Samples are scaled by 1 / (voxel √samples), and so is the noise.
    """
    together = np.prod(grid.shape[0 if settings.dimensions == "3d" else 1 :])
    voxel = settings.resolution_mm**2 * settings.slice_thickness_mm
    scale = voxel * np.sqrt(together) / (np.prod(low.spacing_mm) * np.sqrt(np.prod(low.shape)))
    return float(scale / settings.signal_to_noise)
