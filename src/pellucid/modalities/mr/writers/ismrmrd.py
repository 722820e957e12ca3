"""ISMRMRD in HDF5 (Inati et al. 2017, doi:10.1002/mrm.26089)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.modalities.mr.acquisition import KSpace, Prescan

_NOISE_FLAG, _SURFACE_FLAG = 1 << 18, 1 << 28
_LONGEST = 65535
"""Samples per readout that the format's header can count."""

_BLOCK = 256
"""Acquisitions that are written at once."""


def write_ismrmrd(raw: KSpace, path: Path) -> None:
    """Write `raw` with its geometry, timing, mask or trajectory, noise scan and prescan.

    The prescan is surface coil correction data in an encoding space of its own, the array as set 0 and the body coil
    as set 1. `path` is replaced only when complete.
    """
    import h5py

    partial = path.with_name(path.name + ".partial")
    try:
        with h5py.File(partial, "w") as file:
            group = file.create_group("dataset")
            group.create_dataset("xml", data=[_header(raw).encode()], dtype=h5py.special_dtype(vlen=bytes))
            _write_acquisitions(group, _acquisitions(raw))
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)


def _write_acquisitions(group: Any, acquisitions: Iterator[Any]) -> None:
    """In blocks, as HDF5 takes milliseconds to write one row of a table or hundreds of them."""
    from ismrmrd.hdf5 import acquisition_dtype, acquisition_header_dtype

    table = group.create_dataset("data", (0,), maxshape=(None,), chunks=(_BLOCK,), dtype=acquisition_dtype)
    while block := list(islice(acquisitions, _BLOCK)):
        rows = np.empty(len(block), acquisition_dtype)
        for row, acquisition in zip(rows, block, strict=True):
            row["head"] = np.frombuffer(acquisition.getHead(), acquisition_header_dtype)[0]
            row["data"] = acquisition.data.view(np.float32).ravel()
            row["traj"] = acquisition.traj.ravel()
        written = table.shape[0]
        table.resize(written + len(rows), axis=0)
        table[written:] = rows


def _acquisitions(raw: KSpace) -> Iterator[Any]:
    """Noise, prescan and readouts, counted."""
    parts: list[Iterable[Readout]] = [_readouts(raw)]
    if raw.prescan is not None:
        parts.insert(0, _prescan_readouts(raw.prescan))
    if raw.noise is not None:
        parts.insert(0, _noise_readouts(raw.noise))
    for counter, (data, head, trajectory) in enumerate(chain(*parts)):
        yield _acquisition(data, {**head, "scan_counter": counter}, trajectory)


def _acquisition(
    data: NDArray[np.complex64], head: dict[str, Any], trajectory: NDArray[np.float32] | None = None
) -> Any:
    import ismrmrd

    if trajectory is None:
        acquisition = ismrmrd.Acquisition.from_array(data)
    else:
        acquisition = ismrmrd.Acquisition.from_array(data, trajectory)
    index = head.pop("idx", {})
    for name, value in head.items():
        if name == "flags":
            acquisition.set_flag(int(value).bit_length())
        else:
            setattr(acquisition, name, value)
    for name, value in index.items():
        setattr(acquisition.idx, name, value)
    return acquisition


Readout = tuple[NDArray[np.complex64], dict[str, Any], NDArray[np.float32] | None]


def _noise_readouts(noise: NDArray[np.complex64]) -> Iterator[Readout]:
    for start in range(0, noise.shape[1], _LONGEST):
        yield np.ascontiguousarray(noise[:, start : start + _LONGEST]), {"flags": _NOISE_FLAG}, None


