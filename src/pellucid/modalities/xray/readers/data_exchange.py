"""Data Exchange: HDF5 files of parallel-beam tomography.

De Carlo et al., J Synchrotron Rad 21 (2014) 1224, doi:10.1107/S160057751401604X. Read are `exchange/data`,
`data_white`, `data_dark` and `theta`, and the pixel size where the file has it. How the object lay is not in the
format: its position is marked as assumed, the detector's rows taken from head to feet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import hdf5
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
_AXES = ("theta", "y", "x")
_VIEWS = ("exchange/data", "exchange/data_white", "exchange/data_dark")
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
    try:
        with hdf5.opened(path) as file:
            return [_scan(file, path)]
    except InvalidInputError as error:
        if error.file:
            raise
        raise InvalidInputError(str(error), file=path) from error
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise InvalidInputError(f"cannot be read as Data Exchange: {hdf5.problem(path, error)}", file=path) from error


def _scan(file: Any, path: Path) -> Sinogram:
    found = {name: _dataset(file, name, path) for name in _VIEWS if name in file}
    if _VIEWS[0] not in found:
        raise InvalidInputError("is missing; expected the views", file=path, field=_VIEWS[0])
    _check_white(found, path)
    theta = _theta(file, path)
    views, rows, columns = _shape(found[_VIEWS[0]])
    if views != len(theta):
        raise InvalidInputError(
            f"has {len(theta)} angles for {views} views of exchange/data {(views, rows, columns)}; expected as many",
            file=path,
            field="exchange/theta",
        )
    if len(np.unique(theta % 360)) < 2:
        raise InvalidInputError("holds one angle only; expected several", file=path, field="exchange/theta")
    pixel_mm, remark = _pixel_size_mm(file)
    # Rows of the detector go down; z goes to the head.
    positions = ((rows - 1) / 2 - np.arange(rows, dtype=np.float64)) * pixel_mm
    scan = ScanGeometry(
        beam="parallel", angles_deg=theta, columns=columns, column_spacing_mm=pixel_mm, row_positions_mm=positions
    )
    name = _text(file, "measurement/sample/name")
    data, white, dark = (_array(found[name]) if name in found else None for name in _VIEWS)
    assert data is not None
    raw = Sinogram(
        data=data,
        geometry=scan,
        signal="line_integrals" if white is None else "counts",
        flat_field=white,
        dark_field=None if white is None else dark,
        study=StudyContext(patient_name=name, study_description="Tomography").with_assumed_position(),
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


def _dataset(file: Any, name: str, path: Path) -> Any:
    """A dataset of frames that may be read: three axes, numbers, and no more than memory can hold."""
    import h5py

    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 3 or 0 in dataset.shape:
        raise InvalidInputError("is not a filled three-dimensional dataset", file=path, field=name)
    if dataset.dtype.kind not in "uif":
        raise InvalidInputError(f"holds {dataset.dtype}; expected numbers", file=path, field=name)
    if dataset.size * max(4, dataset.dtype.itemsize) > _MAXIMUM_BYTES:
        raise InvalidInputError(f"is {dataset.shape}: more than {_MAXIMUM_BYTES >> 30} GiB", file=path, field=name)
    return dataset


def _check_white(found: dict[str, Any], path: Path) -> None:
    """Frames without an object and without beam must fit the views; counts cannot do without the former."""
    views, white = _VIEWS[:2]
    if white not in found and found[views].dtype.kind in "ui":
        raise InvalidInputError(
            f"is missing; {views} are counts ({found[views].dtype}), which need the frames without an object",
            file=path,
            field=white,
        )
    expected = _shape(found[views])[1:]
    for name, dataset in found.items():
        if _shape(dataset)[1:] != expected:
            raise InvalidInputError(
                f"has frames of {_shape(dataset)[1:]}; expected {expected} like {views}", file=path, field=name
            )


def _order(dataset: Any) -> tuple[int, ...]:
    """Where view, row and column are among the dataset's axes."""
    order = (_attribute(dataset, "axes") or "theta:y:x").split(":")
    if sorted(order) != sorted(_AXES):
        return 0, 1, 2
    return tuple(order.index(axis) for axis in _AXES)


def _shape(dataset: Any) -> tuple[int, int, int]:
    """Views, rows and columns of a dataset."""
    views, rows, columns = (int(dataset.shape[axis]) for axis in _order(dataset))
    return views, rows, columns


def _array(dataset: Any) -> NDArray[Any]:
    """A dataset as `[view, row, column]`."""
    values = dataset[()].transpose(_order(dataset))
    return np.ascontiguousarray(values if values.dtype.itemsize <= 4 else values.astype(np.float32))


def _theta(file: Any, path: Path) -> NDArray[np.float64]:
    import h5py

    field = "exchange/theta"
    if field not in file:
        raise InvalidInputError("is missing; expected one angle per view", file=path, field=field)
    if not isinstance(file[field], h5py.Dataset) or file[field].ndim != 1 or file[field].dtype.kind not in "uif":
        raise InvalidInputError(f"is {hdf5.described(file[field])}; expected a list of angles", file=path, field=field)
    values = np.asarray(file[field][()], np.float64)
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
    return 1.0, " (pixels taken as 1 mm)"


def _attribute(item: Any, name: str) -> str:
    value = item.attrs.get(name, "")
    return value.decode() if isinstance(value, bytes) else str(value)


def _text(file: Any, name: str) -> str:
    if name not in file:
        return ""
    value = np.ravel(file[name][()])[0]
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
