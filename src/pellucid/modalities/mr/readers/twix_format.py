"""Siemens twix raw data: the file's headers and its measurement data headers, as structures.

Layouts (little-endian) as the vendor's measurement data header defines them: VB stores one 128-byte header per coil;
VD/VE begin with a directory of measurements, then store one 192-byte header per readout and 32 bytes per coil.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError

MOST_MEASUREMENTS = 64
_LENGTH_BITS = (1 << 25) - 1

COUNTERS = ("line", "average", "slice", "partition", "contrast", "phase", "repetition", "set", "segment")
"""The loop counters that are used, in the header's order."""

END, SYNC_DATA, PHASE_CORRECTION, REFERENCE, REFERENCE_AND_IMAGE, REFLECTED, NOISE = 0, 5, 21, 22, 23, 24, 25
FEEDBACK = (1, 2, 14, 15)
"""Bits of the evaluation mask."""


@dataclass(frozen=True)
class Layout:
    """Offsets in a measurement data header."""

    size: int
    per_coil: int
    mask: int
    counts: int
    counters: int
    cutoff: int
    centre_column: int
    centre_line: int
    slice_data: int


VB = Layout(128, 128, 20, 28, 32, 60, 64, 76, 96)
VD = Layout(192, 32, 40, 48, 52, 80, 84, 96, 100)


@dataclass(frozen=True)
class Scan:
    """One readout: its samples are `[coil, sample]`."""

    mask: int
    counters: Mapping[str, int]
    cutoff: tuple[int, int]
    centre_column: int
    centre_line: int
    centre_partition: int
    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    samples: NDArray[np.complex64]

    def has(self, bit: int) -> bool:
        """Whether a bit of the evaluation mask is set."""
        return bool(self.mask >> bit & 1)


@dataclass(frozen=True)
class Measurement:
    """One measurement: the header's texts by name, and its readouts."""

    headers: Mapping[str, str]
    scans: list[Scan]


def is_twix(head: bytes) -> bool:
    """Whether a file begins like VB (header length, count of buffers, a name) or VD (zero, count, directory)."""
    if len(head) < 32:
        return False
    first, second = struct.unpack_from("<II", head)
    if first == 0:
        offset = struct.unpack_from("<Q", head, 16)[0]
        return bool(1 <= second <= MOST_MEASUREMENTS and 8 + 152 * second <= offset < 1 << 48 and offset % 512 == 0)
    names = (b"Config", b"Dicom", b"Meas")
    return bool(10_000 < first < 1 << 28 and 1 <= second <= 32 and head[8:32].startswith(names))


def measurements(path: Path) -> list[Measurement]:
    """Every measurement in the file; raises `InvalidInputError` saying where it is broken."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot be read ({error.strerror})", file=path) from error
    if not is_twix(data[:4096]):
        raise InvalidInputError("is not Siemens twix raw data", file=path)
    first, count = struct.unpack_from("<II", data)
    if first:
        return [_measurement(data, 0, len(data), VB, path)]
    found = []
    for number in range(count):
        offset, length = struct.unpack_from("<QQ", data, 8 + 152 * number + 8)
        if offset + length > len(data) or length < 16:
            raise InvalidInputError(
                f"says {length} bytes at {offset}, but the file has {len(data)}. Truncated?",
                file=path,
                field=f"measurement {number + 1}",
            )
        found.append(_measurement(data, offset, offset + length, VD, path))
    return found


def _measurement(data: bytes, start: int, stop: int, layout: Layout, path: Path) -> Measurement:
    header_length, count = struct.unpack_from("<II", data, start)
    if not 16 <= header_length <= stop - start or not 1 <= count <= 64:
        raise InvalidInputError(f"says {header_length} bytes in {count} parts", file=path, field="header")
    headers, place, end = {}, start + 8, start + header_length
    for _ in range(count):
        stop_of_name = data.find(b"\0", place, place + 64)
        if stop_of_name < 0 or stop_of_name + 5 > end:
            raise InvalidInputError("is broken: a part has no name", file=path, field="header")
        (length,) = struct.unpack_from("<I", data, stop_of_name + 1)
        text = stop_of_name + 5
        if text + length > end:
            raise InvalidInputError("is broken: a part is longer than the whole", file=path, field="header")
        headers[data[place:stop_of_name].decode("latin-1")] = data[text : text + length].decode("latin-1")
        place = text + length
    return Measurement(headers, _scans(data, end, stop, layout, path))


def _scans(data: bytes, place: int, stop: int, layout: Layout, path: Path) -> list[Scan]:
    found: list[Scan] = []
    while place + layout.size <= stop:
        (mask,) = struct.unpack_from("<Q", data, place + layout.mask)
        length = struct.unpack_from("<I", data, place)[0] & _LENGTH_BITS
        if mask >> END & 1:
            return found
        samples, coils = struct.unpack_from("<HH", data, place + layout.counts)
        if mask >> SYNC_DATA & 1:
            size = max(length, layout.size)
        elif layout is VB:
            size = coils * (VB.size + 8 * samples)
        else:
            size = VD.size + coils * (VD.per_coil + 8 * samples)
        if place + size > stop or (samples == 0 and not mask >> SYNC_DATA & 1):
            raise InvalidInputError(
                f"ends within readout {len(found) + 1} ({samples} samples of {coils} coils). Truncated?",
                file=path,
                field="data",
            )
        if not mask >> SYNC_DATA & 1:
            found.append(_scan(data, place, layout, samples, coils))
        place += size
    raise InvalidInputError(
        f"ends after {len(found)} readouts without an end mark. Truncated?", file=path, field="data"
    )


def _scan(data: bytes, place: int, layout: Layout, samples: int, coils: int) -> Scan:
    counters = struct.unpack_from("<9H", data, place + layout.counters)
    line, partition = struct.unpack_from("<HH", data, place + layout.centre_line)
    values = struct.unpack_from("<7f", data, place + layout.slice_data)
    before = 0 if layout is VB else VD.size
    block = np.frombuffer(data, np.uint8, coils * (layout.per_coil + 8 * samples), place + before)
    numbers = np.ascontiguousarray(block.reshape(coils, -1)[:, layout.per_coil :]).view(np.complex64)
    return Scan(
        struct.unpack_from("<Q", data, place + layout.mask)[0],
        dict(zip(COUNTERS, counters, strict=True)),
        struct.unpack_from("<HH", data, place + layout.cutoff),
        struct.unpack_from("<H", data, place + layout.centre_column)[0],
        line,
        partition,
        values[:3],
        values[3:],
        numbers,
    )


class Protocol:
    """The measurement's protocol: `key = value` lines, and tagged values of the other headers."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        text = headers.get("MeasYaps") or headers.get("Phoenix", "")
        self._values = dict(re.findall(r"^\s*([A-Za-z][\w.\[\]]*)\s*=\s*(.+?)\s*$", text, re.MULTILINE))
        self._tagged = headers.get("Dicom", "") + headers.get("Meas", "") + headers.get("Config", "")

    def number(self, key: str, default: float = 0.0) -> float:
        """A number, decimal or 0x…; `default` where it is absent."""
        value = self._values.get(key)
        if value is None:
            return default
        try:
            return float(int(value, 16)) if value.lower().startswith("0x") else float(value)
        except ValueError:
            return default

    def tagged(self, name: str) -> str:
        """The first value of the tag `name` in the other headers, without quotes; "" where absent."""
        found = re.search(
            rf'<Param\w+\."{re.escape(name)}">\s*\{{\s*(?:<Precision>\s*\d+)?\s*("?)(.*?)\1\s*\}}', self._tagged
        )
        return found.group(2).strip() if found else ""
