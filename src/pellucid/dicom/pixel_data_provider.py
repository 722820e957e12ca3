"""Instances without pixels that say where these are: JPIP Referenced transfer syntaxes (PS3.5 A.6, A.7, A.12)."""

from __future__ import annotations

import copy
import zlib
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import UID, ExplicitVRBigEndian

from pellucid.codecs import Conversion, PixelForm
from pellucid.codecs.syntaxes import HTJ2K_LOSSLESS_RPCL, JPEG_2000, JPEG_2000_LOSSLESS, SYNTAXES
from pellucid.errors import InvalidInputError, UnsupportedError

_PIXELS = ("PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths")
_FLOATING = ("FloatPixelData", "DoubleFloatPixelData")
_J2K = frozenset({JPEG_2000_LOSSLESS, JPEG_2000})
_HTJ2K = frozenset(f"1.2.840.10008.1.2.4.{last}" for last in (201, 202, 203))
_WIDTHS = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
_PREAMBLE = bytes(128) + b"DICM"


@dataclass(frozen=True)
class Referenced:
    """A transfer syntax of instances whose pixels a JPIP server provides."""

    uid: str
    htj2k: bool
    deflated: bool

    @property
    def path(self) -> str:
        """Below the JPIP service: which codestreams it gives."""
        return "htj2k" if self.htj2k else "j2k"


REFERENCED = {
    one.uid: one
    for one in (
        Referenced("1.2.840.10008.1.2.4.94", htj2k=False, deflated=False),
        Referenced("1.2.840.10008.1.2.4.95", htj2k=False, deflated=True),
        Referenced("1.2.840.10008.1.2.4.204", htj2k=True, deflated=False),
        Referenced("1.2.840.10008.1.2.4.205", htj2k=True, deflated=True),
    )
}
"""JPIP Referenced, JPIP Referenced Deflate, and both for HTJ2K, by UID."""


def provider_url(service: str, sop_instance_uid: str, syntax: str) -> str:
    """Pixel Data Provider URL of an instance at a JPIP service such as "https://host/jpip"; the client adds fields."""
    return f"{service}/{REFERENCED[syntax].path}?target=instances/{sop_instance_uid}"


def with_pixel_data_provider(dataset: Dataset, url: str, *, htj2k: bool) -> Dataset:
    """The data set without its pixels, which `url` provides; its transfer syntax is JPIP (HTJ2K) Referenced.

    The attributes of the pixels are those of the codestreams that the service gives: as stored where the pixels are
    coded so already, else encoded without loss (colour in the reversible transform). The given data set is not
    changed. Raises `UnsupportedError` where the pixels cannot be that, `InvalidInputError` where they contradict
    themselves.
    """
    if any(keyword in dataset for keyword in _FLOATING) or "Rows" not in dataset:
        raise UnsupportedError("has no integer pixels that JPIP could provide", field="PixelData")
    form = _after(dataset, htj2k=htj2k)
    made = Dataset()
    for element in dataset:
        if element.keyword not in _PIXELS:
            made.add(element)
    if dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian:
        _to_little_endian(made)
    # As new elements: the others are still those of the given data set.
    made.add_new("PixelDataProviderURL", "UR", url)
    made.add_new("PhotometricInterpretation", "CS", form.photometric)
    made.add_new("HighBit", "US", form.high_bit)
    if form.samples > 1:
        made.add_new("PlanarConfiguration", "US", 0)
    made.file_meta = copy.deepcopy(dataset.file_meta)
    made.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.204" if htj2k else "1.2.840.10008.1.2.4.94")
    return made


def referenced_file(dataset: Dataset, url: str, syntax: str) -> bytes:
    """A DICOM file of it in one of the `REFERENCED` transfer syntaxes; raises what `with_pixel_data_provider` does."""
    referenced = REFERENCED[syntax]
    made = with_pixel_data_provider(dataset, url, htj2k=referenced.htj2k)
    made.file_meta.TransferSyntaxUID = UID(syntax)
    head, body = DicomBytesIO(), DicomBytesIO()
    write_file_meta_info(head, made.file_meta, enforce_standard=False)
    body.is_little_endian, body.is_implicit_VR = True, False
    write_dataset(body, made)
    data = body.getvalue()
    if referenced.deflated:
        compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = compressor.compress(data) + compressor.flush()
        data += b"\0" * (len(data) % 2)
    return _PREAMBLE + head.getvalue() + data


def _to_little_endian(dataset: Dataset) -> None:
    """Values that pydicom leaves as bytes, in a copy: the given data set's stay."""
    for element in list(dataset):
        if element.VR == "SQ":
            items = copy.deepcopy(element.value)
            for item in items:
                _to_little_endian(item)
            dataset.add_new(element.tag, "SQ", items)
        elif element.VR in _WIDTHS and element.value:
            width = _WIDTHS[element.VR]
            words = np.frombuffer(element.value, f">u{width}")
            dataset.add_new(element.tag, element.VR, words.astype(f"<u{width}").tobytes())


def _after(dataset: Dataset, *, htj2k: bool) -> PixelForm:
    """What the attributes must say of the pixels that the service gives."""
    given = str(dataset.file_meta.TransferSyntaxUID)
    if given not in SYNTAXES:
        raise UnsupportedError(f"pixels stored as {UID(given).name} cannot be provided", field="TransferSyntaxUID")
    form = _form(dataset)
    if given in (_HTJ2K if htj2k else _J2K):
        return form
    wanted = HTJ2K_LOSSLESS_RPCL if htj2k else JPEG_2000_LOSSLESS
    conversion = Conversion(given=given, form=form, wanted=wanted)
    conversion.require_possible()
    return conversion.result()


def _form(dataset: Dataset) -> PixelForm:
    try:
        return PixelForm(
            rows=int(dataset.Rows),
            columns=int(dataset.Columns),
            samples=int(dataset.get("SamplesPerPixel", 1)),
            allocated=int(dataset.BitsAllocated),
            stored=int(dataset.get("BitsStored", dataset.BitsAllocated)),
            high_bit=int(dataset.get("HighBit", dataset.get("BitsStored", dataset.BitsAllocated) - 1)),
            signed=dataset.get("PixelRepresentation", 0) == 1,
            photometric=str(dataset.get("PhotometricInterpretation", "MONOCHROME2")),
            planar=int(dataset.get("PlanarConfiguration") or 0),
            frames=int(dataset.get("NumberOfFrames") or 1),
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidInputError("do not say what the pixels are", field="Rows … PixelRepresentation") from error
