"""The attributes that every captured object has, and files whose pixel data is written piece by piece."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import format_number_as_ds

from pellucid.capture.context import CaptureContext
from pellucid.capture.settings import BODY_PARTS, CaptureSettings
from pellucid.errors import InvalidInputError
from pellucid.modality import software
from pellucid.study import new_uid

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
SECONDARY_CAPTURE_TRUE_COLOUR = "1.2.840.10008.5.1.4.1.1.7.4"
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6.1"
ULTRASOUND_MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.3.1"
VIDEO = {
    "photographic": ("1.2.840.10008.5.1.4.1.1.77.1.4.1", "XC"),
    "endoscopic": ("1.2.840.10008.5.1.4.1.1.77.1.1.1", "ES"),
    "microscopic": ("1.2.840.10008.5.1.4.1.1.77.1.2.1", "GM"),
}
"""SOP class and modality of each view."""


def modality_of(settings: CaptureSettings) -> str:
    """The modality of what is made."""
    return VIDEO[settings.view][1] if settings.kind == "video" else {"sc": "OT", "us": "US"}[settings.kind]


_FRAME_TIME, _FRAME_TIME_VECTOR = 0x00181063, 0x00181065
_LONGEST_VECTOR = 65_534
_METHODS = {
    "mjpeg": "ISO_10918_1",
    "mpeg2video": "ISO_13818_2",
    "h264": "ISO_14496_10",
    "hevc": "ISO_23008_2",
    "jpeg2000": "ISO_15444_1",
}
_METHOD_LENGTH = 16
_COPY_BYTES = 1 << 20
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True, kw_only=True)
class Series:
    """What all objects of one capture share."""

    context: CaptureContext
    settings: CaptureSettings
    series_uid: str
    began: datetime

    @classmethod
    def new(cls, context: CaptureContext, settings: CaptureSettings) -> Series:
        """A new series, begun now."""
        return cls(context=context, settings=settings, series_uid=new_uid(), began=datetime.now().astimezone())

    def data_set(self, sop_class: str, modality: str, instance_number: int) -> Dataset:
        """Patient, study, series, equipment, general image and SOP common attributes."""
        made = self.context.data_set()
        date, time = self.began.strftime("%Y%m%d"), self.began.strftime("%H%M%S")
        made.update(
            _data_set(
                SOPClassUID=sop_class,
                SOPInstanceUID=new_uid(),
                StudyDate=self.context.study_date or date,
                StudyTime=self.context.study_time or time,
                SeriesDate=date,
                SeriesTime=time,
                ContentDate=date,
                ContentTime=time,
                AcquisitionDateTime=self.began.strftime("%Y%m%d%H%M%S.%f%z"),
                TimezoneOffsetFromUTC=self.began.strftime("%z"),
                Modality=modality,
                SeriesInstanceUID=self.series_uid,
                SeriesNumber=self.settings.series_number,
                InstanceNumber=instance_number,
                PatientOrientation=None,
                Manufacturer="Pellucid",
                ManufacturerModelName="Pellucid",
                DeviceSerialNumber="0",
                SoftwareVersions=software().removeprefix("Pellucid ")[:64],
                BurnedInAnnotation="YES",
            )
        )
        made.update(_anatomy(self.settings))
        if self.settings.series_description:
            made.SeriesDescription = self.settings.series_description
        return made


def _anatomy(settings: CaptureSettings) -> Dataset:
    """Anatomic region (PS3.3 10.5): video objects must have one; whether its side is known is not asked."""
    region = settings.body_part or ("whole body" if settings.kind == "video" else "")
    if not region:
        return _data_set(Laterality=None)
    value, meaning = BODY_PARTS[region]
    code = _data_set(CodeValue=value, CodingSchemeDesignator="SCT", CodeMeaning=meaning)
    return _data_set(AnatomicRegionSequence=[code])


def _data_set(**values: Any) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def colour_pixels(rows: int, columns: int, photometric: str, aspect: Fraction) -> Dataset:
    """Image Pixel (PS3.3 C.7.6.3) of 8-bit colour; `aspect`: width of a pixel over its height."""
    made = _data_set(
        SamplesPerPixel=3,
        PhotometricInterpretation=photometric,
        PlanarConfiguration=0,
        Rows=rows,
        Columns=columns,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
    )
    if aspect != 1:
        made.PixelAspectRatio = [aspect.denominator, aspect.numerator]
    return made


def timing(times_s: list[float]) -> Dataset:
    """Cine (PS3.3 C.7.6.5): the time between frames as it was.

    Raises `InvalidInputError` where there are more frames than the element can hold times.
    """
    hundredths = [round(1e5 * time) for time in times_s]  # of a millisecond; rounded so that nothing adds up
    increments = [0, *(after - before for before, after in pairwise(hundredths))]
    texts = [format_number_as_ds(max(0, increment) / 100) for increment in increments]
    if sum(map(len, texts)) + len(texts) > _LONGEST_VECTOR:
        raise InvalidInputError(
            f"has {len(texts)} frames; their times do not fit an object: keep fewer (every, start, stop), or store it "
            "as video",
            field="video",
        )
    made = _data_set(FrameIncrementPointer=_FRAME_TIME_VECTOR, FrameTimeVector=texts)
    made.update(_rates(times_s))
    return made


def even_timing(frame_time_ms: float) -> Dataset:
    """Cine of frames at a constant rate; the container of a video holds the times of its frames."""
    rate = max(1, round(1000 / frame_time_ms)) if frame_time_ms else 1
    return _data_set(
        FrameIncrementPointer=_FRAME_TIME,
        FrameTime=format_number_as_ds(round(frame_time_ms, 6)),
        CineRate=rate,
        RecommendedDisplayFrameRate=rate,
    )


def _rates(times_s: list[float]) -> Dataset:
    span = times_s[-1] - times_s[0]
    rate = max(1, round((len(times_s) - 1) / span)) if span > 0 else 1
    made = _data_set(CineRate=rate, RecommendedDisplayFrameRate=rate)
    if span > 0:
        made.EffectiveDuration = format_number_as_ds(round(span + span / (len(times_s) - 1), 6))
    return made


def loss(codec: str, ratio: float, *, lossy: bool) -> Dataset:
    """What the source's codec has done to the pixels (PS3.3 C.7.6.1.1.5)."""
    if not lossy:
        return _data_set(LossyImageCompression="00")
    return _data_set(
        LossyImageCompression="01",
        LossyImageCompressionRatio=format_number_as_ds(round(max(ratio, 1.0), 2)),
        LossyImageCompressionMethod=_METHODS.get(codec, codec.upper()[:_METHOD_LENGTH]),
    )


