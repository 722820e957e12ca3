"""Data Exchange: HDF5 files of parallel-beam tomography.

De Carlo et al., J Synchrotron Rad 21 (2014) 1224, doi:10.1107/S160057751401604X. Read are `exchange/data`,
`data_white`, `data_dark` and `theta`, and the pixel size where the file has it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.acquisition import Acquisition
from pellucid.errors import InvalidInputError
from pellucid.image import Provenance
from pellucid.modalities.xray.acquisition import Sinogram
from pellucid.modalities.xray.centre_of_rotation import centre_of_rotation
from pellucid.modalities.xray.counts import line_integrals
from pellucid.modalities.xray.geometry import ScanGeometry
from pellucid.study import StudyContext

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MAXIMUM_BYTES = 16 << 30
_AXES = {"theta": 0, "y": 1, "x": 2}
_PIXEL_SIZES = (
    "measurement/instrument/detector/actual_pixel_size_x",
    "measurement/instrument/detector/pixel_size_x",
    "exchange/pixel_size",
)
_MILLIMETRES = {"m": 1e3, "mm": 1.0, "um": 1e-3, "µm": 1e-3, "micron": 1e-3, "microns": 1e-3, "nm": 1e-6}


def sniff(head: bytes, name: str) -> bool:
    """Whether a file may be Data Exchange: HDF5 with a link called exchange near its beginning."""
    return head.startswith(_SIGNATURE) and b"exchange" in head and not name.lower().endswith(".pellucid.h5")


def read(path: Path) -> list[Acquisition]:
    """The scan in `path`, with the axis of rotation found from the data.

    Raises `InvalidInputError` naming file and field.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return [_scan(file, path)]
    except InvalidInputError as error:
        if error.file:
            raise
        raise InvalidInputError(str(error), file=path) from error
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InvalidInputError(f"cannot be read as Data Exchange ({_one_line(error)})", file=path) from error


def _scan(file: Any, path: Path) -> Sinogram:
    data = _array(file, "exchange/data", path, needed=True)
    theta = _theta(file, path)
    if data.shape[0] != len(theta):
        raise InvalidInputError(
            f"has {len(theta)} angles for {data.shape[0]} views of exchange/data {data.shape}; expected as many",
            file=path,
            field="exchange/theta",
        )
    white = _array(file, "exchange/data_white", path, needed=False)
    dark = _array(file, "exchange/data_dark", path, needed=False)
    pixel_mm, remark = _pixel_size_mm(file)
    rows, columns = data.shape[1:]
    # Rows of the detector go down; z goes to the head.
    positions = ((rows - 1) / 2 - np.arange(rows)) * pixel_mm
    scan = ScanGeometry(
        beam="parallel", angles_deg=theta, columns=columns, column_spacing_mm=pixel_mm, row_positions_mm=positions
    )
    name = _text(file, "measurement/sample/name")
    raw = Sinogram(
        data=data,
        geometry=scan,
        signal="line_integrals" if white is None else "counts",
        flat_field=white,
        dark_field=None if white is None else dark,
        study=StudyContext(patient_name=name, study_description="Tomography"),
        provenance=Provenance(operation="read", method="xray.data_exchange", sources=(path.name,)),
        description=f"{name}{remark}".strip(),
    )
    return _centred(raw)


def _centred(raw: Sinogram) -> Sinogram:
    """With the axis of rotation that the data show."""
    from dataclasses import replace

    scan = raw.geometry
    found = centre_of_rotation(line_integrals(raw), scan.angles_deg)
    if found is None:
        return raw
    offset = ((scan.columns - 1) / 2 - found) * scan.column_spacing_mm
    return replace(raw, geometry=replace(scan, column_offset_mm=offset))


def _array(file: Any, name: str, path: Path, *, needed: bool) -> Any:
    """A three-dimensional dataset as `[view, row, column]`; None where it is absent and not needed."""
    import h5py

    if name not in file:
        if needed:
            raise InvalidInputError("is missing; expected the views", file=path, field=name)
        return None
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 3 or 0 in dataset.shape:
        raise InvalidInputError("is not a filled three-dimensional dataset", file=path, field=name)
    if dataset.dtype.kind not in "uif":
        raise InvalidInputError(f"holds {dataset.dtype}; expected numbers", file=path, field=name)
    if dataset.size * max(4, dataset.dtype.itemsize) > _MAXIMUM_BYTES:
        raise InvalidInputError(f"is {dataset.shape}: more than {_MAXIMUM_BYTES >> 30} GiB", file=path, field=name)
    values = dataset[()]
    axes = dataset.attrs.get("axes", "theta:y:x")
    order = (axes.decode() if isinstance(axes, bytes) else str(axes)).split(":")
    if sorted(order) == sorted(_AXES):
        values = values.transpose(np.argsort([_AXES[axis] for axis in order]))
    return np.ascontiguousarray(values if values.dtype.itemsize <= 4 else values.astype(np.float32))


def _theta(file: Any, path: Path) -> NDArray[np.float64]:
    field = "exchange/theta"
    if field not in file:
        raise InvalidInputError("is missing; expected one angle per view", file=path, field=field)
    values = np.asarray(file[field][()], np.float64)
    if values.ndim != 1:
        raise InvalidInputError(f"is {values.shape}; expected a list of angles", file=path, field=field)
    if not np.all(np.isfinite(values)):
        raise InvalidInputError("holds values that are not finite", file=path, field=field)
    units = _attribute(file[field], "units")
    return np.rad2deg(values) if units.startswith("rad") else values


def _pixel_size_mm(file: Any) -> tuple[float, str]:
    """Pixel size and what to say of it."""
    for name in _PIXEL_SIZES:
        if name in file:
            value = float(np.ravel(file[name][()])[0])
            factor = _MILLIMETRES.get(_attribute(file[name], "units") or "m")
            if factor is not None and np.isfinite(value) and value > 0:
                return value * factor, ""
    return 1.0, " (pixel size not in the file, taken as 1 mm)"


def _attribute(item: Any, name: str) -> str:
    value = item.attrs.get(name, "")
    return value.decode() if isinstance(value, bytes) else str(value)


def _text(file: Any, name: str) -> str:
    if name not in file:
        return ""
    value = np.ravel(file[name][()])[0]
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
