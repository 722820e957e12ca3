"""Acquisitions in one HDF5 file, losslessly: dataclasses as groups, arrays as datasets, the rest as JSON.

The layout is internal and versioned; community formats (ISMRMRD, Data Exchange …) are written by each modality.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pellucid import hdf5
from pellucid.acquisition import Acquisition
from pellucid.errors import InvalidInputError
from pellucid.modality import known_modalities, modality

FORMAT = "pellucid-acquisition"
VERSION = 3
"""2: the study says whether the position is assumed. 3: k-space may have a prescan, PET planes and views in part."""


def sniff(head: bytes, name: str) -> bool:
    """Whether a file may be ours: an HDF5 signature and our extension."""
    return head.startswith(b"\x89HDF\r\n\x1a\n") and name.lower().endswith(".pellucid.h5")


def write(raw: Acquisition, path: Path) -> None:
    """Write `raw` to `path` (by convention `*.pellucid.h5`), replacing it only when complete."""
    partial = path.with_name(path.name + ".partial")
    with h5py.File(partial, "w") as file:
        file.attrs["format"] = FORMAT
        file.attrs["version"] = VERSION
        _put(file.create_group("acquisition"), raw)
    partial.replace(path)


def read(path: Path) -> Acquisition:
    """The acquisition in `path`; raises `InvalidInputError` naming file and field."""
    try:
        # We write arrays as they are, so together they cannot be larger than the file.
        with hdf5.opened(path, expansion=1) as file:
            if file.attrs.get("format") != FORMAT:
                raise InvalidInputError("is not a Pellucid acquisition: no such format mark", file=path, field="format")
            if file.attrs["version"] > VERSION:
                raise InvalidInputError(
                    f"is {file.attrs['version']}; this program reads up to {VERSION}. Made by a newer Pellucid?",
                    file=path,
                    field="version",
                )
            return _acquisition(file["acquisition"])
    except InvalidInputError as error:
        raise error if error.file else InvalidInputError(str(error), file=path) from error
    except (OSError, KeyError, TypeError, AttributeError, ValueError, RuntimeError, MemoryError) as error:
        reason = hdf5.problem(path, error)
        raise InvalidInputError(f"cannot be read as a Pellucid acquisition: {reason}", file=path) from error


def _put(group: h5py.Group, value: Any) -> None:
    cls = type(value)
    group.attrs["class"] = _reference(cls)
    plain: dict[str, Any] = {}
    for item in fields(value):
        part = getattr(value, item.name)
        if isinstance(part, np.ndarray):
            group.create_dataset(item.name, data=part)
        elif is_dataclass(part):
            _put(group.create_group(item.name), part)
        elif isinstance(part, tuple) and part and all(is_dataclass(p) for p in part):
            _put_sequence(group.create_group(item.name), part)
        else:
            plain[item.name] = part
    group.attrs["plain"] = json.dumps(plain, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} cannot be stored")


def _put_sequence(group: h5py.Group, parts: tuple[Any, ...]) -> None:
    group.attrs["length"] = len(parts)
    for index, part in enumerate(parts):
        _put(group.create_group(str(index)), part)


def _acquisition(group: h5py.Group) -> Acquisition:
    """The acquisition: of a class that the modality table knows, its parts of the classes that its fields name."""
    reference = str(group.attrs["class"])
    key = next((key for key in known_modalities() if reference.startswith(f"pellucid.modalities.{key}.")), None)
    for cls in modality(key).acquisitions if key else ():
        if reference == _reference(cls):
            raw = _get(group, cls)
            assert isinstance(raw, Acquisition)
            return raw
    raise InvalidInputError(f"is {reference!r}; expected an acquisition of a known modality", field="class")


def _get(group: h5py.Group, cls: type) -> Any:
    values: dict[str, Any] = json.loads(group.attrs["plain"])
    hints = typing.get_type_hints(cls)
    for name, part in group.items():
        if isinstance(part, h5py.Dataset):
            values[name] = part[()]
        elif "length" in part.attrs:
            length = min(int(part.attrs["length"]), len(part))
            values[name] = tuple(_get_part(part[str(index)], hints[name]) for index in range(length))
        else:
            values[name] = _get_part(part, hints[name])
    for field in fields(cls):
        if field.name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise InvalidInputError("is missing", field=field.name)
    return cls(**{name: _as_hinted(value, hints[name]) for name, value in values.items()})


def _get_part(group: h5py.Group, hint: Any) -> Any:
    """A nested dataclass; the file may choose only among the classes that the field's annotation names."""
    reference = str(group.attrs["class"])
    for cls in _dataclasses_in(hint):
        if reference == _reference(cls):
            return _get(group, cls)
    raise InvalidInputError(f"is {reference!r}; expected {hint}", field="class")


def _dataclasses_in(hint: Any) -> list[type]:
    if isinstance(hint, type) and is_dataclass(hint):
        return [hint]
    return [cls for inner in typing.get_args(hint) for cls in _dataclasses_in(inner)]


def _reference(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _as_hinted(value: Any, hint: Any) -> Any:
    """JSON knows lists only: give tuples back where the field is one."""
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _as_hinted(value, typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        inner = [option for option in typing.get_args(hint) if option is not type(None)]
        return value if value is None or len(inner) != 1 else _as_hinted(value, inner[0])
    if isinstance(value, list) and (hint is tuple or origin is tuple):
        items = typing.get_args(hint)
        inner_hint = items[0] if items else Any
        return tuple(_as_hinted(item, inner_hint) for item in value)
    if isinstance(value, dict) and origin is Mapping:
        return value
    return value
