"""NumPy .npy arrays of Cartesian k-space as (coil, line, readout) or (coil, partition, line, readout).

There is no geometry in the format: voxels are taken as 1 mm, axial, and the position is marked as assumed. What is
zero was not sampled.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np

from pellucid.acquisition import Acquisition
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.modalities.mr.readers.cfl import plain_kspace

_MOST_COILS = 128


def sniff(head: bytes, name: str) -> bool:
    """Whether the file is a .npy array of complex numbers."""
    return (
        head.startswith(b"\x93NUMPY")
        and name.lower().endswith(".npy")
        and b"c8" in head[:128] + head[:128].replace(b"c16", b"c8")
    )


def read(path: Path) -> list[Acquisition]:
    """The k-space in `path`; raises `InvalidInputError` naming file and field."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _refusal(path) from error
    if array.dtype.kind != "c" or array.ndim not in (3, 4):
        raise UnsupportedError(
            f"is {array.dtype} {array.shape}; expected complex (coil, [partition,] line, readout)",
            file=path,
        )
    if array.shape[0] > _MOST_COILS or min(array.shape[1:]) < 1:
        raise UnsupportedError(f"is {array.shape}; expected coils first, at most {_MOST_COILS}", file=path)
    samples = np.ascontiguousarray(array, np.complex64)
    samples = samples[None, :, None] if samples.ndim == 3 else samples[None]
    return [plain_kspace(samples, path)]


def _refusal(path: Path) -> InvalidInputError:
    """Why NumPy cannot map the file: its header, what it holds, or its length."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            parse = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = parse(file)
            wanted = prod(shape) * dtype.itemsize + file.tell()
    except OSError as error:
        return InvalidInputError(f"cannot be opened ({error.strerror or 'input/output error'})", file=path)
    except (ValueError, TypeError, EOFError):
        return InvalidInputError(
            "is cut off or damaged; expected the header of a .npy array", file=path, field="header"
        )
    if dtype.hasobject:
        return UnsupportedError("holds Python objects; expected complex numbers", file=path, field="dtype")
    size = path.stat().st_size
    return InvalidInputError(f"has {size} bytes; {dtype} {shape} takes {wanted}. Truncated?", file=path, field="shape")