def _readouts(raw: KSpace) -> Iterator[Readout]:
    """Each acquired readout `[coil, sample]` with its header fields and trajectory."""
    directions = raw.affine[:3, :3] / np.linalg.norm(raw.affine[:3, :3], axis=0)
    normal = np.cross(directions[:, 2], directions[:, 1])
    # Slice direction of the format is right-handed with read and phase; partitions count along the affine's.
    along = directions[:, 0] if raw.is_3d else normal * np.sign(normal @ directions[:, 0])
    slices, _, partitions, lines, samples = raw.samples.shape
    skipped = raw.skipped_readout_samples
    for slice_ in range(slices):
        centre = [raw.image_shape[0] // 2 if raw.is_3d else slice_, raw.image_shape[1] // 2, raw.image_shape[2] // 2]
        head: dict[str, Any] = {
            "read_dir": tuple(directions[:, 2]),
            "phase_dir": tuple(directions[:, 1]),
            "slice_dir": tuple(along),
            "position": tuple(raw.affine[:3, :3] @ centre + raw.affine[:3, 3]),
            "center_sample": samples // 2 - skipped,
        }
        for partition in range(partitions):
            for line in range(lines):
                if raw.sampled is not None and not raw.sampled[partition, line].any():
                    continue
                index = {"kspace_encode_step_1": line, "kspace_encode_step_2": partition, "slice": slice_}
                data = np.ascontiguousarray(raw.samples[slice_, :, partition, line, skipped:])
                yield data, {**head, "idx": index}, _trajectory(raw, line)


def _prescan_readouts(prescan: Prescan) -> Iterator[Readout]:
    """Every readout of the array, then of the body coil."""
    directions = prescan.affine[:3, :3] / np.array(prescan.voxel_mm)
    head: dict[str, Any] = {
        "flags": _SURFACE_FLAG,
        "encoding_space_ref": 1,
        "read_dir": tuple(directions[:, 2]),
        "phase_dir": tuple(directions[:, 1]),
        "slice_dir": tuple(directions[:, 0]),
        "position": tuple(prescan.affine[:3, :3] @ (np.array(prescan.body.shape) // 2) + prescan.affine[:3, 3]),
        "center_sample": prescan.body.shape[2] // 2,
    }
    for coils, samples in enumerate((prescan.array, prescan.body[None])):
        for partition, line in np.ndindex(*prescan.body.shape[:2]):
            index = {"kspace_encode_step_1": line, "kspace_encode_step_2": partition, "set": coils}
            yield np.ascontiguousarray(samples[:, partition, line]), {**head, "idx": index}, None


def _trajectory(raw: KSpace, line: int) -> NDArray[np.float32] | None:
    """Cycles per voxel along (read, phase[, slice])."""
    if raw.trajectory is None:
        return None
    cycles = (raw.trajectory[line] * np.array(raw.voxel_mm) * 1e-3)[:, ::-1]
    return np.ascontiguousarray(cycles[:, : 3 if raw.is_3d else 2], np.float32)


def _header(raw: KSpace) -> str:
    from ismrmrd import xsd

    _, _, partitions, lines, samples = raw.samples.shape
    encoded_matrix = (
        (partitions, lines, samples)
        if raw.is_cartesian
        else (raw.image_shape[0] if raw.is_3d else 1, *raw.image_shape[1:])
    )
    image_matrix = raw.image_shape if raw.is_3d else (1, *raw.image_shape[1:])
    thickness = raw.slice_thickness_mm or raw.voxel_mm[0]
    image_fov = [n * v for n, v in zip(image_matrix, raw.voxel_mm, strict=True)]
    encoded_fov = list(raw.encoded_fov_mm) if raw.is_cartesian else image_fov.copy()
    if not raw.is_3d:
        # As in files of GE's converter: the slice's thickness is encoded, the image's is the distance of slices.
        encoded_fov[0] = thickness
    encoding = xsd.encodingType(
        encodedSpace=_space(xsd, encoded_matrix, encoded_fov),
        reconSpace=_space(xsd, image_matrix, image_fov),
        encodingLimits=_limits(xsd, partitions, lines),
        trajectory=xsd.trajectoryType.CARTESIAN if raw.is_cartesian else xsd.trajectoryType.OTHER,
    )
    megahertz = float(raw.attributes.get("ImagingFrequency", 42.577478518 * (raw.field_strength_t or 0.0)))
    header = xsd.ismrmrdHeader(
        subjectInformation=xsd.subjectInformationType(
            patientName=raw.study.patient_name or None, patientID=raw.study.patient_id or None
        ),
        studyInformation=xsd.studyInformationType(studyInstanceUID=raw.study.study_instance_uid),
        measurementInformation=_measurement(xsd, raw),
        acquisitionSystemInformation=xsd.acquisitionSystemInformationType(
            systemFieldStrength_T=raw.field_strength_t, receiverChannels=raw.coils
        ),
        experimentalConditions=xsd.experimentalConditionsType(H1resonanceFrequency_Hz=round(megahertz * 1e6)),
        encoding=[encoding, *([_prescan_encoding(xsd, raw.prescan)] if raw.prescan else [])],
        sequenceParameters=xsd.sequenceParametersType(
            TR=_given(raw.repetition_time_ms),
            TE=_given(raw.echo_time_ms),
            TI=_given(raw.inversion_time_ms),
            flipAngle_deg=_given(raw.flip_angle_deg),
        ),
    )
    text: str = xsd.ToXML(header)
    return text


def _prescan_encoding(xsd: Any, prescan: Prescan) -> Any:
    shape = prescan.body.shape
    space = _space(xsd, shape, [n * v for n, v in zip(shape, prescan.voxel_mm, strict=True)])
    return xsd.encodingType(
        encodedSpace=space,
        reconSpace=space,
        encodingLimits=_limits(xsd, *shape[:2]),
        trajectory=xsd.trajectoryType.CARTESIAN,
    )


def _limits(xsd: Any, partitions: int, lines: int) -> Any:
    return xsd.encodingLimitsType(
        kspace_encoding_step_1=xsd.limitType(minimum=0, maximum=lines - 1, center=lines // 2),
        kspace_encoding_step_2=xsd.limitType(minimum=0, maximum=partitions - 1, center=partitions // 2),
    )


def _measurement(xsd: Any, raw: KSpace) -> Any:
    """Left out where the patient's position is not known: the format has no such part without one."""
    position = raw.study.patient_position
    if raw.position_assumed or position not in {known.value for known in xsd.patientPositionType}:
        return None
    return xsd.measurementInformationType(
        patientPosition=xsd.patientPositionType(position),
        protocolName=raw.description or None,
        frameOfReferenceUID=raw.study.frame_of_reference_uid,
    )


def _given(value: float | None) -> list[float]:
    return [] if value is None else [value]


def _space(xsd: Any, matrix: tuple[int, ...], fov_mm: list[float]) -> Any:
    return xsd.encodingSpaceType(
        matrixSize=xsd.matrixSizeType(x=matrix[2], y=matrix[1], z=matrix[0]),
        fieldOfView_mm=xsd.fieldOfViewMm(x=fov_mm[2], y=fov_mm[1], z=fov_mm[0]),
    )
