"""Anatomy + protocol → KSpace: what a multi-coil scanner would have measured.

The order of things: tissue → steady-state signal (`signal`), times a smooth phase and each coil's sensitivity
(`coils`), exact Fourier transform of the box-shaped voxels at every sampled k (`encoding`), plus complex noise with the
array's covariance. A prescan by array and body coil comes with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.anatomy.anatomy import Anatomy
from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.image import Provenance
from pellucid.modalities.mr import encoding, sampling
from pellucid.modalities.mr.acquisition import KSpace
from pellucid.modalities.mr.noise import add_noise
from pellucid.modalities.mr.prescan import acquire_prescan
from pellucid.modalities.mr.prescription import Prescription, prescribe
from pellucid.modalities.mr.protocols import PROTOCOLS, Settings
from pellucid.modalities.mr.scene import Scene, make_scene
from pellucid.modality import software
from pellucid.operators import NonUniformFourier
from pellucid.parameters import changed
from pellucid.progress import Progress, no_progress, track
from pellucid.study import StudyContext

_MEGAHERTZ_PER_T = 42.577478518
"""Proton gyromagnetic ratio over 2π (CODATA 2018)."""

_SEQUENCE_KEYWORDS = {
    # ScanningSequence, SequenceVariant (DICOM PS3.3 C.8.3.1).
    "spoiled_gradient_echo": ("GR", "SP"),
    "spin_echo": ("SE", "NONE"),
    "inversion_recovery": ("IR", "NONE"),
}


def scan(
    anatomy: Anatomy,
    protocol: str | Settings,
    *,
    seed: int = 0,
    study: StudyContext | None = None,
    progress: Progress = no_progress,
    **changes: Any,
) -> KSpace:
    """Scan `anatomy` by a named protocol or `Settings`; `changes` are checked fields of `Settings`.

    `seed` fixes noise, object phase and random sampling. Raises `UnknownOptionError` for an unknown protocol or
    field and `InvalidInputError` for values that cannot be scanned.
    """
    settings, name = _settings(protocol)
    settings = changed(settings, changes, f"mr protocol {name}")
    _check(settings)
    patient = anatomy.at(0.0)
    grid = prescribe(patient, settings)
    progress(0.0, "preparing the patient")
    scene = make_scene(patient, settings, grid, np.random.default_rng([seed, 0]))
    if settings.sampling == "radial":
        samples, parts = _radial(scene, settings, grid, progress)
    else:
        samples, parts = _cartesian(scene, settings, grid, seed, progress)
    covariance = scene.coils.noise_covariance() / settings.signal_to_noise**2
    noise = add_noise(samples, covariance, np.random.default_rng([seed, 1]), sampled=parts.get("sampled"))
    prescan = acquire_prescan(patient, settings, grid, seed=seed) if settings.prescan else None
    centre = grid.centre_lps_mm
    inversion = settings.inversion_time_ms if settings.sequence == "inversion_recovery" else None
    raw = KSpace(
        samples=samples,
        noise=noise,
        prescan=prescan,
        affine=grid.affine,
        image_shape=grid.shape,
        study=study or anatomy.study,
        description=f"{settings.sequence.replace('_', ' ')} {settings.orientation} ({name})",
        attributes=_attributes(settings),
        isocentre_lps_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        provenance=Provenance(
            operation="scan",
            method=f"mr.{name}",
            parameters={**vars(settings), "seed": seed},
            sources=(anatomy.name,),
            software=software(),
        ),
        sequence=settings.sequence,
        echo_time_ms=settings.echo_time_ms,
        repetition_time_ms=settings.repetition_time_ms,
        inversion_time_ms=inversion,
        flip_angle_deg=settings.flip_angle_deg,
        field_strength_t=settings.field_strength_t,
        slice_thickness_mm=settings.slice_thickness_mm,
        **parts,
    )
    progress(1.0, "scanned")
    return raw


def _settings(protocol: str | Settings) -> tuple[Settings, str]:
    if isinstance(protocol, Settings):
        return protocol, next((known.name for known in PROTOCOLS if known.settings == protocol), "custom")
    for known in PROTOCOLS:
        if known.name == protocol:
            settings: Settings = known.settings
            return settings, known.name
    raise UnknownOptionError("mr protocol", protocol, (known.name for known in PROTOCOLS))


def _check(settings: Settings) -> None:
    needed = settings.echo_time_ms
    if settings.sequence == "inversion_recovery":
        needed += settings.inversion_time_ms
    if settings.repetition_time_ms <= needed:
        raise InvalidInputError(
            f"is {settings.repetition_time_ms:g} ms; expected more than the {needed:g} ms that one repetition takes",
            field="repetition_time_ms",
        )
    if settings.sampling == "radial" and settings.dimensions == "3d":
        raise InvalidInputError("is 3d; radial scans are 2d", field="dimensions")
    if settings.sampling == "regular" and settings.acceleration_phase != int(settings.acceleration_phase):
        raise InvalidInputError(
            f"is {settings.acceleration_phase}; expected a whole number for regular sampling",
            field="acceleration_phase",
        )


def _mask(settings: Settings, partitions: int, lines: int, seed: int) -> NDArray[np.bool_]:
    """The sampled lines `[partition, line]`."""
    shape = (partitions, lines)
    if settings.sampling == "regular":
        step = (settings.acceleration_slice if partitions > 1 else 1, int(settings.acceleration_phase))
        mask = sampling.regular(shape, step, settings.calibration_lines)
    elif settings.sampling == "poisson" and partitions > 1:
        mask = sampling.poisson_disc(shape, settings.acceleration_phase, settings.calibration_lines, seed=seed)
    elif settings.sampling == "poisson":
        mask = sampling.variable_density_lines(
            lines, settings.acceleration_phase, settings.calibration_lines, seed=seed
        )[None]
    else:
        mask = sampling.full(shape)
    return sampling.partial_fourier(mask, settings.partial_fourier, axis=1)


def _cartesian(
    scene: Scene, settings: Settings, grid: Prescription, seed: int, progress: Progress
) -> tuple[NDArray[np.complex64], dict[str, Any]]:
    slices, lines, columns = grid.shape
    readouts = columns * settings.readout_oversampling
    fov = tuple(n * d for n, d in zip(grid.shape, grid.spacing_mm, strict=True))
    boxes = scene.boxes_mm
    row_matrix = encoding.cartesian_axis(scene.axes_mm[1], boxes[1], fov[1], lines)
    column_matrix = encoding.cartesian_axis(
        scene.axes_mm[2], boxes[2], fov[2] * settings.readout_oversampling, readouts
    )
    three = settings.dimensions == "3d"
    partitions = slices if three else 1
    mask = _mask(settings, partitions, lines, seed)
    if three:
        slab = encoding.slice_weights(scene.axes_mm[0], boxes[0], np.zeros(1), fov[0])[0]
        slab /= max(float(slab.max()), 1e-30)
        samples = _volume(scene, slab, (partitions, row_matrix, column_matrix), fov[0], progress)
        samples *= mask[None, None, :, :, None]
    else:
        weights = _slice_weights(scene, settings, grid)
        samples = _slices(scene, weights, (mask[0], row_matrix, column_matrix), progress)
    parts = {
        "sampled": mask[:, :, None],
        "encoded_fov_mm": (
            fov[0] if three else settings.slice_thickness_mm,
            fov[1],
            fov[2] * settings.readout_oversampling,
        ),
    }
    return samples, parts


def _slice_weights(scene: Scene, settings: Settings, grid: Prescription) -> NDArray[np.float32]:
    centres = (np.arange(grid.shape[0]) - grid.shape[0] // 2) * np.float64(grid.spacing_mm[0])
    return encoding.slice_weights(scene.axes_mm[0], scene.boxes_mm[0], centres, settings.slice_thickness_mm)


def _excited(scene: Scene, weights: NDArray[np.float32]) -> NDArray[np.complex64]:
    """The object of one slice `[coil, row, column]`: planes weighted by the slice profile."""
    planes = np.flatnonzero(weights > 1e-4)
    total = np.zeros((scene.coils.count, *scene.magnetisation.shape[1:]), np.complex64)
    for plane in planes:
        total += weights[plane] * scene.plane(int(plane))
    return total


def _slices(
    scene: Scene,
    weights: NDArray[np.float32],
    axes: tuple[NDArray[np.bool_], NDArray[np.complex64], NDArray[np.complex64]],
    progress: Progress,
) -> NDArray[np.complex64]:
    lines, row_matrix, column_matrix = axes
    shape = (len(weights), scene.coils.count, 1, len(row_matrix), len(column_matrix))
    samples = np.zeros(shape, np.complex64)
    wanted = row_matrix[lines]
    for index in track(range(len(weights)), progress, "acquiring slices"):
        seen = _excited(scene, weights[index])
        samples[index, :, 0, lines] = encoding.on_both_axes(wanted, column_matrix, seen).transpose(1, 0, 2)
    return samples


def _volume(
    scene: Scene,
    slab: NDArray[np.float32],
    axes: tuple[int, NDArray[np.complex64], NDArray[np.complex64]],
    slab_fov_mm: float,
    progress: Progress,
) -> NDArray[np.complex64]:
    partitions, row_matrix, column_matrix = axes
    matrix = encoding.cartesian_axis(scene.axes_mm[0], scene.boxes_mm[0], slab_fov_mm, partitions) * slab
    shape = (scene.coils.count, partitions, len(row_matrix) * len(column_matrix))
    samples = np.zeros(shape, np.complex64)
    block = 16  # planes at a time: bounds memory and keeps the last product large
    starts = range(0, len(slab), block)
    for start in track(starts, progress, "acquiring the volume"):
        chosen = range(start, min(start + block, len(slab)))
        planes = [encoding.on_both_axes(row_matrix, column_matrix, scene.plane(plane)) for plane in chosen]
        seen = np.stack(planes, axis=1)
        samples += matrix[:, chosen.start : chosen.stop] @ seen.reshape(len(samples), len(chosen), -1)
    return samples.reshape(1, len(samples), partitions, len(row_matrix), len(column_matrix))


def _radial(
    scene: Scene, settings: Settings, grid: Prescription, progress: Progress
) -> tuple[NDArray[np.complex64], dict[str, Any]]:
    """Golden-angle spokes."""
    slices, rows, columns = grid.shape
    fov = columns * grid.spacing_mm[2]
    readouts = columns * settings.readout_oversampling
    spokes = max(1, round(np.pi / 2 * columns / settings.acceleration_phase))
    trajectory = sampling.golden_angle_radial(spokes, readouts, 1e3 / (fov * settings.readout_oversampling))
    places, factors = encoding.trajectory_points(
        trajectory, scene.axes_mm[1], scene.axes_mm[2], grid.spacing_mm[2], rows * columns
    )
    coils = scene.coils.count
    transform = NonUniformFourier(scene.magnetisation.shape[1:], places, batch=(coils,))
    weights = _slice_weights(scene, settings, grid)
    samples = np.zeros((slices, coils, 1, spokes, readouts), np.complex64)
    for index in track(range(slices), progress, "acquiring slices"):
        samples[index, :, 0] = transform(_excited(scene, weights[index])) * factors
    return samples, {
        "trajectory": trajectory,
        "encoded_fov_mm": (settings.slice_thickness_mm, fov, fov),
    }


def _attributes(settings: Settings) -> dict[str, Any]:
    scanning, variant = _SEQUENCE_KEYWORDS[settings.sequence]
    partial = settings.partial_fourier < 1 and settings.sampling != "radial"
    return {
        "ScanningSequence": scanning if scanning != "IR" else ["SE", "IR"],
        "SequenceVariant": variant,
        "ScanOptions": "PFP" if partial else "",
        "MRAcquisitionType": settings.dimensions.upper(),
        "EchoTrainLength": 1,
        "NumberOfAverages": 1,
        "ImagingFrequency": round(settings.field_strength_t * _MEGAHERTZ_PER_T, 6),
        "ImagedNucleus": "1H",
        "ReceiveCoilName": f"loops {settings.coils}",
    }
