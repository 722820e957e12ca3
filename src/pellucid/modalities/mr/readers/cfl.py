"""BART's .cfl and .hdr: complex floats in column-major order, and a text header with the dimensions.

Dimensions by BART's convention: 0 readout, 1 and 2 phase encodings, 3 coils, 10 time, 13 slices. There is no geometry
in the format: voxels are taken as 1 mm, axial, and the position is marked as assumed.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid.acquisition import Acquisition
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.image import Provenance, axial_affine
from pellucid.modalities.mr.acquisition import KSpace
from pellucid.modality import software
from pellucid.study import StudyContext

_COIL, _SLICE = 3, 13


def sniff(head: bytes, name: str) -> bool:
    """Whether the file is a BART header, or data with one's name."""
    return (name.lower().endswith(".hdr") and head.lstrip().startswith(b"# Dimensions")) or (
        name.lower().endswith(".cfl") and len(head) > 0
    )


def read(path: Path) -> list[Acquisition]:
    """The k-space in `path` (.cfl or .hdr); raises `InvalidInputError` naming file and field."""
    array = read_array(path)
    others = [n for n, size in enumerate(array.shape) if size > 1 and n not in (0, 1, 2, _COIL, _SLICE)]
    if others:
        raise UnsupportedError(
            f"has {[array.shape[n] for n in others]} entries along dimensions {others}; "
            "expected readout, two phase encodings, coils and slices only",
            file=path,
            field="# Dimensions",
        )
    full = array.reshape(array.shape + (1,) * (16 - array.ndim), order="A")
    readout, first, second, coils, slices = (int(full.shape[n]) for n in (0, 1, 2, _COIL, _SLICE))
    data = full.reshape(readout, first, second, coils, slices)
    samples = np.ascontiguousarray(data.transpose(4, 3, 2, 1, 0))
    if second > 1 and readout == 1:
        # One plane of a 3D scan, its readout transformed already: both axes are phase encodings.
        samples = samples.transpose(0, 1, 4, 3, 2)
    return [plain_kspace(np.ascontiguousarray(samples), path)]


def plain_kspace(samples: NDArray[np.complex64], path: Path) -> KSpace:
    """KSpace `[slice, coil, partition, line, readout]` of a file without geometry: what is zero was not sampled."""
    sampled = np.any(samples != 0, axis=(0, 1))
    if np.array_equal(sampled, np.broadcast_to(sampled.any(axis=2, keepdims=True), sampled.shape)):
        sampled = sampled.any(axis=2, keepdims=True)
    if not sampled.any():
        raise InvalidInputError("is zero everywhere", file=path, field="samples")
    slices, _, partitions, lines, readouts = samples.shape
    shape = (partitions if partitions > 1 else slices, lines, readouts)
    try:
        return KSpace(
            samples=samples,
            sampled=sampled,
            affine=axial_affine(shape, (1.0, 1.0, 1.0)),
            image_shape=shape,
            encoded_fov_mm=(float(shape[0]) if partitions > 1 else 1.0, float(lines), float(readouts)),
            study=StudyContext().with_assumed_position(),
            description=f"{path.stem} (voxels taken as 1 mm)",
            provenance=Provenance(operation="read", method="mr.cfl", sources=(path.name,), software=software()),
        )
    except InvalidInputError as error:
        raise InvalidInputError(str(error), file=path) from error


def read_array(path: Path) -> NDArray[np.complex64]:
    """The array in a .cfl/.hdr pair, in BART's dimensions."""
    header, data = path.with_suffix(".hdr"), path.with_suffix(".cfl")
    for given, partner, what in ((header, data, "samples"), (data, header, "dimensions")):
        if given.exists() and not partner.exists():
            raise InvalidInputError(
                f"is one half of a BART array; the other, {partner.name} with the {what}, is missing. Give both files",
                file=given,
            )
    dimensions = _dimensions(header)
    expected = 8 * prod(dimensions)
    try:
        size = data.stat().st_size
        if size != expected:
            raise InvalidInputError(
                f"has {size} bytes; its header's {' x '.join(str(n) for n in dimensions if n > 1)} complex floats "
                f"take {expected}",
                file=data,
            )
        return np.fromfile(data, np.complex64).reshape(dimensions, order="F")
    except OSError as error:
        raise InvalidInputError(f"cannot be read ({error.strerror})", file=data) from error


def _dimensions(header: Path) -> tuple[int, ...]:
    try:
        lines = header.read_text("utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InvalidInputError(f"cannot be read ({error.strerror})", file=header) from error
    for title, values in pairwise(lines):
        if title.strip() == "# Dimensions":
            words = values.split()
            if words and len(words) <= 16 and all(word.isdigit() and 0 < int(word) < 2**31 for word in words):
                return tuple(int(word) for word in words)
            raise InvalidInputError(
                f"is {values[:80]!r}; expected up to 16 numbers > 0", file=header, field="# Dimensions"
            )
    raise InvalidInputError("is missing", file=header, field="# Dimensions")
