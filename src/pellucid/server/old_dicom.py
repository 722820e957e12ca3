"""DICOM data sets without the file header of PS3.10, as old programs wrote them."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from pellucid.archive.dicom_json import UNREADABLE
from pellucid.archive.metadata import quiet_pydicom
from pellucid.dicom.write import IMPLEMENTATION_CLASS_UID
from pellucid.errors import InvalidInputError


def begins_as_data_set(head: bytes) -> bool:
    """Whether a file begins with an element of group 0002 or 0008, explicit or implicit VR, little endian."""
    if len(head) < 12 or head[:2] not in (b"\x02\x00", b"\x08\x00") or head[3] != 0 or head[2] > 0x18:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or int.from_bytes(head[4:8], "little") <= 64


def with_header(file: Path) -> bytes:
    """The file with a PS3.10 header, its data set untouched; raises `InvalidInputError`."""
    data = file.read_bytes()
    try:
        with quiet_pydicom():
            dataset = pydicom.dcmread(io.BytesIO(data), force=True)
            meta = FileMetaDataset()
            meta.MediaStorageSOPClassUID = UID(dataset.SOPClassUID)
            meta.MediaStorageSOPInstanceUID = UID(dataset.SOPInstanceUID)
            meta.TransferSyntaxUID = dataset.file_meta.get("TransferSyntaxUID") or _syntax(*dataset.original_encoding)
            meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
            header = DicomBytesIO()
            write_file_meta_info(header, meta)
    except UNREADABLE as error:
        raise InvalidInputError(
            f"begins like DICOM without its file header but cannot be read ({type(error).__name__}: damaged?)",
            file=file,
        ) from error
    return bytes(128) + b"DICM" + header.getvalue() + data[_end_of_group_2(data) :]


def _end_of_group_2(data: bytes) -> int:
    """Where the file meta information (explicit VR, little endian) ends; 0 where there is none."""
    at = 0
    while data[at : at + 2] == b"\x02\x00":
        if data[at + 4 : at + 6] in (b"OB", b"UN"):
            at += 12 + int.from_bytes(data[at + 8 : at + 12], "little")
        else:
            at += 8 + int.from_bytes(data[at + 6 : at + 8], "little")
    return at


def _syntax(implicit: bool | None, little_endian: bool | None) -> UID:  # noqa: FBT001 (pydicom's pair)
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian
