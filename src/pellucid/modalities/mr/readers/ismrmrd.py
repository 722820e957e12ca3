"""ISMRMRD: the community's raw-data format in HDF5 (Inati et al. 2017, doi:10.1002/mrm.26089)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import hdf5
from pellucid.acquisition import Acquisition
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.image import Provenance
from pellucid.modalities.mr.acquisition import MOST_BYTES, KSpace, Prescan
from pellucid.modalities.mr.readers.assemble import Encoding, Readouts, assemble
from pellucid.modalities.mr.readers.ismrmrd_header import Header
from pellucid.modality import software
from pellucid.study import StudyContext

_NOISE, _PHASE_CORRECTION, _NAVIGATION, _FEEDBACK = 19, 24, 23, 28
_REVERSE, _HIGH_FEEDBACK, _DUMMY, _SURFACE = 22, 26, 27, 29
"""Numbers of the acquisition flags (bit n − 1), ISMRMRD's documentation of the raw data header."""

_LEFT_OUT = (_PHASE_CORRECTION, _NAVIGATION, _FEEDBACK, _HIGH_FEEDBACK, _DUMMY, _SURFACE)
_HEAD = (
    "flags", "number_of_samples", "active_channels", "center_sample", "encoding_space_ref", "trajectory_dimensions",
    "discard_pre", "discard_post", "position", "read_dir", "phase_dir", "slice_dir", "idx",
)  # fmt: skip
_INDEX = {
    "line": "kspace_encode_step_1",
    "partition": "kspace_encode_step_2",
    "slice": "slice",
    "contrast": "contrast",
    "phase": "phase",
    "repetition": "repetition",
    "set": "set",
}


def sniff(head: bytes, name: str) -> bool:
    """Whether the file may be ISMRMRD: HDF5 with a group called dataset near its beginning, or named so."""
    named = name.lower().endswith((".mrd", ".ismrmrd"))
    return head.startswith(b"\x89HDF\r\n\x1a\n") and (named or b"dataset\x00" in head)


def read(path: Path) -> list[Acquisition]:
    """Every acquisition in the file; raises `InvalidInputError` naming file and field."""
    import h5py

    found: list[Acquisition] = []
    try:
        with hdf5.opened(path) as file:
            groups = [group for group in file.values() if isinstance(group, h5py.Group) and "xml" in group]
            if not groups:
                raise InvalidInputError("is not ISMRMRD: no group with an xml header", file=path)
            for group in groups:
                if "data" not in group:
                    raise InvalidInputError("holds no raw data (images only?)", file=path, field=f"{group.name}/data")
                _require_layout(group, path)
                found += _group(group["xml"][0], group["data"], path)
    except InvalidInputError:
        raise
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise InvalidInputError(f"cannot be read as ISMRMRD: {hdf5.problem(path, error)}", file=path) from error
    return found


def _require_layout(group: Any, path: Path) -> None:
    """The header's text and a list of readouts, as the format's schema lays them out."""
    import h5py

    xml, data = group["xml"], group["data"]
    if not isinstance(xml, h5py.Dataset) or xml.ndim != 1 or xml.size < 1 or xml.dtype.kind not in "OS":
        raise InvalidInputError(
            f"is {hdf5.described(xml)}; expected the header's text", file=path, field=f"{group.name}/xml"
        )
    names = (data.dtype.names if isinstance(data, h5py.Dataset) and data.ndim == 1 else None) or ()
    heads = (data.dtype["head"].names if "head" in names else None) or ()
    missing = [name for name in ("head", "traj", "data") if name not in names]
    missing += [f"head.{name}" for name in _HEAD if heads and name not in heads]
    if missing:
        raise InvalidInputError(
            f"has no {', '.join(missing)}; expected a list of readouts, each with head, traj and data",
            file=path,
            field=f"{group.name}/data",
        )