def write_native(data_set: Dataset, pixels: Path, target: Path) -> None:
    """A file whose pixel data is what `pixels` holds."""
    size = pixels.stat().st_size
    with target.open("wb") as out, pixels.open("rb") as source:
        _write_header(data_set, ExplicitVRLittleEndian, out)
        out.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, size + size % 2))
        shutil.copyfileobj(source, out, _COPY_BYTES)
        out.write(b"\0" * (size % 2))


def write_encapsulated(data_set: Dataset, syntax: str, stream: Path, target: Path) -> None:
    """A file whose pixel data is a whole coded stream as one fragment (PS3.5 section 8.2.7 and A.4)."""
    size = stream.stat().st_size
    with target.open("wb") as out, stream.open("rb") as source:
        _write_header(data_set, syntax, out)
        out.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, _UNDEFINED))
        out.write(_item(0) + _item(size + size % 2))
        shutil.copyfileobj(source, out, _COPY_BYTES)
        out.write(b"\0" * (size % 2))
        out.write(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))


def _item(length: int) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, length)


def _write_header(data_set: Dataset, syntax: str, out: BinaryIO) -> None:
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = UID(syntax)
    data_set.save_as(out, enforce_file_format=True)


def merged(parts: Iterable[Dataset]) -> Dataset:
    """All parts in one data set."""
    made = Dataset()
    for part in parts:
        made.update(part)
    return made
