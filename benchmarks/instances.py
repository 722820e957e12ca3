"""The 500 CT instances that servers are measured with: one series of 512² noisy slices, made once per run."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

COUNT = 500
ROOT = "1.2.826.0.1.3680043.10.1462.9"
STUDY, SERIES = f"{ROOT}.1", f"{ROOT}.1.1"


def sop_uid(number: int) -> str:
    """SOP Instance UID of instance `number`, from 1."""
    return f"{SERIES}.{number}"


@cache
def files() -> list[Path]:
    """The files, in a folder that goes when the run ends."""
    folder = Path(tempfile.mkdtemp(prefix="bench-instances-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = []
    for number in range(1, COUNT + 1):
        file = folder / f"{number:04d}.dcm"
        instance(number).save_as(file, enforce_file_format=True)
        made.append(file)
    return made


def pixels(number: int) -> NDArray[np.int16]:
    """A disc of water with bone in it, in air, and 20 HU of noise."""
    row, column = np.mgrid[-1:1:512j, -1:1:512j]
    radius = np.hypot(row, column)
    image = np.where(radius < 0.8, 0.0, -1000.0) + np.where(np.hypot(row - 0.3, column) < 0.1, 800.0, 0.0)
    noise = np.random.default_rng(number).normal(0.0, 20.0, image.shape)
    return np.asarray(np.rint(image + noise), np.int16)


def instance(number: int) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SpecificCharacterSet = "ISO_IR 192"
    made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.SOPClassUID = CTImageStorage
    made.SOPInstanceUID = sop_uid(number)
    made.StudyDate = made.SeriesDate = made.AcquisitionDate = made.ContentDate = "20260301"
    made.StudyTime = made.SeriesTime = made.AcquisitionTime = made.ContentTime = "101500"
    made.AccessionNumber, made.Modality, made.Manufacturer = "A1", "CT", "Pellucid"
    made.ReferringPhysicianName, made.StudyDescription, made.SeriesDescription = "Curie^Marie", "Chest", "Thin"
    made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = "Bench^Mark", "B1", "19700102", "F"
    made.BodyPartExamined, made.SliceThickness, made.KVP = "CHEST", 1.0, 120
    made.StudyInstanceUID, made.SeriesInstanceUID = STUDY, SERIES
    made.StudyID, made.SeriesNumber, made.InstanceNumber = "S1", 1, number
    made.ImagePositionPatient, made.ImageOrientationPatient = [-200.0, -200.0, float(number)], [1, 0, 0, 0, 1, 0]
    made.FrameOfReferenceUID, made.PixelSpacing = f"{ROOT}.2", [0.78125, 0.78125]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows = made.Columns = 512
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, 1
    made.WindowCenter, made.WindowWidth = 40, 400
    made.RescaleIntercept, made.RescaleSlope, made.RescaleType = 0, 1, "HU"
    made.PixelData = pixels(number).tobytes()
    return made