def _group(xml: Any, data: Any, path: Path) -> list[Acquisition]:
    header = Header.parsed(xml if isinstance(xml, bytes) else str(xml).encode(), path)
    encodings = header.all("encoding")
    if not encodings:
        raise InvalidInputError("is missing", file=path, field="xml: encoding")
    heads = data.fields("head")[:]
    number = np.array(heads["number_of_samples"], np.int64)
    channels = np.array(heads["active_channels"], np.int64)
    flags = np.array(heads["flags"], np.uint64)
    noise_rows = np.flatnonzero(_flag(flags, _NOISE))
    wanted = ~_flag(flags, _NOISE)
    for flag in _LEFT_OUT:
        wanted &= ~_flag(flags, flag)
    spaces = np.array(heads["encoding_space_ref"])
    reference = np.flatnonzero(_flag(flags, _SURFACE) & ~np.isin(spaces, spaces[wanted]))
    prescan = _prescan(encodings, data, heads, reference, path)
    found: list[Acquisition] = []
    for space, encoding in enumerate(encodings):
        chosen = np.flatnonzero(wanted & (spaces == space))
        if chosen.size == 0:
            continue
        if np.any(number[chosen] != number[chosen[0]]) or np.any(channels[chosen] != channels[chosen[0]]):
            raise UnsupportedError(
                "changes within the acquisition; expected the same samples and coils in all readouts",
                file=path,
                field="number_of_samples",
            )
        if encoding.text("trajectory").lower() == "epi" and np.any(_flag(flags, _REVERSE)):
            raise UnsupportedError(
                "is epi: alternating readouts need a ghost correction, which is not done here",
                file=path,
                field="encoding/trajectory",
            )
        readouts = _readouts(data, heads, chosen, path, cartesian=_is_cartesian(encoding))
        common = _common(header, path)
        if not _position_stated(header, encoding, heads[chosen]):
            common["study"] = common["study"].with_assumed_position()
        common["noise"] = _noise(data, noise_rows, int(channels[chosen[0]]), path)
        common["prescan"] = _fitting(prescan, int(channels[chosen[0]]))
        found += assemble(readouts, _encoding(encoding, readouts, common, path), file=path)
    return found


def _flag(flags: NDArray[np.uint64], number: int) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = (flags >> np.uint64(number - 1)) & np.uint64(1) == 1
    return result


def _position_stated(header: Header, encoding: Header, heads: Any) -> bool:
    """Whether the file says how the patient lay: the patient's position, every readout's directions, lengths.

    Simulated files leave some or all of them out, or write the unit matrix for the directions.
    """
    sizes = encoding.sizes("encodedSpace/fieldOfView_mm")
    lay = header.text("measurementInformation/patientPosition")
    return bool(lay) and min(sizes) > 0 and bool(np.all(_has_directions(_directions(heads))))


def _directions(heads: Any) -> NDArray[np.float64]:
    """Unit vectors (read, phase, slice) of each readout, `[readout, 3, 3]`."""
    return np.stack([np.array(heads[f"{name}_dir"], float) for name in ("read", "phase", "slice")], axis=1)


