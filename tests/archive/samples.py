"""DICOM files made here, for the tests of archive, DICOMweb and server."""

import io

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian

CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def uid(*numbers):
    return "1.2.826.0.1." + ".".join(str(n) for n in numbers)


def dataset(study=1, series=1, instance=1, pixels=None, **changes):
    """A CT slice; `changes` are attributes by keyword (None: removed)."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = CT_STORAGE
    made.SOPInstanceUID = uid(study, series, instance)
    made.StudyInstanceUID = uid(study)
    made.SeriesInstanceUID = uid(study, series)
    made.PatientName = "Doe^Jane"
    made.PatientID = "P1"
    made.PatientBirthDate = "19700102"
    made.PatientSex = "F"
    made.StudyDate = "20260301"
    made.StudyTime = "101500"
    made.StudyID = "S1"
    made.AccessionNumber = "A1"
    made.StudyDescription = "Chest"
    made.ReferringPhysicianName = "Curie^Marie"
    made.Modality = "CT"
    made.SeriesNumber = series
    made.SeriesDescription = "Thin"
    made.InstanceNumber = instance
    made.RescaleSlope = 1
    made.RescaleIntercept = -1024
    put_pixels(made, np.arange(35, dtype=np.uint16).reshape(5, 7) + instance if pixels is None else pixels)
    for keyword, value in changes.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    return made


def put_pixels(made, array, photometric=None):
    """Native pixels: [row, column], [frame, row, column] or with a last axis of 3 colours (by pixel)."""
    colour = array.shape[-1] == 3 and array.dtype == np.uint8 and array.ndim > 2
    shape = array.shape[:-1] if colour else array.shape
    made.SamplesPerPixel = 3 if colour else 1
    made.PhotometricInterpretation = photometric or ("RGB" if colour else "MONOCHROME2")
    if colour:
        made.PlanarConfiguration = 0
    if len(shape) == 3:
        made.NumberOfFrames = shape[0]
    made.Rows, made.Columns = shape[-2:]
    made.BitsAllocated = made.BitsStored = 8 * array.dtype.itemsize
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(array.dtype.kind == "i")
    data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    made.PixelData = data + b"\0" * (len(data) % 2)
    made["PixelData"].VR = "OB" if made.BitsAllocated == 8 else "OW"


def file_bytes(made, transfer_syntax=ExplicitVRLittleEndian, **meta):
    """The data set as a DICOM file."""
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = transfer_syntax
    for keyword, value in meta.items():
        setattr(made.file_meta, keyword, value)
    target = io.BytesIO()
    made.save_as(target, enforce_file_format=True)
    return target.getvalue()


def coded(transfer_syntax, instance=1, content=bytes(range(256)) * 4, **changes):
    """A DICOM file whose one frame is coded in some transfer syntax: `content`, which only its decoder would know."""
    made = dataset(instance=instance, **changes)
    made.PixelData = encapsulate([content])
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    target = io.BytesIO()
    made.save_as(target, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return target.getvalue()


def dicom(study=1, series=1, instance=1, pixels=None, **changes):
    return file_bytes(dataset(study, series, instance, pixels, **changes))
