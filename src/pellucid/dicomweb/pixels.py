"""Frames of a stored instance: as stored, as plain samples, or as HTJ2K. Decodes only where it must."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, HTJ2KLossless, HTJ2KLosslessRPCL

from pellucid.archive import InstanceRecord, View
from pellucid.archive.dicom_json import UNREADABLE
from pellucid.archive.metadata import NATIVE_SYNTAXES, quiet_pydicom
from pellucid.dicomweb.packed_frames import is_packed, packed_frame
from pellucid.dicomweb.problems import RequestError

HTJ2K_SYNTAXES = (str(HTJ2KLossless), str(HTJ2KLosslessRPCL))
"""Transfer syntaxes that frames are encoded to on request."""

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
        record = self.record
        try:
            with self._archive.objects.open(record.object_sha256) as file:
                file.seek(record.pixel_offset)
                return bytes(
                    get_frame(file, frame, number_of_frames=record.number_of_frames, extended_offsets=self._offsets())
                )
        except UNREADABLE as error:
            raise RequestError(500, f"frame {frame + 1} cannot be read from the stored object") from error

    def samples(self, frame: int) -> bytes:
        """A frame as plain samples, little endian; colour that was compressed is RGB by pixel."""
        record = self.record
        direct = self.is_native and record.pixel_offset >= 0 and record.transfer_syntax_uid != ExplicitVRBigEndian
        if direct and record.bits_allocated % 8 == 0:
            return self._slice(frame)
        if direct and record.bits_allocated == 1:
            return self._bits(frame)
        array = self.decoded(frame).array
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()

    def htj2k(self, frame: int) -> bytes:
        """A frame encoded as HTJ2K, reversibly, in RPCL order with a TLM marker (fits both lossless syntaxes)."""
        import imagecodecs

        array = self.decoded(frame).array
        if array.dtype.kind not in "iu" or self.record.bits_allocated == 1:
            raise RequestError(406, "these pixels cannot be HTJ2K: they are not integers of 8 bits or more")
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        return bytes(imagecodecs.htj2k_encode(array, reversible=True, tlm=True, rgb=array.ndim == 3))

    def decoded(self, frame: int) -> Frame:
        """A frame as numbers as stored (no rescale), colour as RGB."""
        with self.opened() as dataset:
            return decode(dataset, frame)

    @contextmanager
    def opened(self) -> Iterator[pydicom.FileDataset]:
        """The instance's data set, large values read when used; what cannot be understood becomes HTTP 406."""
        try:
            with quiet_pydicom():
                yield pydicom.dcmread(self._archive.objects.path(self.record.object_sha256), defer_size=1 << 16)
        except (*UNREADABLE, RuntimeError) as error:
            name = UID(self.record.transfer_syntax_uid).name
            raise RequestError(406, f"the pixels, stored as {name}, cannot be decoded") from error

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

    def _offsets(self) -> Any:
        """The Extended Offset Table, where there is one; only multi-frame objects can have it."""
        if self.record.number_of_frames == 1:
            return None
        with self.opened() as dataset:
            if "ExtendedOffsetTable" not in dataset or "ExtendedOffsetTableLengths" not in dataset:
                return None
            return dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths


def decode(dataset: pydicom.FileDataset, frame: int) -> Frame:
    """A frame of an open data set as numbers as stored (no rescale), colour as RGB."""
    if is_packed(dataset):
        return Frame(packed_frame(dataset, frame), str(dataset.PhotometricInterpretation))
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    array, properties = decoder.as_array(dataset, index=frame)
    return Frame(array, str(properties["photometric_interpretation"]))