def _has_directions(directions: NDArray[np.float64]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.abs(np.linalg.det(directions)) >= 0.5
    return found


def _is_cartesian(encoding: Header) -> bool:
    return encoding.text("trajectory").lower() in ("", "cartesian", "epi")


def _rows(data: Any, rows: NDArray[np.int64], name: str) -> Iterator[NDArray[np.float32]]:
    """The variable-length field `name` of some rows, read in blocks."""
    block = 2048
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        stretch = data.fields(name)[part[0] : part[-1] + 1]
        yield from (stretch[row - part[0]] for row in part)


def _readouts(data: Any, heads: Any, chosen: NDArray[np.int64], path: Path, *, cartesian: bool) -> Readouts:
    first = heads[chosen[0]]
    samples, coils = int(first["number_of_samples"]), int(first["active_channels"])
    before, after = int(first["discard_pre"]), int(first["discard_post"])
    claimed, most = 8 * len(chosen) * coils * samples, min(MOST_BYTES, hdf5.LARGEST_EXPANSION * path.stat().st_size)
    if claimed > most:
        raise InvalidInputError(
            f"claims {claimed} bytes; expected at most {most}", file=path, field="number_of_samples"
        )
    values = np.empty((len(chosen), coils, samples), np.complex64)
    for place, row in enumerate(_rows(data, chosen, "data")):
        if row.size != 2 * coils * samples:
            raise InvalidInputError(
                f"has {row.size} numbers in readout {chosen[place]}; expected {2 * coils * samples}",
                file=path,
                field="data",
            )
        values[place] = np.ascontiguousarray(row, np.float32).view(np.complex64).reshape(coils, samples)
    reverse = _flag(np.array(heads["flags"][chosen], np.uint64), _REVERSE)
    values[reverse] = values[reverse, :, ::-1]
    index = {ours: np.array(heads["idx"][chosen][theirs], np.int64) for ours, theirs in _INDEX.items()}
    trajectory = None
    if not cartesian:
        dimensions = int(first["trajectory_dimensions"])
        if dimensions not in (2, 3):
            raise InvalidInputError(
                f"has {dimensions} dimensions; expected 2 or 3", file=path, field="trajectory_dimensions"
            )
        trajectory = np.stack(
            [np.asarray(row, np.float32).reshape(samples, dimensions) for row in _rows(data, chosen, "traj")]
        )[:, before : samples - after]
    directions = _directions(heads[chosen])
    if not np.all(_has_directions(directions)):
        # Simulated files often leave the directions empty: an axial plane then.
        directions = np.broadcast_to(np.eye(3), directions.shape)
    return Readouts(
        np.ascontiguousarray(values[:, :, before : samples - after]),
        index,
        np.array(heads["position"][chosen], float),
        directions,
        int(first["center_sample"]) - before,
        trajectory,
    )


def _noise(data: Any, rows: NDArray[np.int64], coils: int, path: Path) -> NDArray[np.complex64] | None:
    parts = []
    for row in _rows(data, rows, "data"):
        values = np.ascontiguousarray(row, np.float32).view(np.complex64)
        if values.size % coils:
            raise InvalidInputError(f"has other coils than the image's {coils}", file=path, field="noise measurement")
        parts.append(values.reshape(coils, -1))
    return np.concatenate(parts, axis=1) if parts else None


def _prescan(encodings: list[Header], data: Any, heads: Any, rows: NDArray[np.int64], path: Path) -> Prescan | None:
    """The prescan as we write it: an encoding space of its own, the array as set 0, the body coil as set 1.

    Surface coil correction data of another layout are left out, as is what cannot be read as a prescan: nothing says
    which coil is which.
    """
    kinds = np.array(heads["idx"]["set"][rows])
    spaces = np.array(heads["encoding_space_ref"][rows])
    if not np.array_equal(np.unique(kinds), (0, 1)) or np.any(spaces != spaces[0]) or spaces[0] >= len(encodings):
        return None
    parts: list[KSpace] = []
    try:
        for kind in (0, 1):
            readouts = _readouts(data, heads, rows[kinds == kind], path, cartesian=True)
            parts += assemble(readouts, _encoding(encodings[spaces[0]], readouts, {"description": ""}, path), file=path)
    except InvalidInputError:
        return None
    if len(parts) != 2 or parts[1].coils != 1 or not all(map(_is_whole_volume, parts)):
        return None
    array, body = parts
    return Prescan(array=array.samples[0], body=body.samples[0, 0], affine=array.affine)


def _fitting(prescan: Prescan | None, coils: int) -> Prescan | None:
    """The prescan, where it can belong to an image of so many coils."""
    if prescan is not None:
        try:
            prescan.validate(coils)
        except InvalidInputError:
            return None
    return prescan


def _is_whole_volume(raw: KSpace) -> bool:
    assert raw.sampled is not None
    return raw.samples.shape[0] == 1 and raw.image_shape == raw.samples.shape[2:] and bool(raw.sampled.all())


def _encoding(encoding: Header, readouts: Readouts, common: dict[str, Any], path: Path) -> Encoding:
    matrix = [int(n) for n in encoding.sizes("encodedSpace/matrixSize")]
    if min(matrix) < 1:
        raise InvalidInputError(f"is {matrix[::-1]}; expected x, y, z >= 1", file=path, field="encodedSpace/matrixSize")
    fov = list(encoding.sizes("encodedSpace/fieldOfView_mm"))
    image = [int(n) for n in encoding.sizes("reconSpace/matrixSize")]
    image_fov = list(encoding.sizes("reconSpace/fieldOfView_mm"))
    if min(image) < 1:
        image, image_fov = matrix.copy(), fov.copy()
    if min(fov) <= 0 or min(image_fov) <= 0:
        # Simulated files leave it 0. There is no place in the patient then; voxels of 1 mm keep the proportions.
        fov, image_fov = [float(n) for n in matrix], [float(n) for n in image]
        common["description"] = (common["description"] + " (voxels taken as 1 mm)").strip()
    if readouts.trajectory is None:
        matrix[2] = max(matrix[2], readouts.data.shape[2])
    if matrix[0] == 1:
        common["slice_thickness_mm"] = fov[0]
    return Encoding(
        (matrix[0], matrix[1], matrix[2]),
        (fov[0], fov[1], fov[2]),
        (image[0], image[1], image[2]),
        (image_fov[0], image_fov[1], image_fov[2]),
        _centre(encoding, 1, matrix[1]),
        _centre(encoding, 2, matrix[0]),
        common,
    )


def _centre(encoding: Header, step: int, size: int) -> int:
    place = f"encodingLimits/kspace_encoding_step_{step}"
    stated = encoding.numbers(f"{place}/center")
    return int(stated[0]) if stated and encoding.number(f"{place}/maximum") > 0 else size // 2


def _common(header: Header, path: Path) -> dict[str, Any]:
    system, sequence = "acquisitionSystemInformation", "sequenceParameters"
    names = {"systemVendor": "Manufacturer", "systemModel": "ManufacturerModelName"}
    attributes: dict[str, Any] = {ours: header.text(f"{system}/{theirs}") for theirs, ours in names.items()}
    frequency = header.number("experimentalConditions/H1resonanceFrequency_Hz") * 1e-6
    if frequency > 1:
        attributes["ImagingFrequency"] = frequency
    return {
        "attributes": {name: value for name, value in attributes.items() if value},
        "study": _study(header),
        "description": header.text("measurementInformation/protocolName") or path.stem,
        "echo_times_ms": tuple(time for time in header.numbers(f"{sequence}/TE") if time > 0),
        "repetition_time_ms": header.number(f"{sequence}/TR") or None,
        "inversion_time_ms": header.number(f"{sequence}/TI") or None,
        "flip_angle_deg": header.number(f"{sequence}/flipAngle_deg") or None,
        "field_strength_t": header.number(f"{system}/systemFieldStrength_T") or None,
        "provenance": Provenance(operation="read", method="mr.ismrmrd", sources=(path.name,), software=software()),
    }


def _study(header: Header) -> StudyContext:
    places = {
        "patient_id": "subjectInformation/patientID",
        "patient_name": "subjectInformation/patientName",
        "institution_name": "acquisitionSystemInformation/institutionName",
        "study_instance_uid": "studyInformation/studyInstanceUID",
        "study_description": "studyInformation/studyDescription",
        "frame_of_reference_uid": "measurementInformation/frameOfReferenceUID",
        "patient_position": "measurementInformation/patientPosition",
    }
    given: dict[str, Any] = {name: header.text(place) for name, place in places.items()}
    given["patient_weight_kg"] = header.number("subjectInformation/patientWeight_kg") or None
    return StudyContext(**{name: value for name, value in given.items() if value or name == "patient_position"})
