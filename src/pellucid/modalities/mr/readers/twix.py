"""Siemens twix raw data (.dat), software VB, VD and VE: Cartesian scans, 2D and 3D."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.acquisition import Acquisition
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.image import Provenance
from pellucid.modalities.mr.readers import twix_format as twix
from pellucid.modalities.mr.readers.assemble import Encoding, Readouts, assemble
from pellucid.modalities.mr.readers.twix_format import Measurement, Protocol, Scan
from pellucid.modality import software
from pellucid.study import StudyContext

_CARTESIAN, _THREE_DIMENSIONS, _REFERENCE_IN_PLACE = 1, 4, 2
"""Values of sKSpace.ucTrajectory, sKSpace.ucDimension and sPat.ucRefScanMode."""


def sniff(head: bytes, name: str) -> bool:  # noqa: ARG001 (the content says it all)
    """Whether the file begins like twix raw data."""
    return twix.is_twix(head)


def read(path: Path) -> list[Acquisition]:
    """Every imaging acquisition in the file, with the noise of its adjustment scans.

    Raises `InvalidInputError` where the file is broken and `UnsupportedError`, with the reason, for echo-planar and
    non-Cartesian scans.
    """
    try:
        found = twix.measurements(path)
    except struct.error as error:
        raise InvalidInputError(
            f"ends within a header, after {path.stat().st_size} bytes; expected whole headers. Truncated?",
            file=path,
            field="measurement data header",
        ) from error
    noise = [scan.samples for one in found for scan in one.scans if scan.has(twix.NOISE)]
    images: list[Acquisition] = []
    for one in found:
        scans = [scan for scan in one.scans if not _left_out(scan)]
        if scans:
            images += _acquisitions(one, scans, noise, path)
    if not images:
        raise InvalidInputError("holds no image readouts", file=path, field="data")
    return images


def _left_out(scan: Scan) -> bool:
    return scan.has(twix.NOISE) or scan.has(twix.PHASE_CORRECTION) or any(scan.has(bit) for bit in twix.FEEDBACK)


def _acquisitions(
    one: Measurement, scans: list[Scan], noise: list[NDArray[np.complex64]], path: Path
) -> list[Acquisition]:
    protocol = Protocol(one.headers)
    if any(scan.has(twix.REFLECTED) for scan in scans):
        raise UnsupportedError(
            "is echo-planar: alternating readouts need a ghost correction, which is not done here", file=path
        )
    if int(protocol.number("sKSpace.ucTrajectory", _CARTESIAN)) != _CARTESIAN:
        raise UnsupportedError(
            "is not Cartesian; the trajectory is not in the file", file=path, field="sKSpace.ucTrajectory"
        )
    in_place = int(protocol.number("sPat.ucRefScanMode")) == _REFERENCE_IN_PLACE
    kept = [s for s in scans if in_place or not s.has(twix.REFERENCE) or s.has(twix.REFERENCE_AND_IMAGE)]
    readouts = _readouts(kept or scans, path, encoded=3 if _is_3d(protocol) else 2)
    coils = readouts.data.shape[1]
    fitting = [part for part in noise if len(part) == coils]
    encoding = _encoding(protocol, readouts, kept or scans, path)
    encoding.common.update(_common(protocol, path))
    if not all(any(scan.quaternion) for scan in kept or scans):
        encoding.common["study"] = encoding.common["study"].with_assumed_position()
    encoding.common["noise"] = np.concatenate(fitting, axis=1) if fitting else None
    return list(assemble(readouts, encoding, file=path))


def _is_3d(protocol: Protocol) -> bool:
    return int(protocol.number("sKSpace.ucDimension")) == _THREE_DIMENSIONS


def _readouts(scans: list[Scan], path: Path, encoded: int) -> Readouts:
    """The readouts with the places and directions of their slices; `encoded`: 2 or 3 axes.

    In these files k grows against the header's directions: of the ACR phantom of a real scan, the air level and the
    bubble in the ring are at the front only with the encoded axes reversed.
    """
    shape = scans[0].samples.shape
    if any(scan.samples.shape != shape for scan in scans):
        raise UnsupportedError(
            "changes within the measurement; expected the same coils and samples in all", file=path, field="readouts"
        )
    against = np.where(np.arange(3) < encoded, -1.0, 1.0)
    before, after = scans[0].cutoff
    data = np.stack([scan.samples[:, before : shape[1] - after] for scan in scans])
    if not np.isfinite(data).all():
        raise InvalidInputError("holds values that are not finite", file=path, field="data")
    return Readouts(
        data,
        {name: np.array([scan.counters[name] for scan in scans], np.int64) for name in twix.COUNTERS},
        np.array([scan.position for scan in scans], float),
        np.stack([directions(scan.quaternion) for scan in scans]) * against[:, None],
        scans[0].centre_column - before,
    )


def directions(quaternion: tuple[float, float, float, float]) -> NDArray[np.float64]:
    """Unit vectors (read, phase, slice) as rows in LPS from the header's quaternion (w, x, y, z).

    The columns of its rotation matrix are phase, read and slice, as the siemens_to_ismrmrd converter reads them.
    """
    w, x, y, z = np.array(quaternion, float) / max(float(np.linalg.norm(quaternion)), 1e-12)
    phase = [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)]
    read = [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)]
    normal = [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)]
    return np.array([read, phase, normal])


def _encoding(protocol: Protocol, readouts: Readouts, scans: list[Scan], path: Path) -> Encoding:
    base = int(protocol.number("sKSpace.lBaseResolution"))
    read_fov, phase_fov, thickness = (
        protocol.number(f"sSliceArray.asSlice[0].{name}") for name in ("dReadoutFOV", "dPhaseFOV", "dThickness")
    )
    if base < 1 or min(read_fov, phase_fov, thickness) <= 0:
        raise InvalidInputError(
            f"is {read_fov:g} x {phase_fov:g} x {thickness:g} mm at base resolution {base}; expected numbers > 0",
            file=path,
            field="protocol: sSliceArray.asSlice[0], sKSpace.lBaseResolution",
        )
    voxel = read_fov / base
    lines = int(protocol.number("sKSpace.lPhaseEncodingLines", base))
    three = _is_3d(protocol)
    partitions = int(protocol.number("sKSpace.lPartitions", 1)) if three else 1
    images = int(protocol.number("sKSpace.lImagesPerSlab", partitions)) if three else 1
    centre = scans[0]
    length = max(
        _oversampled(protocol) * base, 2 * max(centre.centre_column, readouts.data.shape[2] - centre.centre_column)
    )
    extra_phase = 1 + protocol.number("sKSpace.dPhaseOversamplingForDialog")
    extra_slice = 1 + protocol.number("sKSpace.dSliceOversamplingForDialog")
    return Encoding(
        matrix=(partitions, max(lines, int(readouts.index["line"].max()) + 1), length),
        fov_mm=(thickness * (extra_slice if three else 1), phase_fov * extra_phase, voxel * base * length / base),
        image_matrix=(images, max(1, round(phase_fov / voxel)), base),
        image_fov_mm=(thickness, max(1, round(phase_fov / voxel)) * voxel, read_fov),
        centre_line=centre.centre_line,
        centre_partition=centre.centre_partition,
        common={"slice_thickness_mm": thickness / images},
    )


def _oversampled(protocol: Protocol) -> int:
    """Readout oversampling; the scanner always samples twice as wide as asked where nothing else is said."""
    try:
        return max(1, round(float(protocol.tagged("flReadoutOSFactor"))))
    except ValueError:
        return 2


def _common(protocol: Protocol, path: Path) -> dict[str, Any]:
    scanning, variant = protocol.tagged("tScanningSequence"), protocol.tagged("tSequenceVariant")
    contrasts = max(1, int(protocol.number("lContrasts", 1)))
    inversion = protocol.number("alTI[0]") / 1e3 if "IR" in scanning else 0.0
    frequency = protocol.number("sTXSPEC.asNucleusInfo[0].lFrequency") * 1e-6
    attributes = {
        "ScanningSequence": scanning,
        "SequenceVariant": variant,
        "ImagingFrequency": frequency,
        "NumberOfAverages": int(protocol.number("lAverages", 1)),
        "EchoTrainLength": max(1, int(protocol.number("sFastImaging.lTurboFactor", 1))),
        "Manufacturer": protocol.tagged("Manufacturer"),
        "ManufacturerModelName": protocol.tagged("ManufacturersModelName"),
        "SoftwareVersions": protocol.tagged("SoftwareVersions"),
    }
    sequence = "unknown"
    if scanning == "GR":
        sequence = "spoiled_gradient_echo" if "SP" in variant else "gradient_echo"
    elif "IR" in scanning:
        sequence = "inversion_recovery"
    elif scanning == "SE":
        sequence = "spin_echo"
    return {
        "sequence": sequence,
        "description": protocol.tagged("tProtocolName") or path.stem,
        "attributes": {name: value for name, value in attributes.items() if value},
        "echo_times_ms": tuple(protocol.number(f"alTE[{n}]") / 1e3 for n in range(contrasts)),
        "repetition_time_ms": protocol.number("alTR[0]") / 1e3 or None,
        "inversion_time_ms": inversion or None,
        "flip_angle_deg": protocol.number("adFlipAngleDegree[0]") or None,
        "field_strength_t": protocol.number("sProtConsistencyInfo.flNominalB0") or None,
        "study": _study(protocol),
        "provenance": Provenance(operation="read", method="mr.twix", sources=(path.name,), software=software()),
    }


def _study(protocol: Protocol) -> StudyContext:
    given: dict[str, Any] = {
        "patient_id": protocol.tagged("PatientID"),
        "patient_name": protocol.tagged("tPatientName") or protocol.tagged("PatientName"),
        "patient_position": protocol.tagged("tPatientPosition"),
        "study_description": protocol.tagged("tStudyDescription"),
        "institution_name": protocol.tagged("InstitutionName"),
        "frame_of_reference_uid": protocol.tagged("FrameOfReference"),
    }
    return StudyContext(**{name: value for name, value in given.items() if value or name == "patient_position"})
