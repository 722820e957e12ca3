"""Image ⇄ NIfTI-1 (`.nii`, `.nii.gz`): voxels, grid and unit of time; the quantity in a comment extension."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pellucid.dicom.nifti_header import NIFTI_1, NIFTI_2, problem, quiet, require_data, require_header
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.image import Channel, Image, Provenance
from pellucid.study import StudyContext
from pellucid.units import QUANTITIES, Quantity

if TYPE_CHECKING:
    import nibabel

_COMMENT = 6
"""Extension code of a plain-text comment (NIfTI-1 header extensions)."""

_MARK = "pellucid image "
_LONGEST_AXIS = 32767
"""The header counts voxels along an axis in 16 bits with a sign."""

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_MILLIMETRES = {"unknown": 1.0, "mm": 1.0, "meter": 1000.0, "micron": 0.001}
_UNITS_OF_TIME = {"sec": "s", "msec": "ms", "usec": "us", "unknown": "1"}


def sniff(head: bytes, name: str) -> bool:
    """Whether a file may be NIfTI: its name, and the size field or magic of NIfTI-1/2 (gzip where compressed)."""
    lower = name.lower()
    if lower.endswith(".nii.gz"):
        return head[:2] == b"\x1f\x8b"
    return lower.endswith(".nii") and head[:4] in (*NIFTI_1, *NIFTI_2)


def read_nifti(path: Path) -> Image:
    """The image in a `.nii` or `.nii.gz` file.

    The grid is the sform where it is set, else the qform. A fourth axis becomes channel "time" (or what the file's
    own comment, written by `write_nifti`, says). Values are float32 after the file's slope and intercept; float64
    and 32-bit integers become float64. NIfTI says nothing of patient, quantity or modality: "arbitrary", "OT".

    Raises `InvalidInputError` where the file is broken or truncated, holds NaN or infinite values, or has neither
    sform nor qform or no finite scaling, and `UnsupportedError` for colour or complex voxels and more than four axes.
    """
    path = Path(path)
    if not path.exists():
        raise InvalidInputError("does not exist", file=path)
    image, values = _loaded(path)
    array = _voxels(values, image.header.get_data_dtype(), path)
    notes = _notes(image)
    study = StudyContext().with_assumed_position() if notes.get("position_assumed") is True else StudyContext()
    channels = _channels(image, array, notes)
    return Image(
        array=array,
        affine=_affine(image, path, assumed=study.position_assumed),
        study=study,
        quantity=_quantity(notes),
        modality=str(notes.get("modality", "OT")),
        channels=channels,
        description=str(notes.get("description", "")),
        provenance=Provenance(operation="read", method="nifti", sources=(path.name,)),
    )


def write_nifti(image: Image, path: Path) -> Path:
    """Write `image` to a `.nii` or `.nii.gz` file: sform and qform in RAS mm, float32 (or the image's integers).

    One channel axis becomes the fourth axis. Quantity, unit, modality, description and channel go into a comment
    extension that `read_nifti` reads back; patient and acquisition parameters are not written. Where the image's
    position is assumed, sform and qform have code 0 (no known space), and the comment says so.

    Raises `UnsupportedError` for more than one channel axis, voxels that are no real numbers, and an axis of more than
    32767 voxels or none.
    """
    import nibabel

    path = Path(path)
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise InvalidInputError("is no name of a NIfTI file; expected .nii or .nii.gz", file=path)
    _refuse_what_does_not_fit(image)
    kept = (image.array.dtype.kind in "iu" and image.array.dtype.itemsize <= 4) or image.array.dtype == np.float64
    array = image.array if kept else image.array.astype(np.float32)
    affine = image.affine_ras_xyz()
    written = nibabel.nifti1.Nifti1Image(array.transpose(2, 1, 0, *range(3, array.ndim)), affine)
    code = 0 if image.position_assumed else 1  # 0: coordinates of no known space
    written.set_sform(affine, code=code)
    _set_qform(written, affine, code)
    written.header.set_xyzt_units("mm", _nifti_time_unit(image))
    if image.channels and len(image.channels[0].values) > 1:
        first, second = image.channels[0].values[:2]
        written.header["pixdim"][4] = abs(second - first)
    written.header["descrip"] = f"Pellucid: {image.quantity.name} [{image.quantity.unit_symbol}]".encode()[:79]
    text = (_MARK + json.dumps(_to_notes(image))).encode()
    written.header.extensions.append(nibabel.nifti1.Nifti1Extension(_COMMENT, text))
    partial = path.with_name(f"{path.name.split('.nii')[0]}.partial{path.name[path.name.lower().index('.nii') :]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(written, partial)
        partial.replace(path)
    except OSError as error:
        raise InvalidInputError(f"cannot be written ({error.strerror or error})", file=path) from error
    return path


def _refuse_what_does_not_fit(image: Image) -> None:
    if len(image.channels) > 1:
        names = [channel.name for channel in image.channels]
        raise UnsupportedError(
            f"has channel axes {names}; NIfTI takes one: select a value of the others", field="array"
        )
    if np.iscomplexobj(image.array):
        raise UnsupportedError("is complex; take magnitude, phase, real or imaginary part", field="array")
    if image.array.dtype.kind not in "iufb":
        raise UnsupportedError(f"holds {image.array.dtype}; expected integers or real numbers", field="array")
    if not 1 <= min(image.array.shape) <= max(image.array.shape) <= _LONGEST_AXIS:
        raise UnsupportedError(
            f"is {image.array.shape}; NIfTI takes 1 to {_LONGEST_AXIS} along each axis. Write DICOM, or a part of it",
            field="array",
        )


def _loaded(path: Path) -> tuple[Any, NDArray[Any]]:
    """Nibabel's image and its voxels, scaled."""
    from nibabel import nifti1, nifti2
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    problems = (OSError, ValueError, EOFError, KeyError, TypeError, OverflowError, zlib.error)
    try:
        module = nifti2 if require_header(path) else nifti1
        with quiet():
            image = module.load(path)
        require_data(image, path)
        return image, np.asanyarray(image.dataobj)
    except InvalidInputError:
        raise
    except (*problems, ImageFileError, HeaderDataError, WrapStructError) as error:
        raise InvalidInputError(problem(path, error), file=path) from error


def _voxels(values: NDArray[Any], stored: np.dtype[Any], path: Path) -> NDArray[Any]:
    shape = (*values.shape, 1, 1)[:4] if values.ndim < 4 else values.shape[:4]
    values = values.reshape(shape[:3] if shape[3] == 1 else shape)
    wide = stored.itemsize > 4 or (stored.kind in "iu" and stored.itemsize == 4)
    axes = (2, 1, 0, *range(3, values.ndim))
    array = np.ascontiguousarray(values.transpose(axes), dtype=np.float64 if wide else np.float32)
    bad = int(np.count_nonzero(~np.isfinite(array)))
    if bad:
        raise InvalidInputError(f"hold {bad} NaN or infinite values; replace them first", file=path, field="voxels")
    return array


def _affine(image: Any, path: Path, *, assumed: bool) -> NDArray[np.float64]:
    """Index → LPS mm; `assumed`: our own file of an assumed position, whose sform is filled without a code."""
    affine = image.get_sform() if assumed else image.get_sform(coded=True)[0]
    if affine is None:
        affine = image.get_qform(coded=True)[0]
    if affine is None:
        raise InvalidInputError(
            "neither sform nor qform is set: where the voxels lie in the patient is unknown. Set one first",
            file=path,
            field="sform_code",
        )
    unit = image.header.get_xyzt_units()[0]
    scale = np.diag([_MILLIMETRES[unit]] * 3 + [1.0])
    affine = scale @ np.asarray(affine, float)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise InvalidInputError(f"is {affine.tolist()}; expected an invertible matrix", file=path, field="srow")
    lps: NDArray[np.float64] = (_RAS_TO_LPS @ affine)[:, [2, 1, 0, 3]]
    return lps


def _channels(image: Any, array: NDArray[Any], notes: dict[str, Any]) -> tuple[Channel, ...]:
    if array.ndim == 3:
        return ()
    count = array.shape[3]
    noted = notes.get("channel")
    if isinstance(noted, dict) and len(noted.get("values", ())) == count:
        return (Channel(str(noted["name"]), str(noted["unit"]), tuple(float(v) for v in noted["values"])),)
    unit, step = _UNITS_OF_TIME.get(image.header.get_xyzt_units()[1], "1"), float(image.header["pixdim"][4])
    if unit == "1" or not step > 0:
        return (Channel("repetition", "1", tuple(float(index) for index in range(count))),)
    return (Channel("time", unit, tuple(round(index * step, 6) for index in range(count))),)


def _notes(image: Any) -> dict[str, Any]:
    """What `write_nifti` wrote about the image; {} where another program wrote the file."""
    for extension in image.header.extensions:
        content = extension.get_content()
        text = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
        if text.startswith(_MARK):
            try:
                found = json.loads(text.removeprefix(_MARK).rstrip("\0 "))
            except json.JSONDecodeError:
                return {}
            return found if isinstance(found, dict) else {}
    return {}


def _to_notes(image: Image) -> dict[str, Any]:
    quantity = image.quantity
    notes: dict[str, Any] = {
        "quantity": [quantity.name, quantity.unit, quantity.meaning],
        "modality": image.modality,
        "description": image.description,
    }
    if image.position_assumed:
        notes["position_assumed"] = True
    if image.channels:
        channel = image.channels[0]
        notes["channel"] = {"name": channel.name, "unit": channel.unit, "values": channel.values}
    return notes


def _quantity(notes: dict[str, Any]) -> Quantity:
    noted = notes.get("quantity")
    if not isinstance(noted, list) or len(noted) != 3:
        return QUANTITIES["arbitrary"]
    name, unit, meaning = (str(part) for part in noted)
    known = QUANTITIES.get(name)
    return known if known is not None and known.unit == unit else Quantity(name, unit, meaning)


def _nifti_time_unit(image: Image) -> str | None:
    if not image.channels:
        return None
    return {"s": "sec", "ms": "msec", "us": "usec"}.get(image.channels[0].unit)


def _set_qform(image: nibabel.nifti1.Nifti1Image, affine: NDArray[np.float64], code: int) -> None:
    """The qform holds rotations only: left unset where the grid is sheared."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    sheared = abs(directions.T @ directions - np.eye(3)).max() > 1e-5
    if sheared:
        image.set_qform(None, code=0)
    else:
        image.set_qform(affine, code=code)
