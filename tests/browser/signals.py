"""A small magnetic resonance signal with a picture that is not symmetric."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pellucid import container
from pellucid.acquisition import Acquisition
from pellucid.image import axial_affine
from pellucid.modalities.mr import KSpace
from pellucid.study import StudyContext


def kspace(patient: str, *, slices: int = 6, size: int = 96, coils: int = 4) -> Acquisition:
    """Full k-space of a block with an off-centre ball, seen by coils around it, with a little noise."""
    shape = (slices, size, size)
    affine = axial_affine(shape, (4.0, 2.0, 2.0), (10.0, -15.0, 40.0))
    level, row, column = np.indices(shape)
    middle = size / 2
    picture = ((abs(row - middle) < size * 0.36) & (abs(column - middle) < size * 0.28)).astype(float)
    off_centre = (row - size * 0.35) ** 2 + (column - size * 0.62) ** 2
    picture[((level - slices * 0.6) * 2) ** 2 + off_centre < (size * 0.1) ** 2] = 2.0
    maps = []
    for angle in 2 * np.pi * np.arange(coils) / coils:
        y, x = middle + size * 0.6 * np.array([np.sin(angle), np.cos(angle)])
        maps.append(np.exp(-((row - y) ** 2 + (column - x) ** 2) / size**2 + 1j * angle))
    seen = np.stack([picture * sensitivity for sensitivity in maps], axis=1)[:, :, None]
    shifted = np.fft.ifftshift(seen, axes=(-2, -1))
    samples = np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(-2, -1))
    generator = np.random.default_rng(7)
    samples += 0.02 * (generator.normal(size=samples.shape) + 1j * generator.normal(size=samples.shape))
    return KSpace(
        samples=samples.astype(np.complex64),
        affine=affine,
        image_shape=shape,
        encoded_fov_mm=(4.0, size * 2.0, size * 2.0),
        sampled=np.ones((1, size, 1), bool),
        sequence="spin_echo",
        description="Block and ball",
        study=StudyContext(patient_id=patient, patient_name=patient, study_date="20260203", study_description="Signal"),
    )


def write(raw: Acquisition, folder: Path) -> Path:
    """The signal as a file."""
    path = folder / "signal.pellucid.h5"
    container.write(raw, path)
    return path
