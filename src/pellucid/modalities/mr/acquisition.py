"""KSpace: the signal of a magnetic resonance scanner and how it was encoded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid.acquisition import Acquisition, SignalView, require_finite, require_shape
from pellucid.errors import InvalidInputError, UnknownOptionError

Sequence = Literal["spoiled_gradient_echo", "gradient_echo", "spin_echo", "inversion_recovery", "unknown"]
SEQUENCES = ("spoiled_gradient_echo", "gradient_echo", "spin_echo", "inversion_recovery", "unknown")
MOST_BYTES = 8 << 30
"""Grids larger than this, of all coils together, are refused before memory is taken."""
AXES = "(slice, coil, partition, line, readout)"


@dataclass(frozen=True, kw_only=True, eq=False)
class Prescan:
    """A volume at low resolution, seen by the coil array and by the body coil in the same moment: for normalisation.

    The ratio of the two is the array's receive sensitivity where the patient is; the magnetisation cancels.
    `array`: complex64 `[coil, partition, line, readout]`, the coils in the order of the image's samples; `body`:
    complex64 `[partition, line, readout]`; both full grids, scaled and centred as `KSpace.samples` are. `affine`:
    index (partition, line, readout) → patient LPS mm; its voxel times the samples is the encoded field of view.
    """

    array: NDArray[np.complex64]
    body: NDArray[np.complex64]
    affine: NDArray[np.float64]

    @property
    def voxel_mm(self) -> tuple[float, float, float]:
        """Size of a voxel along partition, line, readout."""
        return voxel_of(self.affine)

    def validate(self, coils: int) -> None:
        """Raise `InvalidInputError` naming the part that cannot belong to an image of so many `coils`."""
        require_shape(self.body, (None, None, None), "prescan.body", "(partition, line, readout)")
        require_shape(self.array, (coils, *self.body.shape), "prescan.array", "(coil, partition, line, readout)")
        for name in ("array", "body"):
            part = getattr(self, name)
            if part.dtype != np.complex64:
                raise InvalidInputError(f"is {part.dtype}; expected complex64", field=f"prescan.{name}")
            require_finite(part, f"prescan.{name}")
        require_affine(self.affine, "prescan.affine")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class KSpace(Acquisition):
    """Samples of the Fourier transform of the transverse magnetisation, seen through each receive coil.

        s_c(k) = ∫ C_c(r) m(r) exp(−2πi k·r) dr + noise,   r measured from the centre voxel of the image grid

    `samples`: complex64 `[slice, coil, partition, line, readout]`, arbitrary units, so scaled that the centred
    unitary inverse transform of a full grid gives C m averaged over a voxel. 2D multi-slice scans have one
    partition; 3D scans have one slice.

    Cartesian (`trajectory` is None): samples stand on the full encoded grid, zero where not acquired, k = 0 at
    index N // 2 of each axis, spacing 1 / field of view. `sampled`: bool `[partition, line, readout or 1]`, which
    were acquired (last axis 1: whole readouts).

    Non-Cartesian: `trajectory` float32 `[line, readout, 3]`, k in cycles per metre along the image's slice, row and
    column axes; one partition; `sampled` is None.

    `affine`: index (slice, row, column) of the image grid → patient LPS mm; its column axis is the readout
    direction, its row axis the (first) phase-encoding direction, its slice axis the slice normal or second
    phase-encoding direction; oblique is allowed. `image_shape`: slices, rows, columns.
    `encoded_fov_mm`: length encoded along partition (2D: the slice thickness), line, readout; larger than
    the image where the scanner oversampled.

    `noise`: samples without excitation `[coil, sample]`, from which the coils' noise covariance is estimated.
    `prescan`: what normalisation by the body coil needs. `skipped_readout_samples`: leading samples of each readout
    that were not acquired (asymmetric echo).
    Times are in ms, angles in degrees, None where unknown. Raises `InvalidInputError` naming the field.
    """

    modality: ClassVar[str] = "mr"

    samples: NDArray[np.complex64]
    affine: NDArray[np.float64]
    image_shape: tuple[int, int, int]
    encoded_fov_mm: tuple[float, float, float]
    sampled: NDArray[np.bool_] | None = None
    trajectory: NDArray[np.float32] | None = None
    noise: NDArray[np.complex64] | None = None
    prescan: Prescan | None = None
    skipped_readout_samples: int = 0
    sequence: Sequence = "unknown"
    echo_time_ms: float | None = None
    repetition_time_ms: float | None = None
    inversion_time_ms: float | None = None
    flip_angle_deg: float | None = None
    field_strength_t: float | None = None
    slice_thickness_mm: float | None = None

    def validate(self) -> None:
        """Raise `InvalidInputError` naming the field where the parts contradict each other."""
        require_shape(self.samples, (None, None, None, None, None), "samples", AXES)
        if self.samples.dtype != np.complex64:
            raise InvalidInputError(f"is {self.samples.dtype}; expected complex64", field="samples")
        require_finite(self.samples, "samples")
        self._validate_geometry()
        if self.is_cartesian:
            self._validate_mask()
        else:
            self._validate_trajectory()
        if self.noise is not None:
            require_shape(self.noise, (self.coils, None), "noise", "(coil, sample)")
            require_finite(self.noise, "noise")
        if self.prescan is not None:
            self.prescan.validate(self.coils)
        self._validate_protocol()

    def _validate_geometry(self) -> None:
        require_affine(self.affine, "affine")
        if min(self.image_shape) < 1:
            raise InvalidInputError(
                f"is {self.image_shape}; expected (slices, rows, columns), each >= 1", field="image_shape"
            )
        bytes_of_coils = 8 * self.coils * math.prod(int(length) for length in self.image_shape)
        if bytes_of_coils > MOST_BYTES:
            raise InvalidInputError(
                f"is {self.image_shape}: {bytes_of_coils / 2**30:.0f} GiB for {self.coils} coils; expected at most "
                f"{MOST_BYTES >> 30} GiB",
                field="image_shape",
            )
        fov = self.encoded_fov_mm
        if not all(np.isfinite(fov)) or min(fov) <= 0:
            raise InvalidInputError(f"is {fov}; expected three lengths > 0 [mm]", field="encoded_fov_mm")
        slices, _, partitions = self.samples.shape[:3]
        if slices > 1 and partitions > 1:
            raise InvalidInputError(
                f"has {slices} slices of {partitions} partitions; expected one slab: give each slab its own KSpace",
                field="samples",
            )
        if not self.is_3d and self.image_shape[0] != slices:
            raise InvalidInputError(f"has {self.image_shape[0]} slices but samples has {slices}", field="image_shape")

    def _validate_mask(self) -> None:
        if self.sampled is None:
            raise InvalidInputError("is missing; Cartesian samples need their mask", field="sampled")
        _, _, partitions, lines, readouts = self.samples.shape
        last = readouts if self.sampled.ndim == 3 and self.sampled.shape[2] != 1 else 1
        require_shape(self.sampled, (partitions, lines, last), "sampled", "(partition, line, readout or 1)")
        if self.sampled.dtype != np.bool_:
            raise InvalidInputError(f"is {self.sampled.dtype}; expected bool", field="sampled")
        if partitions > 1 and last != 1:
            raise InvalidInputError(
                "differs along the readout of a 3D scan; expected a last axis of 1", field="sampled"
            )
        if not self.sampled.any():
            raise InvalidInputError("marks no sample as acquired", field="sampled")
        if not 0 <= self.skipped_readout_samples < max(1, readouts // 2):
            raise InvalidInputError(
                f"is {self.skipped_readout_samples}; expected 0 <= skipped < {readouts // 2}, half the readout",
                field="skipped_readout_samples",
            )

    def _validate_trajectory(self) -> None:
        assert self.trajectory is not None
        slices, _, partitions, lines, readouts = self.samples.shape
        if partitions != 1:
            raise InvalidInputError(f"has {partitions} partitions; expected 1 with a trajectory", field="samples")
        require_shape(self.trajectory, (lines, readouts, 3), "trajectory", "(line, readout, axis)")
        require_finite(self.trajectory, "trajectory")
        if slices > 1 and np.any(self.trajectory[..., 0]):
            raise InvalidInputError("leaves the slice plane of a multi-slice scan", field="trajectory")
        if not np.any(self.trajectory):
            raise InvalidInputError("is zero everywhere", field="trajectory")
        if self.sampled is not None:
            raise InvalidInputError("is given together with a trajectory; expected one of them", field="sampled")

    def _validate_protocol(self) -> None:
        if self.sequence not in SEQUENCES:
            raise UnknownOptionError("sequence", self.sequence, SEQUENCES)
        positive = ("echo_time_ms", "repetition_time_ms", "inversion_time_ms", "field_strength_t", "slice_thickness_mm")
        for name in positive:
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise InvalidInputError(f"is {value}; expected a number > 0", field=name)

    @property
    def coils(self) -> int:
        """Number of receive coils."""
        return int(self.samples.shape[1])

    @property
    def is_cartesian(self) -> bool:
        """Whether the samples stand on a grid."""
        return self.trajectory is None

    @property
    def is_3d(self) -> bool:
        """Whether the slice direction is encoded too, by partitions or by a trajectory with three components."""
        if self.trajectory is not None:
            return bool(np.any(self.trajectory[..., 0]))
        return bool(self.samples.shape[2] > 1)

    @property
    def voxel_mm(self) -> tuple[float, float, float]:
        """Distance of the image's voxels along slice, row, column index."""
        return voxel_of(self.affine)

    def calibration_block(self) -> tuple[slice, slice, slice]:
        """The largest centred block (partition, line, readout) in which every sample was acquired.

        Grown from the centre one step at a time on both sides of each axis in turn.
        """
        assert self.sampled is not None
        readouts = self.samples.shape[4]
        partition, line, readout = centred_block(self.sampled)
        if self.sampled.shape[2] == 1:
            half = readouts // 2 - self.skipped_readout_samples
            readout = slice(self.skipped_readout_samples, readouts if half == readouts // 2 else readouts // 2 + half)
        return partition, line, readout

    def noise_covariance(self) -> NDArray[np.complex128]:
        """Covariance of the coils' noise `[coil, coil]`, from the noise scan; the identity without one."""
        if self.noise is None or self.noise.shape[1] <= self.coils:
            return np.eye(self.coils, dtype=np.complex128)
        samples = self.noise.astype(np.complex128)
        samples = samples - samples.mean(axis=1, keepdims=True)
        covariance: NDArray[np.complex128] = samples @ samples.conj().T / (samples.shape[1] - 1)
        return covariance

    def summary(self) -> dict[str, str]:
        """What was acquired, for people."""
        slices, coils, partitions, lines, readouts = self.samples.shape
        known = {
            "Sequence": self.sequence.replace("_", " "),
            "Repetition time": _with_unit(self.repetition_time_ms, "ms"),
            "Echo time": _with_unit(self.echo_time_ms, "ms"),
            "Inversion time": _with_unit(self.inversion_time_ms, "ms"),
            "Flip angle": _with_unit(self.flip_angle_deg, "°"),
            "Field strength": _with_unit(self.field_strength_t, "T"),
            "Receive coils": str(coils),
            "Samples": f"{readouts} per readout, {lines} lines, "
            + (f"{partitions} partitions" if partitions > 1 else f"{slices} slices"),
            "Sampled": self._sampling_in_words(),
            "Voxel": _size(self.voxel_mm) + self._gap_in_words(),
            "Noise scan": "" if self.noise is None else f"{self.noise.shape[1]} samples",
            "Prescan": "" if self.prescan is None else f"array and body coil, {_size(self.prescan.voxel_mm)}",
        }
        return {label: value for label, value in known.items() if value}

    def _gap_in_words(self) -> str:
        thickness = self.slice_thickness_mm
        return f", slices {thickness:.4g} mm thick" if thickness and abs(thickness - self.voxel_mm[0]) > 1e-3 else ""

    def _sampling_in_words(self) -> str:
        if self.sampled is None:
            return f"{self.samples.shape[3]} spokes or interleaves, non-Cartesian"
        share = float(self.sampled.mean())
        if share == 1:
            return "every line"
        block = self.calibration_block()
        wide = " x ".join(str(b.stop - b.start) for b in block[:2] if b.stop > 1)
        return f"{100 * share:.1f} % of the grid, {wide} lines fully in the centre"

    def signal_views(self) -> list[SignalView]:
        """Log magnitude over all coils of the middle slice, and for 3D the phase-encoding plane."""
        slices, _, partitions, _, readouts = self.samples.shape
        views = [
            SignalView(
                "k-space, log magnitude",
                _log_magnitude(self.samples[slices // 2, :, partitions // 2]),
                "line" if self.is_cartesian else "spoke",
                "readout sample",
            )
        ]
        if partitions > 1:
            views.append(
                SignalView(
                    "phase-encoding plane, log magnitude",
                    _log_magnitude(self.samples[0, :, :, :, readouts // 2]),
                    "partition",
                    "line",
                )
            )
        return views


def centred_block(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """The block around index N // 2 of each axis that is all True, grown axis by axis until none can grow."""
    low = [n // 2 for n in mask.shape]
    high = [n // 2 + 1 for n in mask.shape]
    growing = {0, 1, 2} if mask[tuple(low)] else set()
    while growing:
        for axis in sorted(growing):
            new_low, new_high = low.copy(), high.copy()
            # Even widths: the block reaches one further below the centre, like an FFT grid.
            if high[axis] - low[axis] == 2 * (high[axis] - mask.shape[axis] // 2) - 1:
                new_low[axis] -= 1
            else:
                new_high[axis] += 1
            inside = new_low[axis] >= 0 and new_high[axis] <= mask.shape[axis]
            box = tuple(slice(a, b) for a, b in zip(new_low, new_high, strict=True))
            if inside and mask[box].all():
                low, high = new_low, new_high
            else:
                growing.discard(axis)
    first, second, third = (slice(a, b) for a, b in zip(low, high, strict=True))
    return first, second, third


def require_affine(affine: NDArray[np.float64], name: str) -> None:
    """Raise unless `affine` maps indices to places one to one."""
    matrix = np.asarray(affine, float)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-12:
        raise InvalidInputError("is not a finite, invertible 4 x 4 matrix", field=name)


def voxel_of(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Distance of voxels [mm] along the three indices of `affine`."""
    first, second, third = (float(v) for v in np.linalg.norm(np.asarray(affine)[:3, :3], axis=0))
    return first, second, third


def _size(voxel_mm: tuple[float, float, float]) -> str:
    return " x ".join(f"{v:.3g}" for v in voxel_mm[::-1]) + " mm"


def _with_unit(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:g} {unit}"


def _log_magnitude(samples: NDArray[Any]) -> NDArray[np.float32]:
    magnitude = np.sqrt(np.sum(np.abs(samples) ** 2, axis=0))
    top = float(magnitude.max()) or 1.0
    logged: NDArray[np.float32] = np.log10(np.maximum(magnitude / top, 1e-5)).astype(np.float32)
    return logged
