"""Scan a digital patient: tube, patient, detector.

    I = F · (D + P(N T) E / N),   T = Σ w(E) exp(−∫ μ(r, E) dl)

with P the quantum noise of an energy-integrating detector that N photons reach unattenuated, F its gain and D its
dark signal. Photons per ray are those that SpekPy gives for the tube current and time at the detector's distance, on
the area of one element (of a fan: one column times the slice thickness, magnified), times the detector's efficiency.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.image import Provenance
from pellucid.modalities.xray.acquisition import Sinogram
from pellucid.modalities.xray.detector import Detector, ideal_counts
from pellucid.modalities.xray.forward import ray_transform
from pellucid.modalities.xray.geometry import Grid, ScanGeometry
from pellucid.modalities.xray.polychromatic import Transmission, attenuation_basis, transmission
from pellucid.modalities.xray.protocols import PROTOCOLS, Settings
from pellucid.modalities.xray.slabs import slab_weights
from pellucid.modalities.xray.spectrum import Spectrum, monoenergetic, tube_output
from pellucid.modality import software
from pellucid.parameters import changed
from pellucid.progress import Progress, no_progress, part
from pellucid.study import StudyContext

if TYPE_CHECKING:
    from pellucid.anatomy import Anatomy

Array = NDArray[Any]
_ROWS_AT_ONCE = 8


def scan(
    anatomy: Anatomy,
    protocol: str | Settings,
    *,
    seed: int = 0,
    study: StudyContext | None = None,
    progress: Progress = no_progress,
    **changes: Any,
) -> Sinogram:
    """Counts of an X-ray scan of a patient who lies still.

    `protocol`: a protocol's name or settings of your own; `changes`: settings that differ from it, checked.
    `seed`: of the noise and of the detector's gain. The isocentre is in the middle of the patient, plus the shifts.
    """
    name, settings = _settings(protocol, changes)
    patient = _Patient.of(anatomy, settings)
    geometry = _geometry(settings, patient)
    spectrum, photons = _beam(settings)
    progress(0.02, "spectrum")
    curves = anatomy.values("attenuation_coefficient", energies_kev=spectrum.energies_kev)
    basis = attenuation_basis(curves[np.unique(patient.labels)], spectrum)
    coefficients = np.zeros((len(curves), basis.coefficients.shape[1]), np.float32)
    coefficients[np.unique(patient.labels)] = basis.coefficients
    detector = Detector.draw(settings, geometry, photons, seed)
    counts = np.empty(geometry.shape, np.uint16 if settings.noise else np.float32)
    seen = transmission(spectrum, basis)
    for rows, integrals in _line_integrals(patient, geometry, coefficients, part(progress, 0.05, 1.0)):
        counts[:, rows] = _measured(seen, integrals, detector, rows, settings)
    return Sinogram(
        data=counts,
        geometry=geometry,
        signal="counts",
        flat_field=detector.flat_field,
        dark_field=detector.dark_field,
        spectrum=spectrum,
        study=study or anatomy.study,
        provenance=Provenance(
            operation="scan",
            method=f"xray.{name}",
            parameters={"seed": seed, **asdict(settings)},
            sources=(anatomy.name,),
            software=software(),
        ),
        description=f"{anatomy.name} {_beam_title(settings)}",
        attributes=_attributes(settings),
        isocentre_lps_mm=patient.isocentre_lps_mm,
    )


def _settings(protocol: str | Settings, changes: dict[str, Any]) -> tuple[str, Settings]:
    """Name and settings of a protocol with changes."""
    if isinstance(protocol, Settings):
        return "own settings", changed(protocol, changes, "xray settings")
    from pellucid.errors import UnknownOptionError

    found = next((item for item in PROTOCOLS if item.name == protocol), None)
    if found is None:
        raise UnknownOptionError("xray protocol", protocol, (item.name for item in PROTOCOLS))
    return protocol, changed(found.settings, changes, f"xray {protocol}")


@dataclass(frozen=True, eq=False)
class _Patient:
    """The part of an anatomy that is not air, on a grid about the isocentre.

    `labels`: `[slice, row, column]`; `grid`: their voxels relative to the isocentre.
    """

    labels: NDArray[np.uint8]
    grid: Grid
    isocentre_lps_mm: tuple[float, float, float]

    @classmethod
    def of(cls, anatomy: Anatomy, settings: Settings) -> _Patient:
        """Cut out, and square in the plane where pixels are, so that views can be folded."""
        labels, affine = anatomy.at(0.0).labels, anatomy.affine
        spacing = affine[2, 0], affine[1, 1], affine[0, 2]
        if not np.allclose(affine[:3, :3], np.array([[0, 0, spacing[2]], [0, spacing[1], 0], [spacing[0], 0, 0]])):
            raise InvalidInputError("is not axial; expected rows to posterior", field="anatomy.affine")
        filled = [np.flatnonzero(labels.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
        if min(spacing) <= 0 or min(len(places) for places in filled) == 0:
            raise InvalidInputError("holds air only, or runs against the axes", field="anatomy.labels")
        low = np.array([places[0] for places in filled])
        size = np.array([places[-1] + 1 for places in filled]) - low
        if np.isclose(spacing[1], spacing[2]):
            side = max(size[1:])
            low[1:] -= (side - size[1:]) // 2
            size[1:] = side
        middle = affine[:3, :3] @ (low + (size - 1) / 2) + affine[:3, 3]
        shift = np.array([settings.shift_left_mm, settings.shift_posterior_mm, 0.0])
        x, y, z = (float(v) for v in middle + shift)
        shape = (int(size[0]), int(size[1]), int(size[2]))
        step = (float(spacing[0]), float(spacing[1]), float(spacing[2]))
        centre = (-settings.shift_left_mm, -settings.shift_posterior_mm, 0.0)
        grid = Grid(shape=shape, spacing_mm=step, centre_mm=centre)
        return cls(_cut(labels, low, size), grid, (x, y, z))


def _cut(labels: NDArray[np.uint8], low: Array, size: Array) -> NDArray[np.uint8]:
    """Labels from `low` on, air where that is beyond the volume."""
    result = np.zeros(size, labels.dtype)
    first, last = np.maximum(low, 0), np.minimum(low + size, labels.shape)
    here = tuple(slice(a, b) for a, b in zip(first - low, last - low, strict=True))
    result[here] = labels[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    return result


def _geometry(settings: Settings, patient: _Patient) -> ScanGeometry:
    if settings.beam == "cone":
        count, step = settings.rows, settings.row_spacing_mm
    else:
        length = patient.grid.shape[0] * patient.grid.spacing_mm[0]
        step = settings.slice_thickness_mm
        count = max(1, int(np.ceil(min(settings.coverage_mm or length, length) / step - 1e-6)))
    fans_out = settings.beam != "parallel"
    return ScanGeometry(
        beam=settings.beam,
        detector=settings.detector,
        angles_deg=settings.angles_deg,
        columns=settings.columns,
        column_spacing_mm=settings.column_spacing_mm,
        column_offset_mm=settings.column_offset_mm,
        row_positions_mm=(np.arange(count, dtype=np.float64) - (count - 1) / 2) * step,
        source_isocentre_mm=settings.source_isocentre_mm if fans_out else 0.0,
        source_detector_mm=settings.source_detector_mm if fans_out else 0.0,
    )


def _beam(settings: Settings) -> tuple[Spectrum, float]:
    """Detected spectrum, and photons per ray of one view without a patient."""
    title = _beam_title(settings)
    if settings.source == "monoenergetic":
        return monoenergetic(settings.energy_kev), settings.photons_per_ray * settings.detector_efficiency
    tube = tube_output(
        settings.tube_voltage_kv, settings.anode_angle_deg, settings.filtration_mm_al, settings.filtration_mm_cu
    )
    distance, magnification = 1000.0, 1.0
    if settings.beam != "parallel":
        distance = settings.source_detector_mm
        magnification = distance / settings.source_isocentre_mm
    height = settings.row_spacing_mm if settings.beam == "cone" else settings.slice_thickness_mm * magnification
    area_mm2 = settings.column_spacing_mm * height
    fluence = float(tube.photons_per_mm2_per_mas.sum()) * (1000.0 / distance) ** 2
    photons = fluence * area_mm2 * settings.tube_current_time_mas / settings.views
    return tube.detected(title), photons * settings.detector_efficiency


def _beam_title(settings: Settings) -> str:
    if settings.source == "monoenergetic":
        return f"{settings.energy_kev:g} keV"
    return f"{settings.tube_voltage_kv:g} kV"


def _line_integrals(
    patient: _Patient, geometry: ScanGeometry, coefficients: NDArray[np.float32], progress: Progress
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Detector rows and their line integrals of the basis maps [cm], `[function, view, row, column]`."""
    functions = coefficients.shape[1]
    if geometry.beam == "cone":
        operator = ray_transform(geometry, patient.grid)
        integrals = np.empty((functions, *geometry.shape), np.float32)
        for number in range(functions):
            integrals[number] = operator(coefficients[:, number][patient.labels])
            integrals[number] *= np.float32(0.1)
            progress((number + 1) / (functions + 1), "projecting")
        yield slice(0, geometry.shape[1]), integrals
        progress(1.0, "detecting")
        return
    rows = geometry.row_positions_mm
    thickness = abs(rows[1] - rows[0]) if len(rows) > 1 else patient.grid.spacing_mm[0]
    mixing = slab_weights(patient.grid.z_mm, rows, thickness)
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        some = slice(first, min(first + _ROWS_AT_ONCE, len(rows)))
        yield some, _planar_integrals(patient, geometry, coefficients, mixing[some])
        progress(some.stop / len(rows), "projecting")


