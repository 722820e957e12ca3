"""Frames of a stored instance: as stored, as plain samples, or in another transfer syntax without loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian

from pellucid import __version__
from pellucid.archive import InstanceRecord, View
from pellucid.archive.dicom_json import UNREADABLE
from pellucid.archive.metadata import NATIVE_SYNTAXES, quiet_pydicom
from pellucid.codecs.sandbox import DecodersBusyError
from pellucid.codecs.table import CODECS
from pellucid.dicomweb.problems import RequestError
from pellucid.errors import InvalidInputError, PellucidError

MEDIA_TYPES = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.100": "video/mpeg2",
    "1.2.840.10008.1.2.4.102": "video/mp4",
    "1.2.840.10008.1.2.4.103": "video/mp4",
    "1.2.840.10008.1.2.4.110": "image/jxl",
    "1.2.840.10008.1.2.4.111": "image/jxl",
    "1.2.840.10008.1.2.4.112": "image/jxl",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}
"""Transfer syntax → media type of a frame in it (PS3.18 table 8.7.3-2 … 8.7.3-5)."""

DEFAULT_SYNTAXES = {
    "image/jpeg": "1.2.840.10008.1.2.4.70",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
}
"""Media type → transfer syntax of a frame where none is asked for (PS3.18 table 8.7.3-2)."""

OCTETS = "application/octet-stream"


@dataclass(frozen=True)
class Frame:
    """A decoded frame: `array` [row, column] or [row, column, 3], and the photometric interpretation it has now."""

    array: NDArray[Any]
    photometric: str


class Pixels:
    """The pixels of one instance; frames count from 0."""

    def __init__(self, archive: View, record: InstanceRecord) -> None:
        if not record.pixel_tag:
            raise RequestError(404, "the instance has no pixel data")
        self._archive = archive
        self._frames = archive.frames
        self.record = record

    @property
    def is_native(self) -> bool:
        """Whether the frames are stored as plain samples."""
        return self.record.transfer_syntax_uid in NATIVE_SYNTAXES

    @property
    def stored_media_type(self) -> str:
        """The media type of a frame as it is stored."""
        return OCTETS if self.is_native else MEDIA_TYPES.get(self.record.transfer_syntax_uid, OCTETS)

    @property
    def stored_syntax(self) -> str:
        """The transfer syntax of a frame as it is given when asked as stored.

        Native frames are always given little endian; as plain samples that is Explicit VR Little Endian.
        """
        return str(ExplicitVRLittleEndian) if self.is_native else self.record.transfer_syntax_uid

    def stored(self, frame: int) -> bytes:
        """A frame as it is stored."""
        if self.is_native:
            return self.samples(frame)
        try:
            return self._frames.coded(self.record, frame)
        except InvalidInputError as error:
            raise RequestError(500, f"frame {frame + 1} cannot be read from the stored object") from error

    def samples(self, frame: int) -> bytes:
        """A frame as plain samples, little endian; colour that was transformed is RGB by pixel."""
        record = self.record
        direct = self.is_native and record.pixel_offset >= 0 and record.transfer_syntax_uid != ExplicitVRBigEndian
        if direct and record.bits_allocated % 8 == 0:
            return self._slice(frame)
        if direct and record.bits_allocated == 1:
            return self._bits(frame)
        array = self.decoded(frame).array
        if record.bits_allocated == 1:
            return np.packbits(array.ravel(), bitorder="little").tobytes()
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()

    def encoder(self, syntax: str) -> Callable[[int], bytes] | None:
        """Gives a frame in an encapsulated transfer syntax without loss; None where these pixels cannot be that."""
        if syntax == self.record.transfer_syntax_uid and not self.is_native:
            return self.stored
        if syntax not in CODECS:
            return None
        with _understood(self.record):
            if self._frames.refusal(self.record, syntax) is not None:
                return None
        return lambda frame: self._encoded(frame, syntax)

    def kept(self, name: str, make: Callable[[], bytes], *, worth_s: float = 0.0) -> bytes:
        """What `make` made of these pixels, now or (under the same name, by the same program) at an earlier time.

        Kept only where making it took `worth_s` seconds.
        """
        return self._frames.kept(self.record, f"{__version__} {name}", make, worth_s=worth_s)

    def decoded(self, frame: int) -> Frame:
        """A frame as numbers as stored (no rescale), colour as RGB."""
        with _understood(self.record):
            array, photometric = self._frames.decoded(self.record, frame)
        if photometric == "YBR_FULL" and array.dtype == np.uint8:
            from pydicom.pixels.processing import convert_color_space

            return Frame(convert_color_space(array, "YBR_FULL", "RGB"), "RGB")
        return Frame(array, photometric)

    @contextmanager
    def opened(self) -> Iterator[pydicom.FileDataset]:
        """The instance's data set, large values read when used; what cannot be understood becomes HTTP 406."""
        try:
            with quiet_pydicom():
                dataset = pydicom.dcmread(self._archive.objects.path(self.record.object_sha256), defer_size=1 << 16)
                dataset.decoded_frame = self.decoded
                yield dataset
        except UNREADABLE as error:
            if isinstance(error, PellucidError):
                raise
            raise _cannot_be_decoded(self.record) from error

    def _encoded(self, frame: int, syntax: str) -> bytes:
        with _understood(self.record):
            return self._frames.encoded(self.record, frame, syntax)

    def _slice(self, frame: int) -> bytes:
        record = self.record
        expected = record.rows * record.columns * record.samples_per_pixel * (record.bits_allocated // 8)
        # YBR_FULL_422 stores two samples for a pixel: the length of the value knows.
        size = min(expected, record.pixel_length // record.number_of_frames)
        return self._archive.objects.get_range(record.object_sha256, record.pixel_offset + frame * size, size)

    def _bits(self, frame: int) -> bytes:
        """Bit-packed frames may begin within a byte (PS3.5 section 8.1.1)."""
        record = self.record
        count = record.rows * record.columns
        first, shift = divmod(frame * count, 8)
        length = (shift + count + 7) // 8
        packed = self._archive.objects.get_range(record.object_sha256, record.pixel_offset + first, length)
        bits = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")[shift : shift + count]
        return np.packbits(bits, bitorder="little").tobytes()


def decode(dataset: pydicom.FileDataset, frame: int) -> Frame:
    """A frame of a data set that `Pixels.opened` gave, as numbers as stored (no rescale), colour as RGB."""
    decoded: Callable[[int], Frame] = dataset.decoded_frame
    return decoded(frame)


@contextmanager
def _understood(record: InstanceRecord) -> Iterator[None]:
    """Pixels that cannot be decoded, or be what was asked for, become HTTP 406; busy decoders 503."""
    try:
        yield
    except DecodersBusyError as error:
        raise RequestError(503, str(error)) from error
    except InvalidInputError as error:
        raise _cannot_be_decoded(record) from error


def _cannot_be_decoded(record: InstanceRecord) -> RequestError:
    name = UID(record.transfer_syntax_uid).name
    return RequestError(406, f"the pixels, stored as {name}, cannot be decoded, or not be given in this form")