def _planar_integrals(
    patient: _Patient, geometry: ScanGeometry, coefficients: NDArray[np.float32], mixing: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Line integrals [cm] of slices that are the `mixing` `[row, slice]` of the patient's."""
    count, functions = len(mixing), coefficients.shape[1]
    used = np.flatnonzero(mixing.any(axis=0))
    maps = coefficients[patient.labels[used[0] : used[-1] + 1]]
    slices = np.tensordot(mixing[:, used[0] : used[-1] + 1], maps, axes=1)
    stack = np.moveaxis(slices, 3, 0).reshape(functions * count, *patient.grid.shape[1:])
    all_rows = geometry.with_row_positions(np.arange(len(stack), dtype=np.float64))
    _, row_mm, column_mm = patient.grid.spacing_mm
    grid = Grid(shape=stack.shape, spacing_mm=(1.0, row_mm, column_mm), centre_mm=patient.grid.centre_mm)
    integrals = ray_transform(all_rows, grid)(stack)
    integrals *= np.float32(0.1)
    views, _, columns = integrals.shape
    return np.ascontiguousarray(integrals.reshape(views, functions, count, columns).swapaxes(0, 1))


def _measured(
    seen: Transmission, integrals: NDArray[np.float32], detector: Detector, rows: slice, settings: Settings
) -> Array:
    """Counts `[view, row, column]` behind the line integrals."""
    signal, variance = seen(integrals.reshape(len(integrals), -1))
    shape = integrals.shape[1:]
    if not settings.noise:
        return ideal_counts(signal.reshape(shape))
    return detector.counts(signal.reshape(shape), variance.reshape(shape), rows)


def _attributes(settings: Settings) -> dict[str, Any]:
    """What a CT series says of the technique (DICOM PS3.3 C.8.2.1), in DICOM's units."""
    if settings.source == "monoenergetic":
        return {"ScanOptions": "AXIAL", "FilterType": "NONE"}
    return {
        "KVP": settings.tube_voltage_kv,
        "XRayTubeCurrent": round(settings.tube_current_ma),
        "ExposureTime": round(settings.rotation_time_s * 1000),
        "Exposure": round(settings.tube_current_time_mas),
        "FilterType": "FLAT",
        "RotationDirection": "CW",
        "ScanOptions": "AXIAL",
    }
